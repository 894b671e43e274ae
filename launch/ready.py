"""When a server is ready: it is healthy, it is ours, it names the right model, and it has generated one token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

import httpx
import msgspec

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
    """Wait at most `deadline_s` seconds. An exit is noticed within a poll, even in the middle of a request."""
    return asyncio.run(_race(server, deadline_s))


async def _race(server: Awaited, deadline_s: float) -> Ready | NotReady:
    started = time.monotonic()
    last_seen = ["nothing answered"]
    tasks = {asyncio.ensure_future(_probe(server, last_seen)), asyncio.ensure_future(_watch_exit(server))}
    done, pending = await asyncio.wait(tasks, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if not done:
        return NotReady(reason=Reason.SERVER_NOT_READY, detail=f"not ready after {deadline_s:g} s: {last_seen[0]}")
    failure = next((task.result() for task in done if task.result() is not None), None)
    return failure or Ready(seconds=time.monotonic() - started)


async def _watch_exit(server: Awaited) -> NotReady:
    while (code := server.exit_code()) is None:
        await asyncio.sleep(_POLL_S)
    if server.port_owner() is PortOwner.OTHER:
        return _port_conflict(server, f"the server exited with code {code}")
    return NotReady(reason=Reason.SERVER_EXITED, detail=f"exited with code {code} before it was ready")


async def _probe(server: Awaited, last_seen: list[str]) -> NotReady | None:
    """None once everything holds. `last_seen` keeps what is still missing, for the message at the deadline."""
    async with httpx.AsyncClient(base_url=f"http://{server.host}:{server.port}", trust_env=False) as client:
        while True:
            try:
                wrong = await _attempt(client, server)
            except _NotYet as waiting:
                last_seen[0] = str(waiting)
            else:
                return wrong
            await asyncio.sleep(_POLL_S)


class _NotYet(Exception):
    """A condition does not hold yet; its text says which."""


async def _attempt(client: httpx.AsyncClient, server: Awaited) -> NotReady | None:
    """None: ready. A NotReady: waiting longer cannot help. Raises _NotYet otherwise."""
    await _ask(client.build_request("GET", server.dialect.health_path, timeout=_STATUS_TIMEOUT_S), client)
    if server.port_owner() is PortOwner.OTHER:
        return _port_conflict(server, "it answers in our server's place")
    served = await _served_models(client, server.dialect.models_path)
    if server.model not in served:
        detail = f"serves {', '.join(served) or 'no model'}, not {server.model}"
        return NotReady(reason=Reason.MODEL_MISMATCH, detail=detail)
    await _one_token(client, server)
    return None


async def _served_models(client: httpx.AsyncClient, path: str) -> list[str]:
    body = await _ask(client.build_request("GET", path, timeout=_STATUS_TIMEOUT_S), client)
    return [model.id for model in _decode(body, _ServedModels, path).data]


async def _one_token(client: httpx.AsyncClient, server: Awaited) -> None:
    """No timeout of its own: a first token may compile kernels for minutes, and the deadline stands around it."""
    path = server.dialect.path
    body = await _ask(client.build_request("POST", path, json=_one_token_body(server), timeout=None), client)
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


async def _ask(request: httpx.Request, client: httpx.AsyncClient) -> bytes:
    path = request.url.path
    try:
        response = await client.send(request)
    except httpx.HTTPError as error:
        raise _NotYet(f"{path}: {type(error).__name__}") from error
    if response.status_code != httpx.codes.OK:
        raise _NotYet(f"{path} answered {response.status_code}: {response.text[:_EXCERPT]}")
    return response.content


def _decode(body: bytes, kind: type[_Answer], path: str) -> _Answer:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise _NotYet(f"{path} answered something else: {body[:_EXCERPT].decode(errors='replace')}") from error


def _port_conflict(server: Awaited, what: str) -> NotReady:
    detail = f"another process listens on {server.host}:{server.port}; {what}"
    return NotReady(reason=Reason.PORT_CONFLICT, detail=detail)
