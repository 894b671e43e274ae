from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from matrix.blocked import why_blocked
from matrix.expand import expand
from matrix.facts import Model, NamedWeights
from matrix.fleet import Fleet, load_fleet
from matrix.point import Point
from matrix.recipe import Recipe, pinned
from matrix.serving import Layout, Pool, Serving, Speculation
from matrix.workload import ReferenceWorkload, TraceWorkload
from tests.fleets import write_fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return load_fleet(write_fleet(tmp_path))


def first(fleet: Fleet, **changes: object) -> Point:
    point = next(item for item in expand(fleet) if isinstance(item, Point))
    return msgspec.structs.replace(point, **changes)


def with_recipe(fleet: Fleet, **changes: object) -> Fleet:
    changed: dict[str, Recipe] = {name: msgspec.structs.replace(one, **changes) for name, one in fleet.recipes.items()}
    return replace(fleet, recipes=changed)


def with_model(fleet: Fleet, **changes: object) -> Fleet:
    changed: dict[str, Model] = {name: msgspec.structs.replace(one, **changes) for name, one in fleet.models.items()}
    return replace(fleet, models=changed)


def test_a_point_of_which_everything_is_known_may_be_launched(fleet: Fleet) -> None:
    assert why_blocked(fleet, first(fleet)) is None


def test_unknown_flags_block_with_their_reason(fleet: Fleet) -> None:
    assert "are unknown: nobody said" in str(why_blocked(with_recipe(fleet, flags_unknown="nobody said"), first(fleet)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"layout": Layout(settings=("CONFIG_FILE=x.yaml",))}, "another launcher's settings"),
        ({"layout": Layout(prefill=Pool(settings=("A=1",)), decode=Pool())}, "another launcher's settings"),
        ({"layout": Layout(prefill=Pool(), decode=Pool())}, "joins prefill and decode"),
        ({"workload": TraceWorkload(name="t", trace="t")}, "recording t has no digest"),
        ({"workload": TraceWorkload(name="t", trace="t", digest="0" * 64)}, "longest request of t is"),
        ({"serving": Serving(speculation=Speculation(method="mtp"))}, "acceptance of noise"),
    ],
)
def test_what_we_cannot_carry_out_blocks(fleet: Fleet, changes: dict[str, object], why: str) -> None:
    assert why in str(why_blocked(fleet, first(fleet, **changes)))


def test_a_model_we_cannot_fetch_or_prompt_blocks(fleet: Fleet) -> None:
    assert "only by the name 'x'" in str(why_blocked(with_model(fleet, weights=NamedWeights(called="x")), first(fleet)))
    assert "token ids" in str(why_blocked(with_model(fleet, prompt_token_ids=None), first(fleet)))


def test_reference_prompts_need_no_token_ids(fleet: Fleet) -> None:
    """Speculation on them would be measured, if what came of it could be published."""
    text = ReferenceWorkload(name="w", set="0" * 64, tokenizer="0" * 64, isl=64, osl=8)
    unknown = with_model(fleet, prompt_token_ids=None)
    assert why_blocked(unknown, first(fleet, workload=text)) is None
    drafted = first(fleet, workload=text, serving=Serving(speculation=Speculation(method="mtp")))
    assert "drafted tokens were accepted" in str(why_blocked(fleet, drafted))


def test_an_image_is_pinned_by_its_digest_alone() -> None:
    assert pinned(None)
    assert pinned("reg.io/x:1@sha256:" + "0" * 64)
    assert not pinned("reg.io/x:1")
    assert not pinned("reg.io/x@sha256:" + "0" * 63)
