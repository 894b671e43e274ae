"""The night's plan: which jobs and points run where, for how long, and what was left out. `plan.json`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from matrix.dialect import Dialect
from matrix.facts import Fact, Id, Model, Positive, RunnerName
from matrix.point import Point
from matrix.serving import Layout

PLAN_SCHEMA = 2
"""2: a planned point may be a search."""
MAX_ID_CHARS = 180
"""Of a point. A longer one is no file name once an ending is added."""

PointId = Annotated[str, msgspec.Meta(pattern=rf"^[a-z0-9][a-z0-9.-]{{0,{MAX_ID_CHARS - 1}}}$(?!\n)")]


class Server(Fact, frozen=True, kw_only=True):
    """One server to start. `args` are the engine's own flags; host and port are added at launch.

    `args_digest` is part of a series' identity: change a flag or a variable and a new history begins. A workload of
    sessions is served with a `prefix_cache`, as they are meant to be; for all others it is off.
    """

    engine: Id
    dialect: Dialect
    model_id: Id
    model: Model
    gpu: Id
    precision: str
    layout: Layout
    devices: Positive
    image: str | None
    args: tuple[str, ...]
    args_digest: str
    env: dict[str, str] = {}
    prefix_cache: bool = False


class PlannedPoint(Fact, frozen=True, kw_only=True):
    """A point with its identity and the minutes it is expected to take (warm-up included). `why` it is in tonight.

    A search is planned like a point, and makes points as it runs. An `alone` point gets a server of its own, started
    when the points before it are done. A `repeat` is the first on its server once more, as the last but for searches.
    """

    id: PointId
    key: str
    point: Point
    expected_minutes: float
    why: str = ""


class Job(Fact, frozen=True, kw_only=True):
    """One server start and the points measured on it, in the order given.

    `blocked` says why it is planned but must not be launched. `of_points` is how many its whole group has: tonight's
    may be fewer, on a server started with the same arguments. `gpus` are held while it runs; it is expected to begin
    `begins_minutes` into the night.
    """

    id: Id
    label: Id
    backend: Id
    recipe: Id
    recipe_digest: str
    server: Server
    points: tuple[PlannedPoint, ...]
    expected_minutes: float
    blocked: str | None = None
    of_points: int | None = None
    gpus: int | None = None
    begins_minutes: float | None = None


class LeftOut(Fact, frozen=True, kw_only=True):
    """A point of the matrix that is not in this plan, and why. `elsewhere`: it needs another host's accelerators.

    `night` is when it is expected to run. `missing_gpus` is how many more GPUs its label needs before it can.
    """

    id: str
    why: str
    elsewhere: bool = False
    night: str | None = None
    missing_gpus: int | None = None


class Short(Fact, frozen=True, kw_only=True):
    """Labels whose machines are too few to measure every point as often as the rota promises, and by how many."""

    labels: tuple[Id, ...]
    machines: int
    short_machines: int
    short_gpus: int


class Plan(Fact, frozen=True, kw_only=True):
    """`night` is an ISO date, `seed` makes every prompt of the night, `run_id` names this execution.

    `runners` are the names of the machines behind a label, where the fleet names them: no other may send its results.
    The plan of a whole night also says its window, its GPU-hours and how many points may be tried a second time.
    """

    schema_version: int = PLAN_SCHEMA
    run_id: Id
    night: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
    seed: int
    git_sha: str
    jobs: tuple[Job, ...]
    left_out: tuple[LeftOut, ...] = ()
    runners: dict[Id, tuple[RunnerName, ...]] = {}
    window_minutes: float | None = None
    gpu_hours: float | None = None
    retry_points: int | None = None
    short: tuple[Short, ...] = ()


def planned_points(plan: Plan) -> dict[str, tuple[Job, PlannedPoint]]:
    """Every planned point by id, with its job."""
    return {point.id: (job, point) for job in plan.jobs for point in job.points}
