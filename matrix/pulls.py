"""What we ask of GitHub about pull requests: the open ones, their checks, and the comments on them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from matrix.github import Repository

if TYPE_CHECKING:
    from matrix.github import GitHub, Run

MAIN = "main"
CHECK = "pr-check.yml"


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
    return github.listed("pulls", asked, OpenPull)


def newest_check(github: GitHub, pull: OpenPull) -> Run | None:
    """The last finished `pr check` of the very commit a pull request proposes, from the very branch."""
    asked = {"event": "pull_request", "head_sha": pull.head.sha}
    found = [
        run
        for run in github.runs_of(CHECK, asked)
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
    return github.listed(f"issues/{number}/comments", {}, Comment)


def write_comment(github: GitHub, number: int, body: str, old: Comment | None) -> None:
    """Put `body` into `old`, or into a new comment."""
    if old is not None:
        github.write("PATCH", f"issues/comments/{old.id}", {"body": body})
    else:
        github.write("POST", f"issues/{number}/comments", {"body": body})
