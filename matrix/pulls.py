"""What we ask of GitHub about pull requests: the open ones, their checks, and the comments on them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from matrix.errors import FleetError
from matrix.github import MAX_PAGES, PER_PAGE, asked_page
from matrix.github_records import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.github import GitHub

MAIN = "main"
CHECK = "pr-check.yml"
Listed = TypeVar("Listed")


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository by name: ours, or somebody's fork."""

    full_name: str


class PullRun(Run, frozen=True, kw_only=True):
    """A run with what it says of the pull request it may be of. `head_repository` is null when the fork is gone."""

    conclusion: str | None = None
    head_repository: Repository | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull request proposes. `repo` is null when the fork is gone."""

    ref: str
    sha: str
    repo: Repository | None


class OpenPull(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request as lists have it."""

    number: int
    head: Head
    updated_at: datetime


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote a comment."""

    login: str


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment; `user` is null when the account is gone."""

    id: int
    user: Author | None
    body: str | None


def open_pulls(github: GitHub) -> list[OpenPull]:
    """Those that ask to be merged into main, the one that changed last first."""
    asked = {"state": "open", "base": MAIN, "sort": "updated", "direction": "desc"}
    return _listed(github, "pulls", asked, OpenPull)


def newest_check(github: GitHub, pull: OpenPull) -> PullRun | None:
    """The last finished `pr check` of the very commit a pull request proposes, from the very branch."""
    asked = {"event": "pull_request", "head_sha": pull.head.sha}
    found = [
        run
        for run in runs_of(github, CHECK, asked)
        if run.status == "completed"
        and run.workflow == CHECK
        and run.event == "pull_request"
        and run.head_sha == pull.head.sha
        and run.head_branch == pull.head.ref
        and run.head_repository is not None
        and run.head_repository == pull.head.repo
    ]
    return max(found, key=lambda run: (run.id, run.run_attempt), default=None)


def comments(github: GitHub, number: int) -> list[Comment]:
    """Every comment on a pull request, the oldest first."""
    return _listed(github, f"issues/{number}/comments", {}, Comment)


def write_comment(github: GitHub, number: int, body: str, old: Comment | None) -> None:
    """Put `body` into `old`, or into a new comment."""
    if old is not None:
        github.write("PATCH", f"issues/comments/{old.id}", {"body": body})
    else:
        github.write("POST", f"issues/{number}/comments", {"body": body})


def runs_of(github: GitHub, workflow: str, asked: Mapping[str, str], since: datetime | None = None) -> list[PullRun]:
    """Every run of a workflow file that has what is asked, in GitHub's words for it."""
    created = {} if since is None else {"created": f">={since:%Y-%m-%dT%H:%M:%SZ}"}
    path = f"actions/workflows/{workflow}/runs"
    found: list[PullRun] = []
    for page in range(1, MAX_PAGES + 1):
        got = github.get(path, {**asked, **created, **asked_page(page)}, _Runs)
        found += got.workflow_runs
        if not got.workflow_runs or len(found) >= got.total_count:
            break
    if len(found) != got.total_count:
        raise FleetError(f"GitHub listed {len(found)} runs of {workflow} of {got.total_count}: try again")
    return found


class _Runs(msgspec.Struct, frozen=True):
    total_count: int
    workflow_runs: list[PullRun]


def _listed(github: GitHub, path: str, asked: Mapping[str, str], kind: type[Listed]) -> list[Listed]:
    """Every entry of a list that does not say how long it is: its last page is not full."""
    found: list[Listed] = []
    for page in range(1, MAX_PAGES + 1):
        got = github.get(path, {**asked, **asked_page(page)}, list[kind])  # type: ignore[type-var, valid-type]
        found += got
        if len(got) < PER_PAGE:
            return found
    raise FleetError(f"{path} lists more than {MAX_PAGES * PER_PAGE}")
