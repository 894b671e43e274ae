from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.parent import Search, as_point, child, child_id, child_key, search_key
from matrix.point import Concurrency, Load, Point, Rate, point_id, point_key, size_of, with_size
from matrix.search import Bounds, Method, Ramp, Reach, Refine
from matrix.serving import Layout
from matrix.slo import Slo
from matrix.workload import RandomWorkload

BASE = Point(
    recipe="r",
    layout_name="tp8",
    layout=Layout(tp=8),
    workload_id="1k1k",
    workload=RandomWorkload(name="1k in, 1k out", isl=1024, osl=1024),
    load=Concurrency(streams=1),
    power_cap_w=400,
)
BURSTY = Rate(requests_per_s=2.0, arrival="gamma", burstiness=0.25)
SLO = Slo(ttft_s=0.5, tpot_s=0.05)

limits = st.sampled_from([None, 0.05, 0.5])
methods = (
    st.builds(Ramp, factor=st.sampled_from([1.5, 2.0]))
    | st.builds(Refine, max_gap=st.sampled_from([0.02, 0.05]))
    | st.builds(Reach, slo=st.builds(Slo, ttft_s=limits, tpot_s=st.just(0.1), percentile=st.sampled_from([0.9, 0.99])))
)
loads = st.sampled_from([Concurrency(streams=1), Rate(requests_per_s=1.0), BURSTY])
searches = st.builds(
    Search, base=loads.map(lambda load: msgspec.structs.replace(BASE, load=load)), method=methods
)  # fmt: skip


@pytest.mark.parametrize(
    ("load", "method", "name"),
    [
        (Concurrency(streams=1), Ramp(), "r.tp8.1k1k.ramp.cap400w"),
        (BURSTY, Refine(), "r.tp8.1k1k.refine-q-gamma0p25.cap400w"),
        (Rate(requests_per_s=1.0), Reach(slo=SLO), "r.tp8.1k1k.reach-ttft0p5-tpot0p05-p99-q.cap400w"),
    ],
)
def test_a_search_has_a_readable_name(load: Load, method: Method, name: str) -> None:
    search = Search(base=msgspec.structs.replace(BASE, load=load), method=method)
    assert point_id(as_point(search)) == name


def test_a_child_is_named_after_its_parent_and_its_load() -> None:
    search = Search(base=BASE, method=Ramp())
    assert child_id(search, 64) == "r.tp8.1k1k.ramp.c64.cap400w"
    assert child_id(search, 64, replicate=2) == "r.tp8.1k1k.ramp.c64-r2.cap400w"
    assert child(search, 64).load == Concurrency(streams=64)


@given(searches, st.integers(1, 4096), st.integers(1, 4096))
def test_a_childs_key_is_its_parent_and_its_load(search: Search, one: int, other: int) -> None:
    assert (child_key(search, one) == child_key(search, other)) == (one == other)
    assert size_of(child(search, one).load) == one
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,119}", child_id(search, one))


@given(searches, searches)
def test_keys_are_equal_exactly_when_what_is_searched_is(one: Search, other: Search) -> None:
    assert (search_key(one) == search_key(other)) == (one == other)


def test_bounds_and_the_first_load_are_policy_not_identity() -> None:
    search = Search(base=BASE, method=Ramp())
    wider = Search(base=child(search, 7), method=Ramp(), bounds=Bounds(first_load=2, last_load=9))
    assert search_key(wider) == search_key(search)
    assert search_key(search) != point_key(BASE)


def test_a_rate_keeps_how_its_requests_arrive() -> None:
    assert with_size(BURSTY, 7.5) == Rate(requests_per_s=7.5, arrival="gamma", burstiness=0.25)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a limit"):
        Slo()
    with pytest.raises(ValueError, match="below"):
        Bounds(first_load=8, last_load=4)


@given(searches)
def test_a_search_reads_back_from_json(search: Search) -> None:
    assert msgspec.json.decode(msgspec.json.encode(search), type=Search) == search
