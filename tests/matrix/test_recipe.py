"""Whatever text a recipe holds, in any field: it is refused, or the server's arguments keep their structure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.check import check
from matrix.expand import expand
from matrix.fleet import DATA, Fleet, load_fleet
from matrix.group import group
from matrix.point import Point, point_id
from matrix.recipe import Recipe

RECIPE: dict[str, Any] = {
    "model": "deepseek-r1-0528",
    "gpu": "h200",
    "engine": "sglang",
    "precision": "fp8",
    "image": "lmsysorg/sglang:v0.5.16-cu130",
    "orchestrator": "dynamo",
    "host": "h200-nb",
    "serving": {
        "speculation": {"method": "draft-model", "tokens": 3, "draft_model": "m", "synthetic_acceptance": 2.5},
        "kv_offload": {"to": "dram", "backend": "hicache", "version": "1.0", "gb": 100},
        "router": {"name": "sglang-router", "version": "0.3.2"},
        "kv_transfer": "nixl",
    },
    "flags": {"max-running-requests": "concurrency", "attention-backend": "flashinfer", "mem-fraction-static": 0.8},
    "flags_unknown": "a test",
    "env": {"SGLANG_USE_AITER": "1"},
    "layouts": [
        {"name": "a", "tp": 8, "ep": 8, "dp_attention": True, "points": {"1k1k": [4, 8], "8k1k": [4]}},
        {
            "name": "b",
            "tp": 4,
            "points": {"1k1k": [16]},
            "serving": {"router": {"name": "r"}},
            "settings": ["CONFIG_FILE=x.yaml"],
            "flags": {"chunked-prefill-size": {"steps": [[8, 4096], [64, 8192]]}, "attention-backend": "fa3"},
            "env": {"SGLANG_USE_AITER": "0"},
        },
        {"name": "c", "prefill": {"workers": 2, "tp": 4, "gpu": "h100"}, "decode": {"tp": 8}, "points": {"8k1k": [64]}},
    ],
    "source": "a test",
}
HOSTILE = (
    "; rm -rf /", "$(reboot)", "`id`", "a\nb", "a b", "'", '"', "${{ github.token }}", "--host", "-x", "--",
    "/etc/passwd", "../../x", "x\n", "a1\n", "a\0b", "a=b --c", "&& id", "| sh", ">x", "*", "~", "{}", "[]",
    "", " ", "é", "\u202e", "x" * 5000, "::add-mask::x", "%s", "concurrency", "1e999", "true", "null",
)  # fmt: skip
ARGUMENT = re.compile(r"--[a-z][a-z0-9_-]*|[A-Za-z0-9][A-Za-z0-9._:,=+-]{0,199}")


@cache
def shipped() -> Fleet:
    return load_fleet(DATA)


def fleet_with(recipe: dict[str, Any]) -> Fleet | None:
    """The shipped facts with this one recipe; null where loading or checking refuses it."""
    try:
        record = msgspec.convert(json.loads(json.dumps(recipe)), Recipe)
    except msgspec.ValidationError:
        return None
    known = shipped()
    document = next(iter(known.documents.values()))
    fleet = replace(known, recipes={"hostile": record}, documents={"hostile": document})
    return None if check(fleet) else fleet


def arguments(fleet: Fleet) -> list[tuple[str, ...]]:
    points = [item for item in expand(fleet) if isinstance(item, Point)]
    return [found.args for found in group(fleet, points)]


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every leaf and every key of a nested value; a key is the path to it with `KEY` behind."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict):
            yield (*at, key, "KEY")
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))
        else:
            yield (*at, key)


def changed(place: tuple[str | int, ...], text: str) -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads(json.dumps(RECIPE))
    is_key = place[-1] == "KEY"
    path = place[:-1] if is_key else place
    holder: Any = recipe
    for step in path[:-1]:
        holder = holder[step]
    if is_key:
        holder[text] = holder.pop(path[-1])
    else:
        holder[path[-1]] = text
    return recipe


def assert_harmless(place: tuple[str | int, ...], text: str) -> bool:
    """Whether it was accepted; if so, every argument is a listed flag or one plain value, pair by pair."""
    fleet = fleet_with(changed(place, text))
    if fleet is None:
        return False
    baseline = fleet_with(RECIPE)
    assert baseline is not None
    found = arguments(fleet)
    assert [len(args) for args in found] == [len(args) for args in arguments(baseline)], (place, text)
    assert [args[0::2] for args in found if args] == [args[0::2] for args in arguments(baseline) if args] or (
        "KEY" in place
    )
    assert all(ARGUMENT.fullmatch(part) for args in found for part in args), (place, text)
    return True


PLACES = tuple(places(RECIPE))


def test_the_recipe_of_this_test_is_fine_as_it_stands() -> None:
    fleet = fleet_with(RECIPE)
    assert fleet is not None
    assert [len(args) > 0 for args in arguments(fleet)] == [True, True, True, True, False]


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_hostile_text_in_any_field_or_key_is_refused_or_inert(text: str) -> None:
    accepted = [place for place in PLACES if assert_harmless(place, text)]
    if not re.fullmatch(r"[a-z0-9]+", text):
        assert {place[0] for place in accepted} <= {"source", "flags_unknown", "layouts"}
        assert all("settings" in place for place in accepted if place[0] == "layouts")


@given(st.sampled_from(PLACES), st.text(max_size=60))
def test_any_text_in_any_field_or_key_is_refused_or_inert(place: tuple[str | int, ...], text: str) -> None:
    assert_harmless(place, text)


def test_a_hostile_recipe_id_is_refused(tmp_path: Path) -> None:
    from matrix.errors import DataProblems

    (tmp_path / "recipes").mkdir()
    for text in HOSTILE:
        (tmp_path / "recipes" / "r.yaml").write_text(json.dumps({text: RECIPE}))
        if re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,119}", text):
            continue
        with pytest.raises(DataProblems):
            load_fleet(tmp_path)


def test_a_points_id_never_holds_more_than_ids_do() -> None:
    fleet = fleet_with(RECIPE)
    assert fleet is not None
    for item in expand(fleet):
        assert isinstance(item, Point)
        assert re.fullmatch(r"[a-z0-9.-]{1,160}", point_id(item))
