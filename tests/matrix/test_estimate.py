from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from matrix.estimate import SECONDS_PER_OUTPUT_TOKEN, UNKNOWN_WEIGHTS_GB, Estimator, weights_gb
from matrix.expand import expand
from matrix.facts import HubWeights
from matrix.fleet import DATA, Fleet, load_fleet
from matrix.group import group
from matrix.history import History, PointHistory
from matrix.point import Concurrency, Point, Rate, point_key
from matrix.rota import CERTIFIED_REQUESTS
from matrix.workload import ConversationWorkload, RandomWorkload, RunLength, TraceWorkload
from tests.fleets import write_fleet
from tests.matrix.test_point import POINT


@pytest.fixture(scope="module")
def shipped() -> Fleet:
    return load_fleet(DATA)


def streams(count: int, **length: float) -> Point:
    workload = RandomWorkload(name="8k in, 1k out", isl=8192, osl=1024, run_length=RunLength(**length))  # type: ignore[arg-type]
    return msgspec.structs.replace(POINT, load=Concurrency(streams=count), workload=workload)


REQUEST_S = 1024 * 0.9 * SECONDS_PER_OUTPUT_TOKEN


def test_few_streams_take_long_to_make_the_fewest_requests(shipped: Fleet) -> None:
    estimator = Estimator(fleet=shipped)
    one, many = (estimator.point(streams(count, min_s=60, max_s=1200, min_requests=32)) for count in (1, 64))
    assert one.measured == pytest.approx(32 * REQUEST_S / 60)
    assert many.measured == pytest.approx(1.0)
    assert all(found.whole > found.measured for found in (one, many))


def test_no_measurement_is_expected_to_pass_its_limit_but_a_certified_one(shipped: Fleet) -> None:
    point = streams(1, min_s=60, max_s=300, min_requests=32)
    estimator = Estimator(fleet=shipped)
    assert estimator.point(point).measured == 5.0
    assert estimator.point(point, CERTIFIED_REQUESTS).measured == pytest.approx(662 * REQUEST_S / 60)


def test_a_rate_takes_as_long_as_its_schedule(shipped: Fleet) -> None:
    rate = msgspec.structs.replace(streams(1, min_s=60, max_s=1200, min_requests=320), load=Rate(requests_per_s=0.5))
    assert Estimator(fleet=shipped).point(rate).measured == pytest.approx((640 + REQUEST_S) / 60)


def test_a_trace_takes_its_time_and_its_warm_up(shipped: Fleet) -> None:
    trace = TraceWorkload(name="t", trace="t", run_length=RunLength(min_s=3600, max_s=3600))
    found = Estimator(fleet=shipped).point(msgspec.structs.replace(POINT, workload=trace))
    assert (found.measured, found.whole) == (60.0, 70.0)


def test_the_turns_of_a_conversation_take_their_waits_too(shipped: Fleet) -> None:
    length = RunLength(min_s=60, max_s=600, min_requests=40)
    talk = ConversationWorkload(name="t", turns=8, isl=9, added=9, osl=100, gap_s=27.5, run_length=length)
    found = Estimator(fleet=shipped).point(msgspec.structs.replace(POINT, workload=talk, load=Concurrency(streams=4)))
    assert found.measured == pytest.approx(10 * (2.5 + 27.5) / 60)


def test_defaults_agree_with_the_two_published_starts(shipped: Fleet) -> None:
    """45 and 13 minutes a point beside the measurement on H200: DeepSeek-R1 in FP8 and gpt-oss-120b."""
    estimator = Estimator(fleet=shipped)
    points = [item for item in expand(shipped) if isinstance(item, Point)]
    starts = {found.recipe: estimator.start(found) for found in group(shipped, points)}
    assert 35 < starts["deepseek-r1-fp8-h200-sglang"] < 50
    assert 10 < starts["gpt-oss-120b-h200-trtllm"] < 16


def test_unknown_published_weights_count_as_large_and_a_local_file_as_nothing(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    assert weights_gb(fleet, "tiny-cpu") == 0.0
    model = msgspec.structs.replace(fleet.models["tiny"], weights=HubWeights(repo="a/b"))
    assert weights_gb(replace(fleet, models={"tiny": model}), "tiny-cpu") == UNKNOWN_WEIGHTS_GB


def test_history_wins_over_every_default(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    points = [item for item in expand(fleet) if isinstance(item, Point)]
    found = group(fleet, points)[0]
    past = PointHistory(recipe_digest="r", args_digest="a", seen="2026-01-01", minutes=9.0, measured_s=60.0)
    history = History(points={point_key(found.points[0]): past}, starts={found.job_id: 33.0})
    estimator = Estimator(fleet=fleet, history=history)
    assert estimator.start(found) == 33.0
    assert estimator.point(found.points[0]).whole == 9.0
    assert estimator.point(found.points[0]).measured == 1.0
    assert estimator.point(found.points[0], CERTIFIED_REQUESTS).whole != 9.0
