"""Selection: which points are meant, in the same words everywhere (`list`, `plan`, `run`, the page).

    --model dsr1 --gpu 'mi3*' --isl 8192 --conc 4..64

All options must hold; the comma-separated words of one option are alternatives. A name may be a glob; a number is
exact or a range, `4..64`, `64..`, `..4`, both ends included. Joining two selectors selects what both select.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

import msgspec

from matrix.errors import FleetError, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Value = str | int
    T = TypeVar("T")

NAMES = {
    "model": "Model id, or a family of them (dsr1).",
    "gpu": "GPU id. With pools of servers: of any pool.",
    "engine": "Engine id.",
    "precision": "Precision of the weights.",
    "workload": "Workload id.",
    "recipe": "Recipe id.",
    "layout": "Name of a layout (tp8, tp4-ep4).",
    "spec": "Speculative decoding: its method, or none.",
    "search": "What is searched for: ramp, refine, reach; none for a point.",
}
NUMBERS = {
    "isl": "Input tokens.",
    "osl": "Output tokens.",
    "conc": "Requests in flight; of a search, the most.",
    "tp": "Tensor parallelism, of any pool.",
    "pp": "Pipeline parallelism, of any pool.",
    "dp": "Data parallelism, of any pool.",
    "ep": "Expert parallelism, of any pool.",
    "devices": "Devices of one measurement, all pools together.",
}


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a point can be selected by. Every field holds all values that count: a model's id and its family, the
    size of each pool. An empty field matches no condition (a trace has no one input length).
    """

    model: tuple[str, ...]
    gpu: tuple[str, ...]
    engine: tuple[str, ...]
    precision: tuple[str, ...]
    workload: tuple[str, ...]
    recipe: tuple[str, ...]
    layout: tuple[str, ...]
    spec: tuple[str, ...]
    search: tuple[str, ...]
    isl: tuple[int, ...]
    osl: tuple[int, ...]
    conc: tuple[int, ...]
    tp: tuple[int, ...]
    pp: tuple[int, ...]
    dp: tuple[int, ...]
    ep: tuple[int, ...]
    devices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """One word for names: exact, or a glob."""

    text: str

    def __call__(self, value: Value) -> bool:
        return fnmatchcase(str(value), self.text)


@dataclass(frozen=True, slots=True)
class Range:
    """One word for numbers; null is an open end."""

    text: str
    low: int | None
    high: int | None

    def __call__(self, value: Value) -> bool:
        return isinstance(value, int) and (self.low or 0) <= value and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True)
class Condition:
    """One option: it holds when any of its words matches any of a point's values."""

    field: str
    words: tuple[Name | Range, ...]

    def __call__(self, traits: Traits) -> bool:
        return any(map(self.allows, _values(traits, self.field)))

    def allows(self, value: Value) -> bool:
        """Whether any of the words means this value."""
        return any(word(value) for word in self.words)

    def __str__(self) -> str:
        return f"--{self.field} {','.join(word.text for word in self.words)}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Give it a point's traits, get whether the point is meant. Without conditions every point is."""

    conditions: tuple[Condition, ...] = ()

    def __call__(self, traits: Traits) -> bool:
        return all(condition(traits) for condition in self.conditions)

    def __and__(self, other: Selector) -> Selector:
        return Selector(self.conditions + other.conditions)

    def __str__(self) -> str:
        return " ".join(map(str, self.conditions))

    def missed(self, traits: Traits) -> Condition | None:
        """The first condition that leaves the point out; None when it is meant."""
        return next((condition for condition in self.conditions if not condition(traits)), None)


EVERYTHING = Selector()


def parse_selector(asked: Mapping[str, Iterable[str]]) -> Selector:
    """The options as typed, by name. Whether their words mean anything here is `require`'s question."""
    split = {field: [word.strip() for text in texts for word in text.split(",")] for field, texts in asked.items()}
    return Selector(tuple(_condition(field, words) for field, words in split.items() if words))


def _condition(field: str, words: list[str]) -> Condition:
    if "" in words:
        raise FleetError(f"--{field}: a word is missing; write one, or several between commas")
    if field in NAMES:
        return Condition(field, tuple(Name(word.lower()) for word in words))  # ids are lowercase
    return Condition(field, tuple(_range(field, word) for word in words))


_RANGE = re.compile(r"(?P<low>[0-9]{1,12})?((?P<dots>\.\.)(?P<high>[0-9]{1,12})?)?")


def _range(field: str, word: str) -> Range:
    match = _RANGE.fullmatch(word)
    if match is None or (match["low"] is None and match["high"] is None):
        raise FleetError(f"--{field} {word!r}: write a number (64) or a range (4..64, 64.., ..4)")
    low = int(match["low"]) if match["low"] else None
    high = int(match["high"]) if match["high"] else (None if match["dots"] else low)
    if low is not None and high is not None and high < low:
        raise FleetError(f"--{field} {word!r}: the range ends before it begins; write {high}..{low}")
    return Range(word, low, high)


def _values(traits: Traits, field: str) -> tuple[Value, ...]:
    values: tuple[Value, ...] = getattr(traits, field)
    return values


def require(selector: Selector, everything: Sequence[Traits]) -> None:
    """Raise a `FleetError` for a word that matches nothing there is, and for options that together leave nothing.

    A typing error must not select less, silently.
    """
    _left(selector, everything)


def select(selector: Selector, items: Iterable[T], traits: Callable[[T], Traits]) -> list[T]:
    """The items that are meant, in their order. Raises as `require` does."""
    everything = list(items)
    if not selector.conditions:
        return everything
    return [everything[index] for index in _left(selector, [traits(item) for item in everything])]


def _left(selector: Selector, everything: Sequence[Traits]) -> Sequence[int]:
    """Indexes of what is meant. Words are held against each value once, not against each point."""
    known = [_known(everything, condition.field) for condition in selector.conditions]
    for condition, values in zip(selector.conditions, known, strict=True):
        for word in condition.words:
            if not any(word(value) for value in values):
                raise FleetError(_nothing(condition.field, word, values))
    left: Sequence[int] = range(len(everything))
    for done, (condition, values) in enumerate(zip(selector.conditions, known, strict=True)):
        meant = frozenset(value for value in values if condition.allows(value))
        before, left = left, [i for i in left if not meant.isdisjoint(_values(everything[i], condition.field))]
        if not left:
            raise FleetError(_emptied(selector, done, [everything[index] for index in before]))
    return left


def _known(everything: Iterable[Traits], field: str) -> frozenset[Value]:
    return frozenset(value for one in everything for value in _values(one, field))


def _nothing(field: str, word: Name | Range, known: frozenset[Value]) -> str:
    has_wildcard = bool(set("*?[") & set(word.text))
    if isinstance(word, Name) and not has_wildcard:
        return f"--{field} {word.text}: no point has it; {nearest(word.text, map(str, known))}"
    return f"--{field} {word.text}: matches nothing; there are: {_in_order(known)}"


def _in_order(values: Iterable[Value]) -> str:
    return listed(sorted(values, key=lambda value: (isinstance(value, str), value))) or "none"


def _emptied(selector: Selector, done: int, before: Sequence[Traits]) -> str:
    """`before` is what the first `done` conditions left; the next left nothing."""
    condition = selector.conditions[done]
    known = _known(before, condition.field)
    so_far = Selector(selector.conditions[:done])
    return f"{condition}: none of the {len(before)} points of {so_far}; those have {condition.field} {_in_order(known)}"
