"""Points measured on a shared server and alone, night after night."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import msgspec
import pyarrow.parquet as pq
import pytest

from aggregate import commands, dataset, manifest
from aggregate.columns import filled, missing_row
from aggregate.history import history_of
from aggregate.merge import merge
from aggregate.publish import publish
from aggregate.sharing import Sharing, sharing
from aggregate.site.build import build
from aggregate.terminal import sharing_text
from matrix.plan import Job, Plan, PlannedPoint
from matrix.point import point_id, point_key
from matrix.words import Missing, Reason
from tests.aggregate.builders import a_plan, a_result, point_files, some_metrics, write_folder

if TYPE_CHECKING:
    from pathlib import Path

    from aggregate.rows import Row


def alone(planned: PlannedPoint) -> PlannedPoint:
    point = msgspec.structs.replace(planned.point, alone=True)
    return PlannedPoint(id=point_id(point), key=point_key(point), point=point, expected_minutes=1.0)


def paired(day: int, recipes: int = 1) -> Plan:
    """A night in which every point is measured both ways."""
    plan = a_plan(run_id=f"run-{day:03}", night=f"2026-{9 + day // 28:02}-{1 + day % 28:02}", jobs=recipes)
    jobs = [msgspec.structs.replace(job, points=(*job.points, *map(alone, job.points))) for job in plan.jobs]
    return msgspec.structs.replace(plan, jobs=tuple(jobs))


def result_row(plan: Plan, job: Job, point: PlannedPoint, tok_per_s: float, *reasons: Reason) -> Row:
    metrics = some_metrics(tok_per_s=tok_per_s, interactivity=tok_per_s / 5)
    result = a_result(plan, job, point, reasons=reasons, metrics=metrics)
    return filled(missing_row(plan, job, point, "all", Missing.NO_ARTIFACT), result, None)


def night(day: int, change: float, noise: float = 0.0) -> list[Row]:
    """Shared servers are `change` faster than lonely ones, give or take a night's own `noise`."""
    plan = paired(day)
    (job,) = plan.jobs
    speed = 100.0 * (1 + change) * math.exp(noise)
    return [result_row(plan, job, point, 100.0 if point.point.alone else speed) for point in job.points]


def found(*nights: list[Row]) -> Sharing:
    return sharing(dataset.to_table([row for rows in nights for row in rows]))


def nights(count: int, change: float, sd: float, seed: int = 1) -> list[list[Row]]:
    luck = random.Random(seed)
    return [night(day, change, luck.gauss(0.0, sd)) for day in range(count)]


def test_one_night_gives_a_difference_and_no_verdict() -> None:
    (one,) = found(night(0, -0.03)).recipes
    assert (one.recipe, one.observations, one.pairs, one.verdict) == ("r0", 1, 2, "undecided")
    throughput, tpot = one.differences
    assert throughput.mean == pytest.approx(-0.03, rel=1e-4)
    assert (throughput.low, throughput.high) == (None, None)
    assert tpot.mean == pytest.approx(1 / 0.97 - 1, rel=1e-4)


def test_a_pair_says_what_both_ways_gave() -> None:
    pairs = found(night(0, 0.25)).pairs
    assert [pair.point_id for pair in pairs] == ["r0.tp1.1k1k.c1", "r0.tp1.1k1k.c4"]
    assert (pairs[0].output_tok_per_s_shared, pairs[0].output_tok_per_s_alone) == (125.0, 100.0)
    assert pairs[0].output_tok_per_s_difference == pytest.approx(0.25)
    assert pairs[0].tpot_s_p50_difference == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("count", "change", "sd", "verdict"),
    [
        (8, 0.0, 0.005, "equivalent"),
        (8, 0.004, 0.003, "equivalent"),
        (8, -0.05, 0.005, "differs"),
        (8, 0.05, 0.005, "differs"),
        (8, 0.0, 0.05, "undecided"),  # too noisy for eight nights
        (8, -0.01, 0.005, "undecided"),  # as large as the margin
        (2, -0.05, 0.0005, "undecided"),
    ],
)
def test_a_verdict_is_equivalence_within_a_hundredth_a_difference_beyond_it_or_none(
    count: int, change: float, sd: float, verdict: str
) -> None:
    (one,) = found(*nights(count, change, sd)).recipes
    assert (one.verdict, one.observations, one.pairs) == (verdict, count, 2 * count)


