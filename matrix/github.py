"""What we ask of GitHub's REST API, as records: complete lists or an error, never a part.

`answered` is the only place that talks: rate limits are waited out as GitHub asks, what passes is tried again,
within a bound. A fork on GitHub Enterprise Server sets `GITHUB_API_URL`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import httpx
import msgspec

from matrix.errors import FleetError
from matrix.fleet import ID
from matrix.patience import PASSING, PATIENCE, Patience, rate_limit_wait_s

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

Record = TypeVar("Record", bound=msgspec.Struct)

PER_PAGE = 100
MAX_PAGES = 100
TIMEOUT_S = 60.0
REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", re.ASCII)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run. `path` is its workflow's file; `display_title` what `run-name` made."""

    id: int
    path: str
    display_title: str
    event: str
    status: str
    head_branch: str | None
    head_sha: str
    run_attempt: int
    created_at: datetime

    @property
    def workflow(self) -> str:
        """The file's name. GitHub may add the ref: `.github/workflows/nightly.yml@main`."""
        return self.path.partition("@")[0].rpartition("/")[2]


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """`digest` is `sha256:...` of the zip, null for very old ones."""

    id: int
    name: str
    size_in_bytes: int
    expired: bool
    digest: str | None = None


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


class _Runs(msgspec.Struct, frozen=True):
    total_count: int
    workflow_runs: list[Run]


class _Artifacts(msgspec.Struct, frozen=True):
    total_count: int
    artifacts: list[Artifact]


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub:
    """One repository, as one token sees it. Every refusal of GitHub's is a `FleetError` with its status and text."""

    api: str
    repository: str
    token: str
    patience: Patience = PATIENCE

    def __post_init__(self) -> None:
        if not REPOSITORY.fullmatch(self.repository):
            raise FleetError(f"{self.repository!r} is not a repository: write it as owner/name")

    def dispatch(self, workflow: str, inputs: Mapping[str, str], ref: str = "main") -> None:
        """Start a run of a workflow file."""
        if not ID.fullmatch(workflow):
            raise ValueError(f"{workflow!r} is no workflow file of ours")
        body = msgspec.json.encode({"ref": ref, "inputs": inputs})
        self._send("POST", f"actions/workflows/{workflow}/dispatches", content=body)

    def run(self, run_id: int) -> Run:
        return self._get(f"actions/runs/{run_id}", {}, Run)

    def runs(self, *, branch: str, since: datetime) -> list[Run]:
        """Every run on a branch that was created since."""
        asked = {"branch": branch, "created": f">={since:%Y-%m-%dT%H:%M:%SZ}"}
        found: list[Run] = []
        for page in range(1, MAX_PAGES + 1):
            got = self._get("actions/runs", {**asked, **_page(page)}, _Runs)
            found += got.workflow_runs
            if not got.workflow_runs or len(found) >= got.total_count:
                return _complete("runs", found, got.total_count)
        raise FleetError(f"more than {MAX_PAGES * PER_PAGE} runs since {since}: ask for fewer days")

    def artifacts(self, run_id: int) -> list[Artifact]:
        """Every artifact of a run."""
        found: list[Artifact] = []
        for page in range(1, MAX_PAGES + 1):
            got = self._get(f"actions/runs/{run_id}/artifacts", _page(page), _Artifacts)
            found += got.artifacts
            if not got.artifacts or len(found) >= got.total_count:
                return _complete(f"artifacts of run {run_id}", found, got.total_count)
        raise FleetError(f"run {run_id} has more than {MAX_PAGES * PER_PAGE} artifacts")

    def download(self, artifact: Artifact, max_bytes: int) -> bytes:
        """The zip of an artifact, whose digest is GitHub's."""
        if artifact.expired:
            raise FleetError(f"artifact {artifact.name} has expired")
        if artifact.size_in_bytes > max_bytes:
            raise FleetError(f"artifact {artifact.name} has {artifact.size_in_bytes} bytes, more than {max_bytes}")
        data = self._send("GET", f"actions/artifacts/{artifact.id}/zip").content
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if artifact.digest is not None and digest != artifact.digest:
            raise FleetError(f"artifact {artifact.name} is {digest}; GitHub says {artifact.digest}")
        return data

    def pull(self, number: int) -> Pull:
        return self._get(f"pulls/{number}", {}, Pull)

    def changed_files(self, pull: Pull) -> list[ChangedFile]:
        """Every file a pull request changes."""
        found: list[ChangedFile] = []
        for page in range(1, MAX_PAGES + 1):
            got = self._send("GET", f"pulls/{pull.number}/files", _page(page)).content
            files = decoded(got, list[ChangedFile])
            found += files
            if not files or len(found) >= pull.changed_files:
                break
        return _complete(f"files of pull request {pull.number}", found, pull.changed_files)

    def content(self, path: str, sha: str, max_bytes: int) -> bytes:
        """The bytes of a file at a commit."""
        raw = {"Accept": "application/vnd.github.raw+json"}
        data = self._send("GET", f"contents/{path}", {"ref": sha}, headers=raw).content
        if len(data) > max_bytes:
            raise FleetError(f"{path} has {len(data)} bytes, more than {max_bytes}")
        return data

    def _get(self, path: str, params: Mapping[str, str], kind: type[Record]) -> Record:
        return decoded(self._send("GET", path, params).content, kind)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One answer. The token goes to the API alone: a redirect to another host leaves it behind."""
        ours = {"Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json", **(headers or {})}
        url = f"{self.api.rstrip('/')}/repos/{self.repository}/{path}"
        request = httpx.Request(method, url, params=params, content=content, headers=ours)
        return answered(request, path, self.patience)


def answered(request: httpx.Request, path: str, patience: Patience) -> httpx.Response:
    """GitHub's answer, waited for as long as `patience` goes; a `FleetError` with its words for what is no success."""
    waited_s = 0.0
    for attempt in range(patience.tries):
        answer = _once(request)
        wait_s = _wait_s(request.method, answer, attempt)
        if wait_s is None or attempt == patience.tries - 1:
            break
        waited_s += wait_s
        if waited_s > patience.total_s:
            asks = f"asks to wait {wait_s:.0f} s more; after {patience.total_s:.0f} s in all we give up"
            raise FleetError(f"{request.method} {path}: GitHub {asks}: {_words(answer)}")
        patience.sleep(wait_s)
    if isinstance(answer, httpx.HTTPError) or not answer.is_success:
        raise FleetError(f"{request.method} {path}: GitHub {_words(answer)}")
    return answer


