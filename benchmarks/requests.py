"""What goes over the wire for one prompt. Built ahead of the clock, so that building costs no request anything."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks.exchange import Exchange
from benchmarks.http1 import request_head
from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.records import Prompt, Target

CHAT = "/v1/chat/completions"
MAX_AHEAD_BYTES = 32 * 1024 * 1024
TEMPERATURE = 1.0
"""Said outright, because engines have defaults of their own. Not 0: greedy answers to random prompts tend to repeat."""


class Form:
    """A request with everything filled in but the prompt: per request no more is done than has to be."""

    __slots__ = ("_chat", "_head", "_said", "_text")

    def __init__(self, target: Target) -> None:
        dialect = target.dialect
        kept = {} if dialect.keep_alive else {"Connection": "close"}
        self._head = request_head(target.host, target.port, dialect.path, auth_headers(target.api_key_env) | kept)
        self._chat = dialect.path == CHAT
        self._text = self._chat or not dialect.prompt_token_ids
        usage = {"stream_options": {"include_usage": True}} if dialect.usage_needs_stream_options else {}
        said = {
            "model": target.model,
            "temperature": TEMPERATURE,
            "stream": True,
            **usage,
            **dialect.exact_length,
            **dialect.no_cache,
        }
        self._said = msgspec.json.encode(said)[:-1]

    def body(self, prompt: Prompt) -> bytes:
        """The JSON body: exactly `output_tokens` tokens asked back, streamed. Raises FleetError without needed text."""
        asked: str | tuple[int, ...] | list[dict[str, str]] = prompt.token_ids
        if self._text:
            if prompt.text is None:
                raise FleetError("this engine needs text prompts, and the workload has only token ids: see `dialect`")
            asked = _messages(prompt.messages or (prompt.text,)) if self._chat else prompt.text
        key = b"messages" if self._chat else b"prompt"
        return b'%b,"%b":%b,"max_tokens":%d}' % (self._said, key, msgspec.json.encode(asked), prompt.output_tokens)

    def payload(self, prompt: Prompt, name: str) -> bytes:
        """Head and body; the server may echo `name` as the request's id."""
        body = self.body(prompt)
        return b"%bX-Request-Id: %b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, name.encode(), len(body), body)


def _messages(texts: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(texts)]


class Part(NamedTuple):
    """Which of a load's requests a process sends: `number`, `number + of`, ... of them, on its share of the streams."""

    number: int = 0
    of: int = 1


WHOLE = Part()


class RequestQueue:
    """Endless requests in prompt order, with the numbers of their part; `make_one` fills it up when idle."""

    __slots__ = ("_ahead", "_bytes", "_form", "_index", "_prompts", "_ready", "_step", "_warmup")

    def __init__(
        self,
        target: Target,
        prompts: Iterator[Prompt],
        streams: int,
        part: Part = WHOLE,
        *,
        warmup: bool = False,
    ) -> None:
        self._form = Form(target)
        self._prompts = prompts
        self._warmup = warmup
        self._ready: deque[Exchange] = deque()
        self._bytes = 0
        self._index, self._step = part
        self._ahead = streams

    def full(self) -> bool:
        return len(self._ready) >= self._ahead or self._bytes >= MAX_AHEAD_BYTES

    def make_one(self) -> None:
        prompt = next(self._prompts)
        name = f"warmup-{self._index}" if self._warmup else str(self._index)
        payload = self._form.payload(prompt, name)
        self._bytes += len(payload)
        self._ready.append(
            Exchange(
                index=self._index,
                asked_input_tokens=len(prompt.token_ids) + prompt.template_tokens,
                asked_output_tokens=prompt.output_tokens,
                payload=payload,
                warmup=self._warmup,
            )
        )
        self._index += self._step

    def take(self) -> Exchange:
        if not self._ready:
            self.make_one()
        exchange = self._ready.popleft()
        self._bytes -= len(exchange.payload)
        return exchange


def auth_headers(name: str | None) -> dict[str, str]:
    """The Authorization header of the key in environment variable `name`; none without a name."""
    if name is None:
        return {}
    key = os.environ.get(name, "")
    if not key or not key.isascii() or not key.isprintable():
        raise FleetError(f"environment variable {name} holds no usable API key: set it to one line of printable ASCII")
    return {"Authorization": f"Bearer {key}"}