def test_a_recipe_that_is_just_outside_the_margin_is_seldom_called_equivalent() -> None:
    """The test's size: at a true change of the margin itself, one in twenty at most, but for chance."""
    verdicts = [found(*nights(5, 0.0101, 0.004, seed)).recipes[0].verdict for seed in range(40)]
    assert verdicts.count("equivalent") <= 6


def test_only_ok_pairs_of_one_attempt_on_one_host_count() -> None:
    rows = night(0, 0.0)
    for spoilt in (
        [msgspec.structs.replace(row, outcome="invalid") if row.alone else row for row in rows],
        [msgspec.structs.replace(row, outcome="infra_failed") if not row.alone else row for row in rows],
        [msgspec.structs.replace(row, attempt=2) if row.alone else row for row in rows],
        [msgspec.structs.replace(row, host="h2") if row.alone else row for row in rows],
        [row for row in rows if row.alone],
        [row for row in rows if not row.alone],
    ):
        assert found(spoilt) == Sharing(recipes=(), pairs=())
    assert "no point was measured both" in sharing_text(found([]))


def test_what_a_recipe_was_before_and_what_is_older_than_a_year_says_nothing() -> None:
    before = [msgspec.structs.replace(row, recipe_digest="before") for row in night(0, -0.5)]
    ancient = [msgspec.structs.replace(row, night="2024-01-01", run_id="ancient") for row in night(1, -0.5)]
    (one,) = found(before, ancient, night(2, 0.0)).recipes
    assert (one.observations, one.newest) == (1, "2026-09-03")


def test_those_to_be_split_come_first_by_name_and_reach_the_planner() -> None:
    slow = [row for rows in nights(6, -0.04, 0.002) for row in rows]
    same = [msgspec.structs.replace(row, recipe="a-good-one") for rows in nights(6, 0.0, 0.002) for row in rows]
    same = [msgspec.structs.replace(row, run_id=f"{row.run_id}-b") for row in same]
    table = dataset.to_table([*slow, *same])
    beside = sharing(table)
    assert [one.recipe for one in beside.recipes] == ["r0", "a-good-one"]
    text = sharing_text(beside)
    assert text.endswith("to be split, for sharing changes them by more than 1%: r0")
    ((recipe, why),) = history_of(table).to_split.items()
    assert recipe == "r0"
    assert why.startswith("on a shared server output_tok_per_s -4.")
    assert why.endswith("in 6 nights")


def test_it_is_published_verified_on_the_page_and_shown(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for day in range(2):
        plan = paired(day, recipes=2)
        for job in plan.jobs:
            write_folder(tmp_path / f"artifacts{day}" / f"job-{job.id}-a1", point_files(plan, job))
        publish(merge(plan, tmp_path / f"artifacts{day}"), plan, home)
    (entry,) = [one for one in manifest.verify(home).files if one.kind == "sharing"]
    read = msgspec.json.decode((home / "published" / entry.path).read_bytes(), type=Sharing)
    assert entry.rows == len(read.pairs) == 8
    assert [(one.recipe, one.observations, one.verdict) for one in read.recipes] == [
        ("r0", 2, "undecided"),
        ("r1", 2, "undecided"),
    ]
    assert "r1" in commands.show_sharing(home)
    page = build(home, tmp_path / "site").read_text()
    assert "What sharing a server changes" in page
    assert '<th scope="row" class="mono">r0</th>' in page
    (night,) = [one for one in manifest.verify(home).files if one.kind == "night_parquet" and one.about == "2026-09-01"]
    twins = pq.read_table(home / "published" / night.path, columns=["point_id", "twin_of"]).to_pylist()
    assert {"point_id": "r0.tp1.1k1k.c1.alone", "twin_of": "r0.tp1.1k1k.c1"} in twins
