"""Strict YAML: one document of plain data, with the line of every value kept for messages.

Refused, because each has silently changed somebody's numbers: duplicate keys, anchors and aliases (also the
bomb), tags, and YAML 1.1 readings (`on` -> true, `0.10` -> 0.1 where a word was meant, `1:30` -> 90).
Only JSON's own spellings of numbers, true, false and null are anything but text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from matrix.errors import DataProblems, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Where = tuple[str | int, ...]

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 32
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. `lines` has the 1-based line of every key and list item by its path from the root."""

    file: str
    value: Value
    lines: Mapping[Where, int]

    def line(self, where: Where) -> int:
        """The line of `where`, or of its nearest ancestor that has one; 0 for the file as a whole."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 0)


def read_yaml(path: Path, *, shown_as: str | None = None) -> Document:
    """Parse one file. Raises `DataProblems` that name the file, the line and the remedy."""
    file = shown_as or str(path)
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else None
    except OSError as error:
        raise DataProblems([Problem(file=file, line=0, message=f"cannot be read: {error.strerror}")]) from None
    if data is None:
        remedy = f"split it: a data file is at most {MAX_BYTES:,} bytes"
        raise DataProblems([Problem(file=file, line=0, message=f"is {size:,} bytes", remedy=remedy)])
    return parse_yaml(data, file)


def parse_yaml(data: bytes, file: str) -> Document:
    """Parse bytes as the one document of `file`."""
    builder = _Builder(file)
    try:
        value = builder.document(yaml.parse(data, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise DataProblems([_syntax_problem(file, error)]) from None
    return Document(file=file, value=value, lines=builder.lines)


def _syntax_problem(file: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return Problem(
        file=file,
        line=mark.line + 1 if mark else 0,
        message=f"is not YAML: {what}",
        remedy="look at this line's indentation and quotes, and at the end of the file if it was cut off",
    )


class _Builder:
    """Turns the event stream into plain values: no node graph exists, so an alias cannot multiply anything."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Where, int] = {}

    def document(self, events: Iterator[yaml.Event]) -> Value:
        value: Value = None
        seen = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise self._refuse(event, "holds a second document", "one file, one document: remove the `---`")
                seen = True
                value = self._value(next(events), events, ())
        return value

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], where: Where) -> Value:
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, f"uses the alias *{event.anchor}", "write the value out")
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor:
            raise self._refuse(event, f"defines the anchor &{anchor}", "write the value out where it is used")
        if tag:
            raise self._refuse(event, f"uses the tag {tag}", "plain values only")
        if len(where) > MAX_DEPTH:
            raise self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, where)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, where)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._refuse(event, f"has an unexpected {type(event).__name__}", "plain values only")
        return _scalar(event)

    def _mapping(self, events: Iterator[yaml.Event], where: Where) -> dict[str, Value]:
        result: dict[str, Value] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refuse(event, "has a key that is not a word", "keys are plain text")
            key = event.value
            if key in result:
                first = self.lines[*where, key]
                raise self._refuse(event, f"has the key {key!r} twice (first on line {first})", "keep one of them")
            self.lines[*where, key] = _line(event)
            result[key] = self._value(next(events), events, (*where, key))
        return result

    def _sequence(self, events: Iterator[yaml.Event], where: Where) -> list[Value]:
        result: list[Value] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            item = (*where, len(result))
            self.lines[item] = _line(event)
            result.append(self._value(event, events, item))
        return result

    def _refuse(self, event: yaml.Event, message: str, remedy: str) -> DataProblems:
        return DataProblems([Problem(file=self.file, line=_line(event), message=message, remedy=remedy)])


def reads_as_text(text: str) -> bool:
    """Whether `text`, written without quotes, is read back as itself."""
    return isinstance(_plain(text), str)


def _scalar(event: yaml.ScalarEvent) -> Value:
    quoted = not event.implicit[0]  # or a block: text, whatever it looks like
    return event.value if quoted else _plain(event.value)


def _plain(text: str) -> bool | int | float | str | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
