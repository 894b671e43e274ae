"""What GitHub's REST API answers, as far as we read it; fields that are not listed are passed over.

docs.github.com/en/rest/actions: workflow-runs, workflow-jobs, artifacts.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run. `path` is its workflow's file; `display_title` what `run-name` made.

    `status` is `completed`, or one of several words for not yet; `conclusion` is null until then.
    """

    id: int
    path: str
    display_title: str
    event: str
    status: str
    conclusion: str | None = None
    head_branch: str | None
    head_sha: str
    run_attempt: int
    created_at: datetime
    run_started_at: datetime | None = None

    @property
    def workflow(self) -> str:
        """The file's name. GitHub may add the ref: `.github/workflows/nightly.yml@main`."""
        return self.path.partition("@")[0].rpartition("/")[2]

    @property
    def attempt_began_at(self) -> datetime:
        """When its newest attempt was asked for; `created_at` stays that of the first."""
        return self.run_started_at or self.created_at


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a job. A step that its runner never reported ended keeps a null `conclusion`."""

    name: str
    status: str
    conclusion: str | None = None


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One job of one attempt of a run. `labels` are those of its `runs-on`; it has no runner until one took it."""

    id: int
    run_id: int
    run_attempt: int
    name: str
    status: str
    conclusion: str | None = None
    head_sha: str
    labels: tuple[str, ...] = ()
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    runner_name: str | None = None
    runner_group_name: str | None = None
    steps: tuple[StepRecord, ...] = ()


class Uploader(msgspec.Struct, frozen=True, kw_only=True):
    """The run that uploaded an artifact. The two repositories differ where a fork's commit ran."""

    id: int
    head_branch: str | None = None
    head_sha: str
    repository_id: int | None = None
    head_repository_id: int | None = None


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """`digest` is `sha256:...` of the zip, null for very old ones."""

    id: int
    name: str
    size_in_bytes: int
    expired: bool
    digest: str | None = None
    created_at: datetime | None = None
    workflow_run: Uploader | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How a commit stands to another: `identical`, `ahead`, `behind` or `diverged`."""

    status: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A branch's newest commit."""

    sha: str


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request as it is now."""

    number: int
    state: str
    head: Head
    changed_files: int


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a pull request. `status` is `added`, `modified`, `removed`, `renamed` ..."""

    filename: str
    status: str
    previous_filename: str | None = None


class Runs(msgspec.Struct, frozen=True):
    """One page."""

    total_count: int
    workflow_runs: list[Run]


class Artifacts(msgspec.Struct, frozen=True):
    """One page."""

    total_count: int
    artifacts: list[Artifact]


class Jobs(msgspec.Struct, frozen=True):
    """One page."""

    total_count: int
    jobs: list[JobRecord]
