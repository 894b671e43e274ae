"""Our own limits against GitHub's: at its largest, a night must stay inside all of them at once."""

from __future__ import annotations

import json

from matrix import limits
from matrix.render import JOB_MINUTES

HOSTED_JOBS = 3  # select, second wave, merge
SHARD_ARTIFACTS = limits.SHARD_JOBS + limits.RETRY_JOBS + 3  # and plan, plan-again, merged


def test_a_full_shard_is_a_run_that_github_can_make_and_show() -> None:
    assert limits.SHARD_JOBS + limits.RETRY_JOBS <= limits.MATRIX_JOBS
    assert limits.SHARD_JOBS + limits.RETRY_JOBS + HOSTED_JOBS <= limits.RUN_PAGE_JOBS
    assert SHARD_ARTIFACTS <= limits.ARTIFACTS_LISTED


def test_a_full_shards_matrix_fits_into_an_output_and_both_waves_into_a_run() -> None:
    cell = {"id": "x" * 120, "runner": "x" * 120}
    matrix = 2 * len(json.dumps({"include": [cell] * limits.SHARD_JOBS}))  # UTF-16
    assert matrix < limits.JOB_OUTPUT_BYTES
    assert 2 * matrix < limits.RUN_OUTPUT_BYTES


def test_a_full_night_is_dispatched_and_published_below_every_rate_limit() -> None:
    assert limits.SHARDS <= limits.RUNS_QUEUED_PER_10_S
    assert limits.SHARDS <= limits.ARTIFACT_DOWNLOADS_IN_A_BURST
    lists_and_downloads = 3 * 2 * limits.SHARDS  # of the three nights `github collect` looks at
    assert lists_and_downloads < limits.TOKEN_REQUESTS_PER_HOUR / 2


def test_a_job_ends_before_github_ends_it() -> None:
    assert JOB_MINUTES <= 60 * limits.SELF_HOSTED_JOB_HOURS
    assert limits.QUEUE_HOURS * 60 > JOB_MINUTES  # whoever waits behind one job is still started