def _once(request: httpx.Request) -> httpx.Response | httpx.HTTPError:
    try:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, verify=_trusted()) as client:
            return client.send(request)
    except httpx.HTTPError as error:
        return error


def _wait_s(method: str, answer: httpx.Response | httpx.HTTPError, attempt: int) -> float | None:
    """Seconds before trying again; null if another try cannot help, or could do a thing twice.

    What GitHub refused for its rate was not done. A dispatch that got no answer, or a 5xx, may have been.
    """
    if isinstance(answer, httpx.HTTPError):
        untouched = isinstance(answer, httpx.ConnectError | httpx.ConnectTimeout)
        return 2.0**attempt if method == "GET" or untouched else None
    limited_s = rate_limit_wait_s(answer.status_code, answer.headers, answer.text[:300], attempt)
    if limited_s is not None:
        return limited_s
    return 2.0**attempt if method == "GET" and answer.status_code in PASSING else None


def _words(answer: httpx.Response | httpx.HTTPError) -> str:
    if isinstance(answer, httpx.HTTPError):
        return f"cannot be reached: {answer}"
    return f"answered {answer.status_code}: {answer.text[:300]}"


@cache
def _trusted() -> ssl.SSLContext:
    """Reading the certificates takes longer than most requests."""
    return httpx.create_ssl_context()


def _page(page: int) -> dict[str, str]:
    return {"per_page": str(PER_PAGE), "page": str(page)}


Listed = TypeVar("Listed")


def _complete(what: str, found: list[Listed], total: int) -> list[Listed]:
    if len(found) != total:
        raise FleetError(f"GitHub listed {len(found)} {what} of {total}: try again")
    return found


def decoded(data: bytes, kind: type[Listed]) -> Listed:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise FleetError(f"GitHub's answer is not as documented: {error}") from error
