"""When a server is ready: it is healthy, it is ours, it names the right model, and it has generated one token."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

import httpx
import msgspec

from matrix.errors import UNDECODABLE
from matrix.words import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from matrix.dialect import Dialect, Scalar

_POLL_S = 0.05
_STATUS_TIMEOUT_S = 5.0
_EXCERPT = 300


class PortOwner(Enum):
    """Who listens on the port we gave the server. `UNKNOWN` where a backend cannot look."""

    OURS = "ours"
    OTHER = "other"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The server being waited for. `exit_code` is None while it lives; both callables are cheap to call."""

    host: str
    port: int
    model: str
    dialect: Dialect
    prompt: tuple[int, ...]
    exit_code: Callable[[], int | None]
    port_owner: Callable[[], PortOwner]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """Why there is no server to measure. `log_tail` is the server's own, untrusted text."""

    reason: Reason
    detail: str
    log_tail: str = ""


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class _ServedModel(msgspec.Struct):
    id: str


class _ServedModels(msgspec.Struct):
    data: list[_ServedModel]


_Answer = TypeVar("_Answer", _Completion, _ServedModels)


def wait_ready(server: Awaited, deadline_s: float) -> Ready | NotReady:
    """Wait at most `deadline_s` seconds. An exit is noticed within a poll, even in the middle of a request.

    The asking is done by a thread, so that the caller's own waits on nothing that could swallow what a signal
    handler raises (an event loop's callbacks do).
    """
    started = time.monotonic()
    given_up = threading.Event()
    last_seen = ["nothing answered"]
    pool = ThreadPoolExecutor(max_workers=1)
    probe = pool.submit(_probe, server, deadline_s, given_up, last_seen)
    try:
        while time.monotonic() - started < deadline_s:
            if (code := server.exit_code()) is not None:
                return _exited(server, code)
            if wait((probe,), _POLL_S).done:
                return probe.result() or Ready(seconds=time.monotonic() - started)
    finally:
        given_up.set()
        pool.shutdown(wait=False)
    return NotReady(reason=Reason.SERVER_NOT_READY, detail=f"not ready after {deadline_s:g} s: {last_seen[0]}")


def _exited(server: Awaited, code: int) -> NotReady:
    if server.port_owner() is PortOwner.OTHER:
        return _port_conflict(server, f"the server exited with code {code}")
    return NotReady(reason=Reason.SERVER_EXITED, detail=f"exited with code {code} before it was ready")


def _probe(server: Awaited, deadline_s: float, given_up: threading.Event, last_seen: list[str]) -> NotReady | None:
    """None once everything holds. `last_seen` keeps what is still missing, for the message at the deadline."""
    base = f"http://{server.host}:{server.port}"
    with httpx.Client(base_url=base, timeout=_STATUS_TIMEOUT_S, trust_env=False) as client:
        while not given_up.wait(_POLL_S):
            try:
                return _attempt(client, server, deadline_s)
            except _NotYet as waiting:
                last_seen[0] = str(waiting)
    return None


class _NotYet(Exception):
    """A condition does not hold yet; its text says which."""


def _attempt(client: httpx.Client, server: Awaited, deadline_s: float) -> NotReady | None:
    """None: ready. A NotReady: waiting longer cannot help. Raises _NotYet otherwise."""
    _ask(client, client.build_request("GET", server.dialect.health_path))
    if server.port_owner() is PortOwner.OTHER:
        return _port_conflict(server, "it answers in our server's place")
    served = _served_models(client, server.dialect.models_path)
    if server.model not in served:
        detail = f"serves {', '.join(served) or 'no model'}, not {server.model}"
        return NotReady(reason=Reason.MODEL_MISMATCH, detail=detail)
    _one_token(client, server, deadline_s)
    return None


def _served_models(client: httpx.Client, path: str) -> list[str]:
    body = _ask(client, client.build_request("GET", path))
    return [model.id for model in _decode(body, _ServedModels, path).data]


def _one_token(client: httpx.Client, server: Awaited, deadline_s: float) -> None:
    """As patient as the deadline: a first token may compile kernels for minutes."""
    path = server.dialect.path
    body = _ask(client, client.build_request("POST", path, json=_one_token_body(server), timeout=deadline_s))
    if not _decode(body, _Completion, path).choices:
        raise _NotYet(f"{path} answered without a choice")


def _one_token_body(server: Awaited) -> dict[str, object]:
    """Loose on purpose: this is the JSON of an HTTP body, built from the engine's dialect."""
    dialect = server.dialect
    fields: dict[str, Scalar] = {**dialect.exact_length, **dialect.no_cache, "max_tokens": 1}
    asked: dict[str, object] = {"prompt": "a"}
    if dialect.path == "/v1/chat/completions":
        asked = {"messages": [{"role": "user", "content": "a"}]}
    elif dialect.prompt_token_ids:
        asked = {"prompt": list(server.prompt)}
    return {"model": server.model, **fields, **asked}


def _ask(client: httpx.Client, request: httpx.Request) -> bytes:
    path = request.url.path
    try:
        response = client.send(request)
    except httpx.HTTPError as error:
        raise _NotYet(f"{path}: {type(error).__name__}") from error
    if response.status_code != httpx.codes.OK:
        raise _NotYet(f"{path} answered {response.status_code}: {response.text[:_EXCERPT]}")
    return response.content


def _decode(body: bytes, kind: type[_Answer], path: str) -> _Answer:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNDECODABLE as error:
        raise _NotYet(f"{path} answered something else: {body[:_EXCERPT].decode(errors='replace')}") from error


def _port_conflict(server: Awaited, what: str) -> NotReady:
    detail = f"another process listens on {server.host}:{server.port}; {what}"
    return NotReady(reason=Reason.PORT_CONFLICT, detail=detail)
