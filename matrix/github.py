"""What we ask of GitHub's REST API, as records: complete lists or an error, never a part.

`answered` is the only place that talks: rate limits are waited out as GitHub asks, what passes is tried again,
within a bound. What failed for the moment only is `Unanswered`. A fork on GitHub Enterprise Server sets
`GITHUB_API_URL`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import httpx
import msgspec

from matrix.errors import UNDECODABLE, FleetError, Unanswered
from matrix.fleet import ID
from matrix.github_records import Artifact, Artifacts, ChangedFile, Comparison, JobRecord, Jobs, Pull, Run, Runs
from matrix.patience import PASSING, PATIENCE, Patience, rate_limit_wait_s

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

Record = TypeVar("Record", bound=msgspec.Struct)
Page = TypeVar("Page", Runs, Artifacts, Jobs)
Counted = TypeVar("Counted", Run, Artifact, JobRecord)
Listed = TypeVar("Listed")

PER_PAGE = 100
MAX_PAGES = 100
TIMEOUT_S = 60.0
REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that GitHub may confirm instead of sending it again; `etag` is its name for it."""

    etag: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub:
    """One repository, as one token sees it. Every refusal of GitHub's is a `FleetError` with its status and text.

    With `kept`, what was read once is asked for by its ETag: an answer that is still true costs nothing of the rate
    limit (docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api).
    """

    api: str
    repository: str
    token: str
    patience: Patience = PATIENCE
    kept: dict[str, Kept] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not REPOSITORY.fullmatch(self.repository):
            raise FleetError(f"{self.repository!r} is not a repository: write it as owner/name")

    def dispatch(self, workflow: str, inputs: Mapping[str, str], ref: str = "main") -> None:
        """Start a run of a workflow file."""
        if not ID.fullmatch(workflow):
            raise ValueError(f"{workflow!r} is no workflow file of ours")
        body = msgspec.json.encode({"ref": ref, "inputs": inputs})
        self._send("POST", f"actions/workflows/{workflow}/dispatches", content=body)

    def cancel(self, run_id: int) -> None:
        """Ask a run to end. Its `always()` jobs still run: what was measured is uploaded and merged."""
        self._send("POST", f"actions/runs/{run_id}/cancel")

    def run(self, run_id: int) -> Run:
        return self._get(f"actions/runs/{run_id}", {}, Run)

    def runs(self, *, branch: str, since: datetime) -> list[Run]:
        """Every run on a branch that was created since."""
        asked = {"branch": branch, "created": f">={since:%Y-%m-%dT%H:%M:%SZ}"}
        return self._listed("runs", "actions/runs", asked, Runs, lambda page: page.workflow_runs)

    def artifacts(self, run_id: int) -> list[Artifact]:
        """Every artifact of a run."""
        path = f"actions/runs/{run_id}/artifacts"
        return self._listed(f"artifacts of run {run_id}", path, {}, Artifacts, lambda page: page.artifacts)

    def jobs(self, run_id: int) -> list[JobRecord]:
        """Every job of every attempt of a run."""
        path, asked = f"actions/runs/{run_id}/jobs", {"filter": "all"}
        return self._listed(f"jobs of run {run_id}", path, asked, Jobs, lambda page: page.jobs)

    def contains(self, sha: str, earlier: str) -> bool:
        """Is a commit the same as an earlier one, or made after it?"""
        compared = self._get(f"compare/{earlier}...{sha}", {"per_page": "1"}, Comparison)
        return compared.status in ("identical", "ahead")

    def download(self, artifact: Artifact, max_bytes: int) -> bytes:
        """The zip of an artifact, whose digest is GitHub's."""
        if artifact.expired:
            raise FleetError(f"artifact {artifact.name} has expired")
        if artifact.size_in_bytes > max_bytes:
            raise FleetError(f"artifact {artifact.name} has {artifact.size_in_bytes} bytes, more than {max_bytes}")
        data = self._send("GET", f"actions/artifacts/{artifact.id}/zip").content
        found = f"sha256:{hashlib.sha256(data).hexdigest()}, {len(data)} bytes"
        says = f"{artifact.digest}, {artifact.size_in_bytes} bytes"  # of the zip, where there is a digest
        if artifact.digest is not None and found != says:
            raise FleetError(f"artifact {artifact.name} is {found}; GitHub says {says}")
        return data

    def pull(self, number: int) -> Pull:
        return self._get(f"pulls/{number}", {}, Pull)

    def get(self, path: str, params: Mapping[str, str], kind: type[Record]) -> Record:
        """One answer, of which `kind` says what is needed."""
        return self._get(path, params, kind)

    def write(self, method: str, path: str, body: Mapping[str, str]) -> None:
        """Make or change something, once."""
        self._send(method, path, content=msgspec.json.encode(body))

    def changed_files(self, pull: Pull) -> list[ChangedFile]:
        """Every file a pull request changes."""
        found: list[ChangedFile] = []
        for page in range(1, MAX_PAGES + 1):
            got = self._send("GET", f"pulls/{pull.number}/files", asked_page(page)).content
            files = decoded(got, list[ChangedFile])
            found += files
            if not files or len(found) >= pull.changed_files:
                break
        named = [file.filename for file in found]
        return _complete(f"files of pull request {pull.number}", found, named, pull.changed_files)

    def content(self, path: str, sha: str, max_bytes: int) -> bytes:
        """The bytes of a file at a commit."""
        raw = {"Accept": "application/vnd.github.raw+json"}
        data = self._send("GET", f"contents/{path}", {"ref": sha}, headers=raw).content
        if len(data) > max_bytes:
            raise FleetError(f"{path} has {len(data)} bytes, more than {max_bytes}")
        return data

    def _get(self, path: str, params: Mapping[str, str], kind: type[Record]) -> Record:
        return decoded(self._content(path, params), kind)

    def _listed(
        self,
        what: str,
        path: str,
        asked: Mapping[str, str],
        kind: type[Page],
        items: Callable[[Page], list[Counted]],
    ) -> list[Counted]:
        """All pages, or an error: a list that grows while it is read may show one entry twice and another never."""
        found: list[Counted] = []
        for page in range(1, MAX_PAGES + 1):
            got = self._get(path, {**asked, **asked_page(page)}, kind)
            found += items(got)
            if not items(got) or len(found) >= got.total_count:
                return _complete(what, found, (one.id for one in found), got.total_count)
        raise FleetError(f"there are more than {MAX_PAGES * PER_PAGE} {what}")

    def _content(self, path: str, params: Mapping[str, str]) -> bytes:
        if self.kept is None:
            return self._send("GET", path, params).content
        name = f"{path}?{httpx.QueryParams(params)}"
        before = self.kept.get(name)
        answer = self._send("GET", path, params, headers={"If-None-Match": before.etag} if before else None)
        if before is not None and answer.status_code == httpx.codes.NOT_MODIFIED:
            return before.content
        if etag := answer.headers.get("etag"):
            self.kept[name] = Kept(etag, answer.content)
        return answer.content

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
    waited_s, asked = 0.0, f"{request.method} {path}"
    for attempt in range(patience.tries):
        answer = _once(request)
        wait_s = _wait_s(request.method, answer, attempt)
        if wait_s is None or attempt == patience.tries - 1:
            break
        waited_s += wait_s
        if waited_s > patience.total_s:
            asks = f"asks to wait {wait_s:.0f} s more; after {patience.total_s:.0f} s in all we give up"
            raise Unanswered(f"{asked}: GitHub {asks}: {_words(answer)}", wait_s)
        patience.sleep(wait_s)
    if isinstance(answer, httpx.HTTPError):
        raise Unanswered(f"{asked}: GitHub {_words(answer)}")
    confirmed = answer.status_code == httpx.codes.NOT_MODIFIED and "If-None-Match" in request.headers
    if not answer.is_success and not confirmed:
        words = f"{asked}: GitHub {_words(answer)}"
        if answer.status_code in PASSING:
            raise Unanswered(words)
        raise FleetError(words) if wait_s is None else Unanswered(words, wait_s)
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


def asked_page(page: int) -> dict[str, str]:
    """What a list is asked for its n-th page, from 1."""
    return {"per_page": str(PER_PAGE), "page": str(page)}


def _complete(what: str, found: list[Listed], names: Iterable[int | str], total: int) -> list[Listed]:
    """The list, if it has everything once."""
    different = len(set(names))
    if different != total or len(found) != total:
        raise Unanswered(f"GitHub listed {different} {what} of {total}: try again")
    return found


def decoded(data: bytes, kind: type[Listed]) -> Listed:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise FleetError(f"GitHub's answer is not as documented: {error}") from error
    except UNDECODABLE as error:
        raise Unanswered(f"GitHub's answer is cut off, or no JSON: {error}") from error
