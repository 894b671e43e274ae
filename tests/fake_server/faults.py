"""Every way a fake server can misbehave, by name. A fault changes as little as it can of a faultless server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.fake_server.reply import DONE, Ask, Event, Reply, framed, sse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.fake_server.options import Options

FOREVER_S = 3600.0


async def answer_well(reply: Reply) -> None:
    await reply.stream(reply.events())
    reply.end()


def as_asked(ask: Ask) -> Ask:
    return ask


def before_listening(options: Options) -> None:
    """A well-behaved server just starts to listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`start` runs before the server listens, `asked` twists the request, `answer` writes the response."""

    start: Callable[[Options], None] = before_listening
    asked: Callable[[Ask], Ask] = as_asked
    answer: Callable[[Reply], Awaitable[None]] = answer_well
    options: tuple[tuple[str, object], ...] = ()
    ignores_sigterm: bool = False
    idle_close_s: float | None = None
    refuses_after: bool = False


def never_listen(options: Options) -> None:
    time.sleep(FOREVER_S)


def exit_early(options: Options) -> None:
    time.sleep(options.exit_after_s)
    print("fake server: cannot allocate memory", file=sys.stderr)
    os._exit(options.exit_code)


async def crash(reply: Reply) -> None:
    if reply.stamps.order < reply.options.after:
        await answer_well(reply)
        return
    await reply.stream(reply.events()[:1])
    os._exit(137)


async def refuse(reply: Reply) -> None:
    """The server closes its listening socket after `after` requests (see `server`); these are still answered."""
    reply.keep = False
    await answer_well(reply)


def status(code: int) -> Callable[[Reply], Awaitable[None]]:
    async def answer(reply: Reply) -> None:
        body = {"error": {"message": f"fake failure {code}", "code": code}}
        reply.whole(code, "application/json", json.dumps(body).encode())

    return answer


async def html_200(reply: Reply) -> None:
    reply.whole(200, "text/html", b"<html><body>gateway says hello</body></html>")


async def json_error_200(reply: Reply) -> None:
    reply.whole(200, "application/json", b'{"error": {"message": "model is still loading"}}')


async def stream_error(reply: Reply) -> None:
    await reply.stream([*reply.events()[: reply.options.after], Event(sse({"error": {"message": "boom"}}), 0), last()])
    reply.end()


def last() -> Event:
    return Event(DONE, 0)


async def reset_mid_stream(reply: Reply) -> None:
    await reply.stream(reply.events()[: reply.options.after])
    await asyncio.sleep(0.02)  # let the client read what it was sent: RST throws away what it has not
    reply.reset()


async def truncated(reply: Reply) -> None:
    await reply.stream(reply.events()[: reply.options.after])
    reply.cut()


async def no_done(reply: Reply) -> None:
    await reply.stream(reply.events()[:-1])
    reply.end()


async def stall(reply: Reply) -> None:
    await reply.stream(reply.events()[: reply.options.after])
    await asyncio.sleep(FOREVER_S)


async def slow_loris(reply: Reply) -> None:
    reply.head(200, "text/event-stream")
    for byte in b"".join(framed(event.data) for event in reply.events()):
        reply.writer.write(bytes([byte]))
        await asyncio.sleep(max(reply.options.itl_ms, 20) / 1000)
    reply.end()


def rewritten(change: Callable[[list[Event]], list[Event]]) -> Callable[[Reply], Awaitable[None]]:
    async def answer(reply: Reply) -> None:
        await reply.stream(change(reply.events()))
        reply.end()

    return answer


def bad_json(events: list[Event]) -> list[Event]:
    return [*events[:2], Event(b'data: {"choices": [{"text": \n\n', 0), *events[2:]]


def crlf(events: list[Event]) -> list[Event]:
    return [replace(event, data=event.data.replace(b"\n", b"\r\n")) for event in events]


def comments(events: list[Event]) -> list[Event]:
    ping = Event(b": ping\n\n", 0)
    return [one for event in events for one in (ping, replace(event, data=b": note\nid: 7\n" + event.data))]


def bom(events: list[Event]) -> list[Event]:
    return [replace(events[0], data=b"\xef\xbb\xbf" + events[0].data), *events[1:]]


def long_line(events: list[Event]) -> list[Event]:
    return [events[0], Event(b"data: " + b"x" * 10_000_000 + b"\n\n", 0), *events[1:]]


def no_blank_line(events: list[Event]) -> list[Event]:
    return [replace(event, data=event.data.removesuffix(b"\n")) for event in events]


def usage_only(events: list[Event]) -> list[Event]:
    return [event for event in events if not event.content]


async def split_utf8(reply: Reply) -> None:
    """Every token's text has a two-byte character, and the two bytes are sent apart."""
    reply.head(200, "text/event-stream")
    for event in reply.events():
        await reply.until(event.due_s)
        data = event.data.replace(b"-", "\u00e9".encode())
        cut = data.find(b"\xc3") + 1 if event.content else len(data)
        for part in (data[:cut], data[cut:]):
            if part:
                reply.send(replace(event, data=part, content=event.content and part.endswith(b"\n")))
                await reply.writer.drain()
                await asyncio.sleep(0.002)
    reply.end()


