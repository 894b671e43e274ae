"""Plans for one host: of the fake engine with a scenario, and of the real embedded engine with the tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from launch.engines import ENGINES
from matrix.dialect import CacheCounters, Dialect
from matrix.facts import FileWeights, Model
from matrix.jobs import repeat_of
from matrix.plan import Job, Plan, PlannedPoint, Server
from matrix.point import Concurrency, Point, digest, point_id, point_key
from matrix.serving import Layout
from matrix.workload import RandomWorkload, RunLength
from tests import fake_engine

WORKLOAD = RandomWorkload(name="8 in, 4 out", isl=8, osl=4, run_length=RunLength(min_s=0.3, max_s=20.0, min_requests=4))

COUNTERS = CacheCounters(hits="fake_prefix_cache_hits_total", of=("fake_prompt_tokens_total",))


class PlanOf(Protocol):
    def __call__(self, *server_args: str, streams: tuple[int, ...] = ..., repeat: bool = ...) -> Plan: ...


@pytest.fixture
def plan_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanOf:
    """A plan of one job on the fake engine: `plan_of("--scenario", "stall", streams=(1, 2))`."""
    monkeypatch.setitem(ENGINES, "fake", fake_engine)
    weights = tmp_path / "weights"
    weights.touch()

    def plan_of(*server_args: str, streams: tuple[int, ...] = (1, 2), repeat: bool = False) -> Plan:
        server = _server(server_args, weights)
        points = [_planned(count) for count in streams]
        points += [repeat_of(points[0].point, points[0].expected_minutes)] * repeat
        job = _job(server, tuple(points))
        return Plan(run_id="run-1", night="2026-01-31", seed=7, git_sha="unknown", jobs=(job,))

    return plan_of


def _server(args: tuple[str, ...], weights: Path) -> Server:
    return Server(
        engine="fake",
        dialect=Dialect(metrics_path="/metrics", cache_counters=COUNTERS),
        model_id="fake-model",
        model=Model(
            name="fake",
            weights=FileWeights(path=str(weights)),
            vocab_size=1000,
            prompt_token_ids=(10, 1000),
            source="a test",
        ),
        gpu="cpu",
        precision="bf16",
        layout=Layout(),
        devices=1,
        image=None,
        args=args,
        args_digest=digest(args),
    )


def _planned(streams: int) -> PlannedPoint:
    point = Point(
        recipe="fake-recipe",
        layout_name="tp1",
        layout=Layout(),
        workload_id="tiny",
        workload=WORKLOAD,
        load=Concurrency(streams=streams),
    )
    return PlannedPoint(id=point_id(point), key=point_key(point), point=point, expected_minutes=0.01)


def _job(server: Server, points: tuple[PlannedPoint, ...]) -> Job:
    return Job(
        id="fake-recipe.tp1.000000",
        label="local",
        backend="process",
        recipe="fake-recipe",
        recipe_digest=digest("recipe"),
        server=server,
        points=points,
        expected_minutes=0.1,
    )
