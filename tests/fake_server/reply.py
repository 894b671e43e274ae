"""One completion request and the means to answer it, well or badly: events, pacing, stamps, and the socket."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fake_server.options import Options

DONE = b"data: [DONE]\n\n"
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Unavailable",
}


@dataclass(slots=True)
class Stamps:
    """The ground truth of one request: CLOCK_MONOTONIC, `content_ns` taken right before each content send."""

    order: int
    request_id: str
    received_ns: int
    content_ns: list[int] = field(default_factory=list)
    ended_ns: int = 0
    prompt: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the client asked for; scenarios may pretend that it was something else."""

    chat: bool
    stream: bool
    prompt_tokens: int
    max_tokens: int
    word: str
    refused: tuple[str, ...] = ()
    said_tokens: int | None = None
    ids: tuple[int, ...] = ()
    roles: tuple[str, ...] = ()
    cached_tokens: int | None = None

    @property
    def usage(self) -> dict[str, Any]:
        out = self.max_tokens if self.said_tokens is None else self.said_tokens
        said = {"prompt_tokens": self.prompt_tokens, "completion_tokens": out, "total_tokens": self.prompt_tokens + out}
        details = {} if self.cached_tokens is None else {"prompt_tokens_details": {"cached_tokens": self.cached_tokens}}
        return said | details


def read_ask(path: str, body: bytes) -> Ask:
    """A token-id prompt counts its ids, a text prompt its words."""
    request = json.loads(body)
    chat = path.endswith("/chat/completions")
    prompt = " ".join(message["content"] for message in request["messages"]) if chat else request["prompt"]
    return Ask(
        chat=chat,
        stream=bool(request.get("stream", False)),
        prompt_tokens=len(prompt) if isinstance(prompt, list) else len(prompt.split()),
        max_tokens=request["max_tokens"],
        refused=_refusable(request, prompt),
        roles=tuple(message["role"] for message in request["messages"]) if chat else (),
        ids=tuple(prompt) if isinstance(prompt, list) else tuple(tokens_of(prompt)),
        word=sha256(json.dumps(prompt).encode()).hexdigest()[:6],
    )


def _refusable(request: dict[str, Any], prompt: object) -> tuple[str, ...]:
    extras = "ignore_eos" in request or "stream_options" in request
    return (*(["ids"] if isinstance(prompt, list) else []), *(["extras"] if extras else []))


def tokens_of(text: str) -> list[int]:
    """One token a word of up to eight letters, two above; by the word, so that equal words are equal ids."""
    words = text.split()
    return [int(sha256(part.encode()).hexdigest()[:4], 16) for word in words for part in (word[:8], word[8:]) if part]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, `due_s` after the request was received."""

    data: bytes
    due_s: float
    content: bool = False


def sse(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


class Reply:
    """Sends are stamped and then written at once; deadlines are absolute, so that pacing does not drift."""

    def __init__(self, writer: asyncio.StreamWriter, options: Options, ask: Ask, stamps: Stamps, nth: int = 0) -> None:
        self.writer = writer
        self.options = options
        self.ask = ask
        self.stamps = stamps
        self.nth = nth
        self.keep = True

    def events(self) -> list[Event]:
        """The events of a faultless stream, `[DONE]` included."""
        options, ask = self.options, self.ask
        chunks = range(0, ask.max_tokens, options.tokens_per_chunk)
        events = []
        for start in chunks:
            tokens = range(start, min(start + options.tokens_per_chunk, ask.max_tokens))
            due_s = (options.ttft_ms + start * options.itl_ms) / 1000
            text = "".join(f" {ask.word}-{token:x}" for token in tokens)
            last = tokens.stop == ask.max_tokens
            usage = options.usage == "every" or (last and options.usage == "last")
            finish = "length" if last else None
            events.append(Event(sse(self.chunk(text, finish, usage=usage)), due_s, content=True))
        end_s = events[-1].due_s if events else options.ttft_ms / 1000
        if options.usage == "separate" or (options.usage != "none" and not events):
            events.append(Event(sse(self.chunk(None, None, usage=True)), end_s))
        return [*self._opening(), *events, Event(DONE, end_s)]

    def _opening(self) -> list[Event]:
        role: dict[str, Any] = self.chunk("", None, usage=False)
        if not self.ask.chat:
            return []
        role["choices"][0]["delta"]["role"] = "assistant"
        return [Event(sse(role), 0.0)]

    def chunk(self, text: str | None, finish: str | None, *, usage: bool) -> dict[str, Any]:
        """A chunk's JSON; `text` None leaves its choices empty."""
        body = {"delta": {"content": text}} if self.ask.chat else {"text": text}
        chunk: dict[str, Any] = {
            "object": "chat.completion.chunk" if self.ask.chat else "text_completion",
            "model": self.options.model,
            "choices": [] if text is None else [{"index": 0, **body, "finish_reason": finish}],
        }
        return chunk | ({"usage": self.ask.usage} if usage else {})

    async def until(self, due_s: float) -> None:
        left_s = due_s - (time.monotonic_ns() - self.stamps.received_ns) / 1e9
        if left_s > 0:
            await asyncio.sleep(left_s)

    def head(self, status: int, content_type: str, length: int | None = None) -> None:
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        connection = "" if self.keep else "Connection: close\r\n"
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {content_type}\r\n{framing}\r\n{connection}\r\n"
        self.writer.write(head.encode())

    async def stream(self, events: list[Event]) -> None:
        """A head and these events at their times; the body is left open."""
        self.head(200, "text/event-stream; charset=utf-8")
        for event in events:
            await self.until(event.due_s)
            self.send(event)
            await self.writer.drain()

    def send(self, event: Event) -> None:
        if event.content:
            self.stamps.content_ns.append(time.monotonic_ns())
        self.writer.write(framed(event.data))

    def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")

    def whole(self, status: int, content_type: str, body: bytes) -> None:
        self.head(status, content_type, len(body))
        self.writer.write(body)

    def cut(self) -> None:
        """Closes politely (FIN), wherever the response is."""
        self.keep = False
        self.writer.close()

    def reset(self) -> None:
        """Closes rudely (RST)."""
        self.keep = False
        plug: socket.socket = self.writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