async def role_only(reply: Reply) -> None:
    """A first chunk with no content, at once: not the first token."""
    await reply.stream([Event(sse(reply.chunk("", None, usage=False)), 0), *reply.events()])
    reply.end()


async def empty_deltas(reply: Reply) -> None:
    empty = Event(sse(reply.chunk("", None, usage=False)), 0)
    await reply.stream([one for event in reply.events() for one in (empty, event)])
    reply.end()


async def close_each(reply: Reply) -> None:
    reply.keep = False
    await answer_well(reply)


async def drop_kept(reply: Reply) -> None:
    """Says nothing of it, and closes a kept connection when its fourth request has arrived."""
    if reply.nth == 3:
        reply.cut()
    else:
        await answer_well(reply)


def second_turns(answer: Callable[[Reply], Awaitable[None]]) -> Callable[[Reply], Awaitable[None]]:
    """A fault for the second turn of every session that is not a warm-up; the client names them in the request's id."""

    async def answer_some(reply: Reply) -> None:
        session, _, turn = reply.stamps.request_id.partition("-")
        await (answer if session.isdecimal() and turn == "1" else answer_well)(reply)

    return answer_some


FAULTS: dict[str, Fault] = {
    "ok": Fault(),
    "never_listen": Fault(start=never_listen),
    "exit_early": Fault(start=exit_early),
    "ignore_sigterm": Fault(ignores_sigterm=True),
    "crash_after": Fault(answer=crash),
    "refuse_after": Fault(answer=refuse, refuses_after=True),
    "health_only": Fault(answer=status(500)),
    "wrong_model": Fault(options=(("model", "some-other-model"),)),
    "http_429": Fault(answer=status(429)),
    "http_500": Fault(answer=status(500)),
    "http_503": Fault(answer=status(503)),
    "html_200": Fault(answer=html_200),
    "json_error_200": Fault(answer=json_error_200),
    "stream_error": Fault(answer=stream_error),
    "reset_mid_stream": Fault(answer=reset_mid_stream),
    "truncated": Fault(answer=truncated),
    "no_done": Fault(answer=no_done),
    "stall": Fault(answer=stall),
    "slow_loris": Fault(answer=slow_loris),
    "bad_json": Fault(answer=rewritten(bad_json)),
    "crlf": Fault(answer=rewritten(crlf)),
    "comments": Fault(answer=rewritten(comments)),
    "bom": Fault(answer=rewritten(bom)),
    "long_line": Fault(answer=rewritten(long_line)),
    "no_blank_line": Fault(answer=rewritten(no_blank_line)),
    "split_utf8": Fault(answer=split_utf8),
    "multi_token": Fault(options=(("tokens_per_chunk", 4),)),
    "empty_deltas": Fault(answer=empty_deltas),
    "role_only": Fault(answer=role_only),
    "usage_only": Fault(answer=rewritten(usage_only)),
    "missing_usage": Fault(options=(("usage", "none"),)),
    "short_output": Fault(asked=lambda ask: replace(ask, max_tokens=ask.max_tokens // 2)),
    "long_output": Fault(asked=lambda ask: replace(ask, max_tokens=ask.max_tokens + 3)),
    "usage_lies": Fault(asked=lambda ask: replace(ask, said_tokens=ask.max_tokens // 2)),
    "zero_output": Fault(asked=lambda ask: replace(ask, max_tokens=0)),
    "duplicate_answers": Fault(asked=lambda ask: replace(ask, word="same")),
    "connection_close": Fault(answer=close_each),
    "drops_kept": Fault(answer=drop_kept),
    "second_turn_500": Fault(answer=second_turns(status(500))),
    "second_turn_error": Fault(answer=second_turns(stream_error)),
    "keepalive_close": Fault(idle_close_s=0.02),
}
