"""Read by a real CommonMark parser (with GitHub's tables): whatever a stranger writes stays inside code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from aggregate.markdown import block, code, fitting, table

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
HOSTILE = [
    "@everybody",
    "`@everybody`",
    "``` \n@everybody",
    "a`b``c```d @x",
    "| @x | <img src=x onerror=alert(1)> |",
    "\\| @x \\",
    "\\` @x",
    "[x](https://evil.example)",
    "![x](https://evil.example/pixel.png)",
    "https://evil.example www.evil.example a@evil.example",
    "<script>alert(1)</script><!--",
    "-->\n\n# heading\n\n- [ ] task",
    "\r\n\r\n| a |\r\n| --- |",
    "\u2028\u202e\x1b[31m\x00",
    "",
    "   ",
    "x" * 100_000,
]


def tokens(text: str) -> list[Token]:
    return [inner for one in MARKDOWN.parse(text) for inner in (one, *(one.children or ()))]


def outside_code(text: str) -> tuple[set[str], str]:
    """Types of everything that is made of a text, and the words that are not in code."""
    found = tokens(text)
    return {one.type for one in found}, "".join(one.content for one in found if one.type in ("text", "html_inline"))


@pytest.mark.parametrize("text", HOSTILE)
def test_known_attacks_stay_in_one_span_of_one_cell(text: str) -> None:
    _stays_in_code(text)


@given(st.text(max_size=300) | st.text(alphabet="`|\\@<>[]()!#\n \t~-_*", max_size=60))
def test_any_text_stays_in_one_span_of_one_cell(text: str) -> None:
    _stays_in_code(text)


def _stays_in_code(text: str) -> None:
    assert len(code(text)) <= 202
    types, words = outside_code(f"left {code(text)} right")
    assert types == {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}
    assert words == "left  right"
    types, words = outside_code("\n".join(table(("a", "b"), [(code(text), code(text))])))
    assert [one.type for one in tokens("\n".join(table(("a", "b"), [(code(text), "z")])))].count("td_open") == 2
    assert words == "ab"
    assert not {"html_inline", "html_block", "link_open", "image", "heading_open"} & types


@given(st.lists(st.text(max_size=100) | st.sampled_from(HOSTILE), max_size=5))
def test_any_lines_stay_in_one_block(lines: list[str]) -> None:
    types, words = outside_code(f"before\n\n{block(lines)}\n\nafter")
    assert types == {"paragraph_open", "paragraph_close", "inline", "text", "fence"}
    assert words == "beforeafter"


def test_lines_that_do_not_fit_are_left_out_whole() -> None:
    assert fitting(["aaaa", "bbbb", "c"], 10) == ["aaaa", "bbbb"]
    assert fitting(["aaaa"], 4) == []
