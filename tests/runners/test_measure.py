"""Points measured on the real embedded engine: what its own counters say of the prompts it got."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix.plan import PlannedPoint
from matrix.point import Concurrency, Point, point_id, point_key
from matrix.serving import Layout
from matrix.workload import RandomWorkload, RunLength
from runners.measure import measure
from tests.embedded import Embedded, embedded

LENGTH = RunLength(min_s=0.1, max_s=20, min_requests=24)
ISL = 200


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with embedded(tmp_path_factory.mktemp("engine")) as running:
        yield running


def counted(engine: Embedded) -> tuple[int, int]:
    """Prompt tokens the server has computed, and those it took from its cache."""
    with urllib.request.urlopen(f"{engine.url}/metrics") as answer:
        text = answer.read().decode()
    computed, cached = (
        int(re.findall(rf"^llamacpp:{name} (\d+)", text, re.MULTILINE)[0])
        for name in ("prompt_tokens_total", "prompt_tokens_cached_total")
    )
    return computed, cached


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.0, 0.0), (0.8, 0.5, 0.81)])
def test_the_servers_prefix_cache_is_used_for_the_share_that_is_common_and_for_nothing_else(
    engine: Embedded, share: float, least: float, most: float
) -> None:
    workload = RandomWorkload(name="w", isl=ISL, osl=4, ratio=1.0, shared_prefix_share=share, run_length=LENGTH)
    point = Point(
        recipe="r",
        layout_name="l",
        layout=Layout(),
        workload_id="w",
        workload=workload,
        load=Concurrency(streams=2),
    )
    planned = PlannedPoint(id=point_id(point), key=point_key(point), point=point, expected_minutes=1)
    computed, cached = counted(engine)
    measured = measure(engine.target, engine.server, planned, 7, lambda *_: None, Path("none"))
    assert {record.input_tokens for record in measured.window.records} == {ISL}
    computed, cached = (after - before for after, before in zip(counted(engine), (computed, cached), strict=True))
    assert least <= cached / (computed + cached) <= most
