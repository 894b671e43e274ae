"""A loopback GitHub API with the few answers the workflows need, over the artifacts that act really stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.loopback import listening

REPOSITORY = "example/fleet"
TOKEN = "the-jobs-token"
BOT = "github-actions[bot]"


@dataclass(slots=True)
class Api:
    """What the API knows: runs, jobs, pull requests and file contents are set by a test; what is asked is recorded.

    `altered` overrides what is said of an artifact, by (run id, name); `others` are listed beside the stored ones;
    `compared` answers for (earlier, later) commits. Each of `faults` is the answer to one request.
    """

    artifacts: Path
    port: int = 0
    prefix: str = ""
    runs: list[dict[str, object]] = field(default_factory=list)
    jobs: dict[int, list[dict[str, object]]] = field(default_factory=dict)
    altered: dict[tuple[int, str], dict[str, object]] = field(default_factory=dict)
    others: dict[int, list[dict[str, object]]] = field(default_factory=dict)
    compared: dict[tuple[str, str], str] = field(default_factory=dict)
    cancelled: list[int] = field(default_factory=list)
    confirmed: int = 0  # answers of 304
    with_etags: bool = False
    dispatched: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    pulls: dict[int, dict[str, object]] = field(default_factory=dict)
    changed: dict[int, list[dict[str, object]]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, object]]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)  # POST and PATCH of comments, in order
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_run(self, run_id: int, workflow: str, title: str, *, sha: str, **other: object) -> None:
        """A completed run on main, unless `other` says otherwise."""
        run = {
            "id": run_id,
            "path": f".github/workflows/{workflow}",
            "display_title": title,
            "event": "workflow_dispatch",
            "status": "completed",
            "conclusion": "success",
            "head_branch": "main",
            "head_sha": sha,
            "run_attempt": 1,
            "created_at": "2026-11-21T01:23:00Z",
        }
        self.runs.append({**run, **other})

    def add_job(self, run_id: int, name: str, began: datetime, ended: datetime, **other: object) -> None:
        """A job of a run that ended well on a runner of ours, unless `other` says otherwise."""
        jobs = self.jobs.setdefault(run_id, [])
        run = next(run for run in self.runs if run["id"] == run_id)
        job = {
            "id": 1000 * run_id + len(jobs),
            "run_id": run_id,
            "run_attempt": 1,
            "name": name,
            "status": "completed",
            "conclusion": "success",
            "head_sha": run["head_sha"],
            "labels": ["self-hosted", "this-machine"],
            "created_at": iso(began),
            "started_at": iso(began),
            "completed_at": iso(ended),
            "runner_name": "h1",
            "runner_group_name": "fleet",
            "steps": [{"name": "run", "status": "completed", "conclusion": "success"}],
        }
        jobs.append({**job, **other})

    def zips(self, run_id: int) -> list[Path]:
        return sorted((self.artifacts / str(run_id)).rglob("*.zip"))

    def artifact(self, run_id: int, name: str) -> Path:
        """The zip of one artifact."""
        return next(path for path in self.zips(run_id) if path.stem == name)

    def get(self, path: str, query: dict[str, str]) -> object:
        """The JSON (or bytes) of one GET; null is 404."""
        found: object = None
        match path.split("/"):
            case ["actions", "runs"]:
                found = self._page("workflow_runs", self.runs, query)
            case ["actions", "workflows", name, "runs"]:
                found = self._page("workflow_runs", self._runs_of(name, query), query)
            case ["actions", "runs", run_id]:
                found = next((run for run in self.runs if run["id"] == int(run_id)), None)
            case ["actions", "runs", run_id, "artifacts"]:
                listed = [self._artifact(path) for path in self.zips(int(run_id))]
                found = self._page("artifacts", self.others.get(int(run_id), []) + listed, query)
            case ["actions", "runs", run_id, "jobs"] if query["filter"] == "all":
                found = self._page("jobs", self.jobs.get(int(run_id), []), query)
            case ["compare", commits]:
                earlier, later = commits.split("...")
                found = {"status": "identical" if earlier == later else self.compared[earlier, later]}
            case ["actions", "artifacts", number, "zip"]:
                found = self._zip(int(number)).read_bytes()
            case ["pulls" | "issues", *_]:
                found = self._of_pulls(path.split("/"), query)
            case ["contents", *parts]:
                found = self.contents.get(("/".join(parts), query["ref"]))
        return found

    def _runs_of(self, workflow: str, query: dict[str, str]) -> list[dict[str, object]]:
        asked: dict[str, object] = {key: query[key] for key in ("head_sha", "event") if key in query}
        asked |= {"head_branch": query["branch"]} if "branch" in query else {}
        path = f".github/workflows/{workflow}"
        return [run for run in self.runs if run["path"] == path and asked.items() <= run.items()]

    def _of_pulls(self, parts: list[str], query: dict[str, str]) -> object:
        match parts:
            case ["pulls"]:
                opened = [pull for pull in self.pulls.values() if pull["state"] == query["state"]]
                return self._page("", opened, query)[""]
            case ["pulls", number]:
                return self.pulls.get(int(number))
            case ["pulls", number, "files"]:
                return self._page("", self.changed[int(number)], query)[""]
            case ["issues", number, "comments"]:
                return self._page("", self.comments.get(int(number), []), query)[""]
        return None

    def comment(self, method: str, parts: list[str], body: str) -> bool:
        """Keep a comment, as the workflow's token would write it; False is 404."""
        every = [one for found in self.comments.values() for one in found]
        if method == "PATCH" and parts[:2] == ["issues", "comments"]:
            changed = [one for one in every if one["id"] == int(parts[2])]
            for one in changed:
                one["body"] = body
                self.written.append(f"PATCH {one['id']}")
            return bool(changed)
        new = method == "POST" and parts[0] == "issues" and parts[2:] == ["comments"]
        number = int(parts[1]) if new else 0
        if number not in self.pulls:
            return False
        made = {"id": 1000 + len(every), "user": {"login": BOT}, "body": body}
        self.comments.setdefault(number, []).append(made)
        self.written.append(f"POST {number}")
        return True

    def add_pull(self, number: int, sha: str, fork: str = "somebody/fleet", **other: object) -> None:
        """An open pull request of one commit, from the branch `mine` of a fork."""
        head = {"ref": "mine", "sha": sha, "repo": {"full_name": fork}}
        pull = {"number": number, "state": "open", "head": head, "updated_at": datetime.now(UTC).isoformat()}
        self.pulls[number] = {**pull, "changed_files": len(self.changed.get(number, [])), **other}

    def _page(self, key: str, items: list[dict[str, object]], query: dict[str, str]) -> dict[str, object]:
        size, page = int(query["per_page"]), int(query["page"])
        return {"total_count": len(items), key: items[size * (page - 1) : size * page]}

    def _artifact(self, path: Path) -> dict[str, object]:
        data = path.read_bytes()
        run_id = int(path.relative_to(self.artifacts).parts[0])
        run = next((run for run in self.runs if run["id"] == run_id), None)
        found = {
            "id": int(hashlib.sha256(str(path).encode()).hexdigest()[:12], 16),
            "name": path.stem,
            "size_in_bytes": len(data),
            "expired": False,
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "created_at": iso(datetime.fromtimestamp(path.stat().st_mtime, UTC)),
            "workflow_run": None
            if run is None
            else {
                "id": run_id,
                "head_branch": run["head_branch"],
                "head_sha": run["head_sha"],
                "repository_id": 1,
                "head_repository_id": 1,
            },
        }
        return {**found, **self.altered.get((run_id, path.stem), {})}

    def _zip(self, number: int) -> Path:
        return next(path for path in self.artifacts.rglob("*.zip") if self._artifact(path)["id"] == number)


def iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def serve(api: Api) -> Iterator[Api]:  # noqa: C901 - a small handler for each verb
    """Answer on a free loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _path(self) -> str | None:
            prefix = f"{api.prefix}/repos/{REPOSITORY}/"
            path = urlsplit(self.path).path
            known = self.headers["Authorization"] == f"Bearer {TOKEN}" and path.startswith(prefix)
            return path.removeprefix(prefix) if known else None

        def do_PATCH(self) -> None:
            self.do_POST()

        def _fails(self) -> bool:
            if api.faults:
                status, headers, body = api.faults.pop(0)
                self._answer(status, body, **headers)
                return True
            return False

        def do_GET(self) -> None:
            path = self._path()
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            if self._fails():
                return
            found = api.get(path, query) if path and path not in api.redirects else None
            if path in api.redirects:
                self._answer(302, Location=api.redirects[path])
            elif found is None:
                self._answer(404, b'{"message": "Not Found"}')
            else:
                self._found(found if isinstance(found, bytes) else json.dumps(found).encode())

        def _found(self, body: bytes) -> None:
            etag = f'W/"{hashlib.sha256(body).hexdigest()}"'
            if not api.with_etags:
                self._answer(200, body)
            elif self.headers["If-None-Match"] == etag:
                api.confirmed += 1
                self._answer(304, ETag=etag)
            else:
                self._answer(200, body, ETag=etag)

        def do_POST(self) -> None:
            path = self._path() or ""
            data = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if self._fails():
                return
            parts = path.split("/")
            if parts[:2] == ["actions", "runs"] and parts[3:] == ["cancel"]:
                self._cancel(int(parts[2]))
                return
            body = json.loads(data)
            if parts[:2] != ["actions", "workflows"] or parts[3:] != ["dispatches"] or body["ref"] != "main":
                self._answer(201 if api.comment(self.command, parts, body.get("body", "")) else 404, b"{}")
                return
            api.dispatched.append((parts[2], body["inputs"]))
            self._answer(204)

        def _cancel(self, run_id: int) -> None:
            """As GitHub does: a run that has ended cannot be cancelled."""
            if any(run["id"] == run_id and run["status"] == "completed" for run in api.runs):
                self._answer(409, b'{"message": "Cannot cancel a workflow run that is completed."}')
                return
            api.cancelled.append(run_id)
            self._answer(202, b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as server:
        api.port = server.server_port
        yield api
