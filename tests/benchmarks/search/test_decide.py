from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.search.decide import decide
from benchmarks.search.steps import Measure, Observation
from matrix.finding import Finding, Stop
from matrix.parent import Search
from matrix.search import Bounds, Ramp, Reach, Refine
from matrix.slo import Slo
from tests.benchmarks.virtual_server import BASE

if TYPE_CHECKING:
    from matrix.search import Method

METHODS: tuple[Method, ...] = (Ramp(), Refine(), Reach(slo=Slo(tpot_s=0.1)))


@st.composite
def anything(draw: st.DrawFn) -> Observation:
    requests = draw(st.integers(0, 2000))
    return Observation(
        size=0.0,
        requests=requests,
        failed=draw(st.integers(0, min(30, requests))),
        minutes=draw(st.floats(0.1, 5)),
        tok_per_s=draw(st.floats(0, 1e4)),
        log_se=draw(st.sampled_from([0.0, 0.01, float("inf")])),
        x=draw(st.floats(0, 100)),
        x_log_se=draw(st.sampled_from([0.0, 0.05, float("inf")])),
        y=draw(st.floats(0, 1e4)),
        over={"tpot": draw(st.integers(0, min(40, requests)))},
    )


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
@settings(max_examples=60)
def test_whatever_it_sees_a_search_ends_within_its_bounds(method: Method, data: st.DataObject) -> None:
    bounds = Bounds(first_load=2, last_load=200, max_measurements=12, max_minutes=20)
    search = Search(base=BASE, method=method, bounds=bounds)
    seen: list[Observation] = []
    while isinstance(said := decide(search, seen), Measure):
        assert 2 <= said.size <= 200
        assert said.size == round(said.size)
        assert decide(search, seen) == said
        seen.append(msgspec.structs.replace(data.draw(anything()), size=said.size))
        assert len(seen) <= 12
        assert sum(one.minutes for one in seen[:-1]) < 20
    assert isinstance(said, Finding)
    assert said.measurements == len(seen)
    assert said.detail
    assert msgspec.json.decode(msgspec.json.encode(said), type=Finding) == said


@pytest.mark.parametrize("method", METHODS)
def test_the_budget_in_minutes_ends_it_with_what_is_known(method: Method) -> None:
    search = Search(base=BASE, method=method, bounds=Bounds(max_minutes=1))
    kept = Observation(
        size=1, requests=1000, failed=0, minutes=1.0, tok_per_s=9, log_se=0, x=9, x_log_se=0, y=9, over={"tpot": 0}
    )
    said = decide(search, [kept])
    assert isinstance(said, Finding)
    assert (said.stop, said.size) == (Stop.BUDGET, 1)
