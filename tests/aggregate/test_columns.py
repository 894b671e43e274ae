"""Whatever a runner measures has a column, and comes back out of its columns as it went in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from aggregate.columns import filled, metrics_of, missing_row
from aggregate.rows import Row
from benchmarks.metrics import summarize
from matrix.point import Rate
from matrix.slo import Slo
from matrix.words import Missing
from matrix.workload import ReferenceWorkload, TraceWorkload
from tests.aggregate.builders import a_plan, a_result, some_metrics
from tests.benchmarks.windows import request, window_of

if TYPE_CHECKING:
    from matrix.result import Metrics

PLAN = a_plan()
JOB = PLAN.jobs[0]
POINT = JOB.points[0]


def row_of(metrics: Metrics) -> Row:
    empty = missing_row(PLAN, JOB, POINT, "s0", Missing.NO_ARTIFACT)
    return filled(empty, a_result(PLAN, JOB, POINT, metrics=metrics), driver=None)


def everything() -> Metrics:
    """An open loop long enough for every part there is."""
    records = [request(n, 0.1 * n, ttft_s=0.1 + 0.001 * (n % 7), scheduled_s=0.1 * n - 0.001) for n in range(80)]
    metrics = summarize(window_of(*records), 1, Slo(ttft_s=0.5))
    assert metrics is not None
    assert metrics.steady is not None
    assert None not in (metrics.goodput, metrics.ttft_from_schedule_s, metrics.tpot_s_p50_interval)
    return metrics


def test_every_measured_number_survives_the_columns() -> None:
    metrics = everything()
    row = row_of(metrics)
    assert metrics_of(row) == metrics
    assert metrics.steady is not None
    assert row.steady_tpot_trend == "plateau"
    assert row.steady_total_tok_per_s == metrics.steady.total_tok_per_s
    assert row.ttft_s_certified_p99 is None


def test_a_result_of_an_older_version_leaves_the_new_columns_null() -> None:
    row = row_of(some_metrics())
    assert metrics_of(row) == some_metrics()
    assert row.steady_requests is None
    assert row.ttft_s_p50_interval_low is None


def test_half_of_a_part_is_refused() -> None:
    row = msgspec.structs.replace(row_of(everything()), tpot_s_p50_interval_low=None)
    with pytest.raises(msgspec.ValidationError):
        metrics_of(row)


def test_a_rate_has_its_columns() -> None:
    load = Rate(requests_per_s=2.5, arrival="gamma", burstiness=0.5, streams=32)
    planned = msgspec.structs.replace(POINT, point=msgspec.structs.replace(POINT.point, load=load))
    row = missing_row(PLAN, JOB, planned, "s0", Missing.NO_ARTIFACT)
    assert (row.rate_per_s, row.arrival, row.burstiness, row.concurrency) == (2.5, "gamma", 0.5, 32)
    closed = missing_row(PLAN, JOB, POINT, "s0", Missing.NO_ARTIFACT)
    assert (closed.rate_per_s, closed.arrival) == (None, None)


def test_a_row_says_what_its_prompts_were_made_of() -> None:
    text = ReferenceWorkload(
        name="w", set="a" * 64, tokenizer="b" * 64, isl=64, osl=8, shared_prefix_share=0.25, prefix_groups=2
    )
    said = []
    for workload in (POINT.point.workload, text, TraceWorkload(name="w", trace="t")):
        planned = msgspec.structs.replace(POINT, point=msgspec.structs.replace(POINT.point, workload=workload))
        row = missing_row(PLAN, JOB, planned, "s0", Missing.NO_ARTIFACT)
        said.append((row.prompts, row.prompt_set, row.shared_prefix_share, row.prefix_groups, row.isl))
    assert said[1:] == [("reference", "a" * 64, 0.25, 2, 64), ("trace", None, None, None, None)]
    assert said[0][:4] == ("random", None, 0.0, 1)
