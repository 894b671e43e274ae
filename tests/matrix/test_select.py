from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import FleetError
from matrix.expand import Dropped, expand
from matrix.fleet import Fleet, load_fleet
from matrix.point import Point, point_id
from matrix.select import EVERYTHING, NAMES, NUMBERS, Selector, Traits, parse_selector, require, select
from matrix.traits import traits_of
from tests.fleets import write_fleet

WORDS = ("aa", "ab", "b1", "b2", "c")
names = st.lists(st.sampled_from(WORDS), max_size=2).map(tuple)
numbers = st.lists(st.integers(1, 9), max_size=2).map(tuple)
traits = st.builds(Traits, **dict.fromkeys(NAMES, names), **dict.fromkeys(NUMBERS, numbers))
globs = st.sampled_from([*WORDS, "a*", "*1", "?", "*", "[bc]*", "zz"])


@st.composite
def ranges(draw: st.DrawFn) -> str:
    low, high = sorted((draw(st.integers(1, 9)), draw(st.integers(1, 9))))
    return draw(st.sampled_from([str(low), f"{low}..{high}", f"{low}..", f"..{high}"]))


asked = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.lists(globs, min_size=1, max_size=3) for name in NAMES},
        **{name: st.lists(ranges(), min_size=1, max_size=3) for name in NUMBERS},
    },
)


def naive(asked: dict[str, list[str]], one: Traits) -> bool:
    """The definition, spelled out: every option has a word that some value of the point agrees with."""
    return all(
        any(_agrees(word, value) for word in words for value in getattr(one, name)) for name, words in asked.items()
    )


def _agrees(word: str, value: str | int) -> bool:
    if isinstance(value, int):
        low, dots, high = word.partition("..")
        return value == int(word) if not dots else int(low or 1) <= value <= int(high or 9)
    return {
        "a*": value[0] == "a",
        "*1": value[-1] == "1",
        "?": len(value) == 1,
        "*": True,
        "[bc]*": value[0] in "bc",
    }.get(word, word == value)


@given(asked, st.lists(traits, max_size=6))
def test_a_selector_is_a_naive_filter(asked: dict[str, list[str]], points: list[Traits]) -> None:
    selector = parse_selector(asked)
    assert [one for one in points if selector(one)] == [one for one in points if naive(asked, one)]


@given(asked, asked, st.lists(traits, max_size=6))
def test_joining_selectors_selects_what_both_select(
    left: dict[str, list[str]], right: dict[str, list[str]], points: list[Traits]
) -> None:
    one, other = parse_selector(left), parse_selector(right)
    both = [point for point in points if (one & other)(point)]
    assert both == [point for point in points if one(point) and other(point)]
    assert both == [point for point in points if (other & one)(point)]
    assert one & EVERYTHING == one == EVERYTHING & one


@given(asked, traits)
def test_a_point_is_meant_exactly_when_no_condition_misses_it(asked: dict[str, list[str]], one: Traits) -> None:
    selector = parse_selector(asked)
    missed = selector.missed(one)
    assert (missed is None) is selector(one)
    assert missed is None or not missed(one)


@given(asked, st.lists(traits, min_size=1, max_size=6))
def test_a_selection_is_never_silently_empty(asked: dict[str, list[str]], points: list[Traits]) -> None:
    selector = parse_selector(asked)
    chosen: list[Traits] | None = None
    with contextlib.suppress(FleetError):
        chosen = select(selector, points, lambda one: one)
    assert chosen is None or chosen == [one for one in points if naive(asked, one)] != []


@given(asked)
def test_a_selector_is_a_value_and_its_text_selects_the_same(asked: dict[str, list[str]]) -> None:
    selector = parse_selector(asked)
    again = {str(one).split()[0].removeprefix("--"): [str(one).split()[1]] for one in selector.conditions}
    assert parse_selector(again) == selector
    assert len({selector, parse_selector(asked)}) == 1


def test_every_trait_has_an_option_and_every_option_a_trait() -> None:
    assert set(Traits.__struct_fields__) == NAMES.keys() | NUMBERS.keys()


@pytest.mark.parametrize(
    ("field", "word", "words"),
    [
        ("conc", "64..4", "write 4..64"),
        ("conc", "many", "write a number"),
        ("conc", "..", "write a number"),
        ("conc", "4-64", "write a number"),
        ("conc", "4,,8", "a word is missing"),
        ("model", "", "a word is missing"),
        ("tp", "١", "write a number"),
        ("tp", "1234567890123", "write a number"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(field: str, word: str, words: str) -> None:
    with pytest.raises(FleetError, match=words):
        parse_selector({field: [word]})


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return load_fleet(write_fleet(tmp_path))


def chosen(fleet: Fleet, **asked: str) -> list[str]:
    points = [item for item in expand(fleet) if isinstance(item, Point)]
    selector = parse_selector({field: [text] for field, text in asked.items()})
    return [point_id(point) for point in select(selector, points, traits_of(fleet))]


def test_points_are_selected_by_what_they_are(fleet: Fleet) -> None:
    assert chosen(fleet, model="tiny", isl="..16", conc="2..4") == ["tiny-cpu.batched.short.c4"]
    assert chosen(fleet, layout="slots*", workload="long,short", osl="32") == ["tiny-cpu.slots2.long.c2"]
    assert chosen(fleet, gpu="CPU", conc="1,2") == [
        "tiny-cpu.batched.short.c1", "tiny-cpu.slots2.short.c1", "tiny-cpu.slots2.long.c2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "tinny"}, "--model tinny: no point has it; did you mean 'tiny'?"),
        ({"gpu": "mi3*"}, "--gpu mi3*: matches nothing; there are: cpu"),
        ({"conc": "5..100"}, "--conc 5..100: matches nothing; there are: 1, 2, 4"),
        ({"workload": "long,lnog"}, "--workload lnog: no point has it; did you mean 'long'?"),
        ({"workload": "long", "conc": "4"}, "--conc 4: none of the 1 points of --workload long; those have conc 2"),
    ],
)
def test_what_selects_nothing_names_what_there_is(fleet: Fleet, asked: dict[str, str], words: str) -> None:
    with pytest.raises(FleetError) as caught:
        chosen(fleet, **asked)
    assert words in str(caught.value)


def test_a_family_names_all_its_models_and_a_pool_any_of_its_sizes() -> None:
    from matrix.fleet import DATA

    fleet = load_fleet(DATA)
    items = [item for item in expand(fleet) if not isinstance(item, Dropped)]
    found = select(parse_selector({"model": ["dsr1"]}), items, traits_of(fleet))
    assert {fleet.models[fleet.recipes[point.recipe].model].family for point in found} == {"dsr1"}
    assert len({fleet.recipes[point.recipe].model for point in found}) > 1


def test_nothing_asked_requires_nothing() -> None:
    require(EVERYTHING, [])
    assert select(Selector(), [1, 2], lambda _: pytest.fail("looked at")) == [1, 2]
