from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import DataProblems
from matrix.yamlfile import MAX_BYTES, parse_yaml, read_yaml


def problem(text: str) -> str:
    with pytest.raises(DataProblems) as caught:
        parse_yaml(text.encode(), "f.yaml")
    return str(caught.value)


def test_words_that_yaml_1_1_would_change_stay_words() -> None:
    text = "a: on\nb: 1:30\nc: no\nd: 0x10\ne: 010\nf: .5\ng: 2026-01-31\nh: 1_000\n"
    assert parse_yaml(text.encode(), "f").value == {
        "a": "on", "b": "1:30", "c": "no", "d": "0x10", "e": "010", "f": ".5", "g": "2026-01-31", "h": "1_000",
    }  # fmt: skip


def test_plain_numbers_and_words_have_their_types_and_quotes_make_text() -> None:
    text = "a: 3\nb: -0.5\nc: 1e3\nd: true\ne: null\nf: \"3\"\ng: 'true'\nh: [1, x]\n"
    assert parse_yaml(text.encode(), "f").value == {
        "a": 3, "b": -0.5, "c": 1000.0, "d": True, "e": None, "f": "3", "g": "true", "h": [1, "x"],
    }  # fmt: skip


def test_every_value_keeps_its_line() -> None:
    document = parse_yaml(b"a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", "f")
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "c", 1)) == 5
    assert document.line(("a", "c", 1, "y")) == 5
    assert document.line(("a", "no", "such")) == 1


def test_a_duplicate_key_is_refused_with_both_lines() -> None:
    assert "f.yaml:3: has the key 'a' twice (first on line 1)" in problem("a: 1\nb: 2\na: 3\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\n", "anchor &x"),
        ("a: [1]\nb: *x\n", "alias *x"),
        ("a: !!python/object:os.system 1\n", "tag"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("{[1]: 2}\n", "not a word"),
        ("a: [1, 2\n", "is not YAML"),
        ("a: 'cut off", "is not YAML"),
        ("[" * 50 + "]" * 50, "deeper than 32"),
        ("a: \x07\n", "is not YAML"),
    ],
)
def test_what_has_bitten_others_is_refused_with_a_remedy(text: str, words: str) -> None:
    said = problem(text)
    assert words in said
    assert "f.yaml:" in said
    assert "fix: " in said


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a,*a]\n" for i in range(1000))
    assert "f.yaml:1: defines the anchor &a" in problem(bomb)


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("a: 1\n" + "#" * MAX_BYTES)
    with pytest.raises(DataProblems, match="split it"):
        read_yaml(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataProblems, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")


_EXPONENT = re.compile(r"[0-9]+[eE][0-9]+")

json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    # PyYAML follows YAML 1.1 and leaves `0E0` unquoted; here, as in JSON, it is a number.
    | st.text(st.characters(codec="ascii", categories=["L", "N"])).filter(lambda text: not _EXPONENT.fullmatch(text)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(json_like)
def test_plain_data_written_by_a_yaml_library_reads_back_equal(value: object) -> None:
    text = yaml.safe_dump({"v": value}, default_flow_style=False)
    assert parse_yaml(text.encode(), "f").value == {"v": value}


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_data_problems(data: bytes) -> None:
    document = None
    with contextlib.suppress(DataProblems):
        document = parse_yaml(data, "f")
    assert document is None or document.file == "f"
