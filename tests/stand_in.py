"""A small HTTP server that answers from a script: for the model hub, and for registries that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.loopback import listening

Reply = tuple[int, dict[str, str], bytes]
Script = Callable[["Asked"], Reply]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class StandIn:
    """`host` is `127.0.0.1:PORT`; `asked` grows with every request."""

    host: str
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def stand_in(script: Script) -> Iterator[StandIn]:
    """Serve until the block ends. Every request is answered by `script`."""
    found: list[StandIn] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers)
            found[0].asked.append(asked)
            status, reply, body = script(asked)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **reply}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = answer  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own signature
            """Say nothing."""

    with listening(Handler) as server:
        found.append(StandIn(f"127.0.0.1:{server.server_port}"))
        yield found[0]
