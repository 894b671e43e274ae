"""Markdown that holds text from strangers. Everything of theirs goes into code, where GitHub makes nothing of it.

In a code span or block there are no mentions, links, references, images or HTML; what could end the span, a table's
cell or the line is replaced, not escaped, so that no reading of the rules lets it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.errors import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CHARS = 200
_ENDS = str.maketrans({"`": "'", "|": "¦"})


def code(text: str, most: int = MOST_CHARS) -> str:
    """One code span, also inside a table."""
    return f"`{_plain(text, most).strip() or '?'}`"


def block(lines: Iterable[str]) -> str:
    """One fenced block, a line for each."""
    return "\n".join(["```text", *(_plain(text, 4 * MOST_CHARS) for text in lines), "```"])


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table; cells are Markdown."""
    names = list(heads)
    return [_row(names), _row(["---"] * len(names)), *(_row(row) for row in rows)]


def fitting(lines: Iterable[str], budget: int) -> list[str]:
    """The first lines that have no more than `budget` bytes together: GitHub counts characters, which are fewer."""
    kept: list[str] = []
    for text in lines:
        budget -= len(text.encode()) + 1
        if budget < 0:
            break
        kept.append(text)
    return kept


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str, most: int) -> str:
    return cut(one_line(text).translate(_ENDS), most)
