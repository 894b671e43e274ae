"""Self-hosted runners over GitHub's REST API: just-in-time configurations and the groups that say who may use them.

A just-in-time runner takes at most one job; GitHub then forgets it. Requests and answers are as documented in
docs.github.com/en/rest/actions/self-hosted-runners and .../self-hosted-runner-groups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import msgspec

from matrix.errors import FleetError
from matrix.github import MAX_PAGES, REPOSITORY, answered, decoded
from matrix.patience import PATIENCE, Patience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ONLY_GROUP = 1
"""The group id of a runner of one repository: repositories have no groups."""

ORGANIZATION = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
RUNNER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A runner group of an organization. `selected_workflows` are `owner/name/.github/workflows/FILE@REF`."""

    id: int
    name: str
    visibility: str
    allows_public_repositories: bool = False
    restricted_to_workflows: bool = False
    selected_workflows: list[str] = []


class _Groups(msgspec.Struct, frozen=True):
    total_count: int
    runner_groups: list[Group]


class _Runner(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Configuration(msgspec.Struct, frozen=True):
    runner: _Runner
    encoded_jit_config: str


class _Repository(msgspec.Struct, frozen=True):
    id: int
    private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A runner that GitHub expects to call. `encoded` lets whoever has it take one job: never print it."""

    id: int
    name: str
    encoded: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runners:
    """The runners of an organization, or of `repository` alone where `organization` is null, as one token sees them."""

    api: str
    repository: str
    organization: str | None
    token: str = field(repr=False)
    patience: Patience = PATIENCE

    def __post_init__(self) -> None:
        if not REPOSITORY.fullmatch(self.repository):
            raise FleetError(f"{self.repository!r} is not a repository: write it as owner/name")
        if self.organization is not None and not ORGANIZATION.fullmatch(self.organization):
            raise FleetError(f"{self.organization!r} is not the name of an organization")

    def register(self, name: str, group: int, labels: Sequence[str]) -> Registration:
        """Announce a runner for one job. Nothing runs yet; one that never calls is forgotten after a day."""
        if not RUNNER_NAME.fullmatch(name):
            raise FleetError(f"{name!r} is no name for a runner: letters, digits, '.', '_', '-', at most 64")
        body = {"name": name, "runner_group_id": group, "labels": list(labels), "work_folder": "_work"}
        path = f"{self._home()}/actions/runners/generate-jitconfig"
        got = decoded(self._send("POST", path, body=body).content, _Configuration)
        return Registration(id=got.runner.id, name=got.runner.name, encoded=got.encoded_jit_config)

    def remove(self, runner_id: int) -> None:
        """Take a runner back that waits for a job; its listener then ends. GitHub refuses while it runs one."""
        self._send("DELETE", f"{self._home()}/actions/runners/{runner_id}")

    def group(self, name: str) -> Group | None:
        """The organization's group of that name."""
        found: list[Group] = []
        for page in range(1, MAX_PAGES + 1):
            asked = {"per_page": "100", "page": str(page)}
            got = decoded(self._send("GET", f"{self._home()}/actions/runner-groups", params=asked).content, _Groups)
            found += got.runner_groups
            if not got.runner_groups or len(found) >= got.total_count:
                break
        return next((group for group in found if group.name == name), None)

    def create_group(self, name: str, workflows: Sequence[str], *, public: bool) -> Group:
        """A group for this repository's `workflows` and for nothing else."""
        body = {
            "name": name,
            "visibility": "selected",
            "selected_repository_ids": [self._repository().id],
            "allows_public_repositories": public,
            "restricted_to_workflows": True,
            "selected_workflows": list(workflows),
        }
        return decoded(self._send("POST", f"{self._home()}/actions/runner-groups", body=body).content, Group)

    def private(self) -> bool:
        """Whether strangers cannot see the repository, and so cannot open pull requests in it."""
        return self._repository().private

    def _repository(self) -> _Repository:
        return decoded(self._send("GET", f"repos/{self.repository}").content, _Repository)

    def _home(self) -> str:
        return f"repos/{self.repository}" if self.organization is None else f"orgs/{self.organization}"

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        content = None if body is None else msgspec.json.encode(body)
        url = f"{self.api.rstrip('/')}/{path}"
        return answered(
            httpx.Request(method, url, params=params, content=content, headers=headers), path, self.patience
        )
