"""GitHub's limits, each with where it is written; and ours, which keep a distance from them.

"docs" is docs.github.com/en/actions/reference/limits unless another page is named. No validator checks the first
three: `matrix.render` and `matrix.waves` count for themselves.
"""

from __future__ import annotations

MATRIX_JOBS = 256
"""Jobs a matrix may make (docs, "Job Matrix": per workflow run; observed to hold per matrix)."""

EXPRESSION_CHARS = 21_000
"""Characters of one `${{ }}` expression, and of a scalar that holds one (actions/runner, ExpressionConstants)."""

WORKFLOW_FILE_BYTES = 500 * 1000
"""A larger workflow file starts no runs (docs, "Workflow file size": 500 KB)."""

JOB_OUTPUT_BYTES = 1_000_000
"""All outputs of one job (docs, workflow syntax, `jobs.<job_id>.outputs`: 1 MB, measured in UTF-16)."""

RUN_OUTPUT_BYTES = 50_000_000
"""All outputs of one run (same page: 50 MB)."""

ARTIFACTS_LISTED = 1000
"""Artifacts that actions/toolkit lists of another run before it stops, with a warning only (list-artifacts.ts)."""

ARTIFACT_DOWNLOADS_IN_A_BURST = 200
"""Downloads after which GitHub answered 403 (saltstack/salt#70302: 200 of 800; transformers#46796: about 1,000)."""

RUNS_QUEUED_PER_10_S = 500
"""Workflow runs a repository may queue in ten seconds (docs, "Workflow run queued")."""

QUEUE_HOURS = 24
"""A job no self-hosted runner takes in this time is failed (docs, "Self-hosted runners: job queue time")."""

SELF_HOSTED_JOB_HOURS = 5 * 24
"""A self-hosted job is ended after this (docs, "Job execution time": 5 days)."""

NESTED_WORKFLOWS = 10
"""Levels of reusable workflows (github/docs#41320)."""

WORKFLOW_CALLS = 50
"""Reusable workflows one workflow file may call, nested ones included (GitHub blog, 2025-12-11, read second-hand)."""

DISPATCH_INPUTS = 25
"""Inputs of `workflow_dispatch` (docs, workflow syntax, `on.workflow_dispatch.inputs`)."""

DISPATCH_INPUT_CHARS = 65_535
"""Characters of all inputs of one dispatch together (same page)."""

STEP_SUMMARY_BYTES = 1 << 20
"""A larger job summary is refused (docs, workflow commands, "Step isolation and limits")."""

COMMENT_CHARS = 65_536
"""Characters of a pull request comment (the API's own error message)."""

TOKEN_REQUESTS_PER_HOUR = 1000
"""REST requests of one repository's GITHUB_TOKEN (docs, rate limits for the REST API)."""

SCHEDULE_IDLE_DAYS = 60
"""Scheduled workflows of a public repository are switched off after this without activity (docs, schedule)."""

RUN_PAGE_JOBS = 500
"""Jobs with which a run's page still loads; near 1,500 it times out (observed; sktime#10031 at 8,311)."""

SHARD_JOBS = 240
"""Ours: jobs of one shard."""

RETRY_JOBS = MATRIX_JOBS - SHARD_JOBS
"""Ours: jobs of a shard's second wave, so that both waves together are within GitHub's limit read strictly."""

RETRY_SHARE = 0.05
"""Ours: points of a shard that its second wave may measure again."""

SHARDS = 50
"""Ours: shards of a night. Each is one run to dispatch and one artifact to publish: far below every rate limit."""
