"""A loopback GitHub that knows runners: configurations for one job, groups, and who was taken back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.loopback import listening

REPOSITORY, ORGANIZATION = "example/fleet", "example"
TOKEN = "the-hosts-token"


@dataclass(slots=True)
class RunnerApi:
    """What a test sets (`private`, `groups`, `refusals`) and what was asked (`registered`, `removed`).

    A runner with a file `busy-ID` in `queue` cannot be taken back; one that is leaves `removed-ID` there.
    """

    queue: Path
    port: int = 0
    private: bool = True
    groups: list[dict[str, object]] = field(default_factory=list)
    registered: list[dict[str, object]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: dict[str, object]) -> tuple[int, object]:
        home = "repos/example/fleet" if path.startswith("repos/") else "orgs/example"
        match method, path.removeprefix(home).strip("/").split("/"):
            case "GET", [""]:
                return 200, {"id": 77, "private": self.private}
            case "GET", ["actions", "runner-groups"]:
                return 200, {"total_count": len(self.groups), "runner_groups": self.groups}
            case "POST", ["actions", "runner-groups"]:
                self.groups.append({"id": len(self.groups) + 1, **body})
                return 201, self.groups[-1]
            case "POST", ["actions", "runners", "generate-jitconfig"]:
                return self._register(body)
            case "DELETE", ["actions", "runners", number]:
                return self._remove(int(number))
        return 404, {"message": "Not Found"}

    def _register(self, body: dict[str, object]) -> tuple[int, object]:
        if self.refusals:
            status, message = self.refusals.pop(0)
            return status, {"message": message}
        number = len(self.registered) + 1
        self.registered.append(body)
        encoded = base64.b64encode(json.dumps({"id": number, "name": body["name"]}).encode()).decode()
        return 201, {"runner": {"id": number, "name": body["name"]}, "encoded_jit_config": encoded}

    def _remove(self, number: int) -> tuple[int, object]:
        if (self.queue / f"busy-{number}").exists():
            return 422, {"message": "This runner is currently running a job and cannot be deleted."}
        (self.queue / f"removed-{number}").touch()
        self.removed.append(number)
        return 204, None


@contextmanager
def serving(api: RunnerApi) -> Iterator[RunnerApi]:
    """Answer on a free loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            size = int(self.headers["Content-Length"] or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            status, found = 401, None
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, found = api.answer(self.command, self.path.partition("?")[0].strip("/"), body)
            data = b"" if found is None else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as server:
        api.port = server.server_port
        yield api
