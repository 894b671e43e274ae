from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.edit import Drop, Put, edited
from matrix.errors import FleetError
from matrix.yamlfile import parse_yaml

IMAGE = "vllm/vllm-openai:v1@sha256:" + "a" * 64
SHA = "4236a6af538feda4548eca9ab308586007567f52"
MODEL = """\
# A model, é.
m:  # its id
  name: "M"   # a name
  weights:
    kind: hub
    repo: a/b  # the repository

  # sizes
  vocab_size: 8
  unknown:
    # why not
    weights.revision: "unpinned: nobody said"
    max_context: unknown too
  source: "https://x/y"
n:
  name: N
"""
PIN = (
    Put(("m", "weights", "revision"), SHA, after="repo"),
    Drop(("m", "unknown", "weights.revision")),
    Put(("m", "sources", "weights.revision"), "https://h/a/b", before="source"),
)


def test_a_revision_is_added_beside_its_repository_and_nothing_else_moves() -> None:
    assert edited(MODEL, PIN) == """\
# A model, é.
m:  # its id
  name: "M"   # a name
  weights:
    kind: hub
    repo: a/b  # the repository
    revision: 4236a6af538feda4548eca9ab308586007567f52

  # sizes
  vocab_size: 8
  unknown:
    # why not
    max_context: unknown too
  sources:
    weights.revision: "https://h/a/b"
  source: "https://x/y"
n:
  name: N
"""  # fmt: skip


def test_flow_style_stays_flow_style() -> None:
    text = 'm: {weights: {kind: hub, repo: a/b}, unknown: {weights.revision: "no, not known"}, source: s}  # one\n'
    assert edited(text, PIN) == (
        f"m: {{weights: {{kind: hub, repo: a/b, revision: {SHA}}}, "
        'sources: {weights.revision: "https://h/a/b"}, source: s}  # one\n'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("image: x:1  # why", f"image: {IMAGE}  # why"),
        ("image: 'x:1'", f"image: '{IMAGE}'"),
        ('image: "x:1" # why', f'image: "{IMAGE}" # why'),
        ("image: it's", f"image: {IMAGE}"),
        ("image: null", f"image: {IMAGE}"),
        ("image:", f'image: "{IMAGE}"'),
    ],
)
def test_a_value_is_replaced_inside_its_own_quotes(before: str, after: str) -> None:
    text = "r:\n  a: 1\n  {}\n  b: 2\n"
    assert edited(text.format(before), (Put(("r", "image"), IMAGE),)) == text.format(after)


def test_quotes_inside_quotes_are_escaped() -> None:
    assert edited("a: 'x'\n", (Put(("a",), "it's"),)) == "a: 'it''s'\n"
    assert edited('a: "x"\n', (Put(("a",), 'a\\"b'),)) == 'a: "a\\\\\\"b"\n'


def test_text_that_would_read_as_a_number_is_quoted() -> None:
    digits = "1234567890" * 4
    assert edited("r:\n  v: x\n", (Put(("r", "v"), digits),)) == f'r:\n  v: "{digits}"\n'
    assert edited("r:\n  v: x\n", (Put(("r", "w"), digits),)) == f'r:\n  v: x\n  w: "{digits}"\n'


def test_line_ends_and_a_missing_last_one_are_kept() -> None:
    assert edited("r:\r\n  v: x\r\n", (Put(("r", "w"), "y"),)) == "r:\r\n  v: x\r\n  w: y\r\n"
    assert edited("r:\n  v: x", (Put(("r", "v"), "y"),)) == "r:\n  v: y"
    assert edited("r:\n  v: x", (Put(("r", "w"), "y"),)) == "r:\n  v: x\n  w: y\n"


def test_the_last_key_takes_its_parent_with_it() -> None:
    assert edited("r:\n  a: 1\n  u:\n    x: y\n  b: 2\n", (Drop(("r", "u", "x")),)) == "r:\n  a: 1\n  b: 2\n"
    assert edited("r: {a: 1, u: {x: y}}\n", (Drop(("r", "u", "x")),)) == "r: {a: 1}\n"


def test_what_is_not_there_need_not_be_dropped() -> None:
    assert edited("r: {a: 1}\n", (Drop(("r", "u", "x")), Drop(("q",)))) == "r: {a: 1}\n"


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("r: [1]\n", Put(("r", "a"), "x")),
        ("r:\n  a: {b: c}\n", Put(("r", "a"), "x")),
        ("r: x\n", Put(("s", "a", "b"), "x")),
    ],
)
def test_an_edit_that_would_not_be_clean_is_refused(text: str, edit: Put) -> None:
    with pytest.raises(FleetError):
        edited(text, (edit,))


words = st.text("abcé0:#\"' ,-{}", max_size=8)
comments = st.sampled_from(["", "  # note: {a}", " # é\n  # more", "\n"])


@st.composite
def files(draw: st.DrawFn) -> str:
    """One record of quoted and plain scalars with comments anywhere, some values flow collections or blocks."""
    lines = ["# top", "r:"]
    for key in draw(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)):
        value = draw(
            st.sampled_from(["x", "'y: z'", '"q"', "[1, 2]", "{k: v}", "|\n    text\n    more", "\n    k: v\n    l: w"])
        )
        lines.append(f"  {key}: {value}" + ("" if "\n" in value else draw(comments)))
    lines.append("  z: last")
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n# end\n"]))


@given(
    files(), st.sampled_from("abcdefgh"), st.sampled_from(["new", IMAGE, SHA, "https://h/x"]), st.sampled_from("abcdef")
)
def test_an_edit_changes_one_value_and_keeps_every_other_line(text: str, key: str, value: str, beside: str) -> None:
    data = parse_yaml(text.encode(), "f").value
    assert isinstance(data, dict)
    record = data["r"]
    assert isinstance(record, dict)
    old = record.get(key)
    if isinstance(old, list | dict) or (isinstance(old, str) and "\n" in old):
        with pytest.raises(FleetError, match="edit it by hand"):
            edited(text, (Put(("r", key), value),))
        return
    after = edited(text, (Put(("r", key), value, before=beside),))
    assert parse_yaml(after.encode(), "f").value == {"r": {**record, key: value}}
    gone = edited(after, (Drop(("r", key)),))
    kept = {name: one for name, one in record.items() if name != key}
    assert parse_yaml(gone.encode(), "f").value == {"r": kept}
    assert [line for line in text.splitlines() if "#" in line and key not in line] == [
        line for line in after.splitlines() if "#" in line and key not in line
    ]
