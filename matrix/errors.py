"""The one error tree. Expected failures of a *point* are values (`matrix.words`), never exceptions.

FleetError               exit 1: the user can fix it; the message says what was found, where, and what to do
├── DataProblems         several problems in YAML data, all reported at once
├── Unanswered           a server that cannot say now: the same question later may be answered
└── ArtifactRefused      bytes from a runner that we will not read
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the record asked for: the last two have no class of its own."""

MOST_LISTED = 24
"""How many names a message lists before it leaves out the middle."""


class FleetError(Exception):
    """Something the user can put right. `main()` prints it and exits with `exit_code`."""

    exit_code = 1


class Unanswered(FleetError):
    """No answer for the moment, or only part of one: what was asked is neither so nor not so.

    `wait_s` is how long the server asked not to be asked again.
    """

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class ArtifactRefused(FleetError):
    """An artifact's bytes break a rule of the reader; nothing of it was used."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing wrong in a data file. `line` is 1-based; 0 means the file as a whole."""

    file: str
    line: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}" + (f"\n    fix: {self.remedy}" if self.remedy else "")


class DataProblems(FleetError):
    """All problems found in one pass over the data, in file and line order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the known name closest to `word`, else the known names."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {listed(names)}" if names else "none is known here"


def listed(values: Sequence[str | int]) -> str:
    """Values in the order given; of many, the first and the last."""
    texts = [str(value) for value in values]
    if len(texts) > MOST_LISTED:
        texts = [*texts[: MOST_LISTED - 4], f"... ({len(texts) - MOST_LISTED + 1} more)", *texts[-3:]]
    return ", ".join(texts)


def one_line(text: str) -> str:
    """Text from outside as any terminal, log, table and record can show it: printable ASCII, a `?` for all else."""
    return re.sub(r"[^ -~]", "?", text)


def cut(text: str, most: int) -> str:
    """At most so many characters; a longer text ends in `...`."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def harmless(text: str) -> str:
    """Text that may quote a recipe or an artifact, for a job log: GitHub obeys `::` where a line begins, and `##[`."""
    return re.sub(r"^(\s*)::", r"\1: :", text, flags=re.MULTILINE).replace("##[", "## [")
