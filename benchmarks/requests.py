"""What goes over the wire for one prompt. Built ahead of the clock, so that building costs no request anything."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from benchmarks.http1 import build_request
from benchmarks.responses import Exchange
from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.records import Prompt, Target
    from matrix.dialect import Scalar

MAX_AHEAD = 256

TEMPERATURE = 1.0
"""Said outright, because engines have defaults of their own. Not 0: greedy answers to random prompts tend to repeat."""


def body_of(target: Target, prompt: Prompt) -> bytes:
    """The JSON body: token ids in, exactly `output_tokens` asked back, streamed."""
    dialect = target.dialect
    body: dict[str, Scalar | tuple[int, ...] | dict[str, bool]] = {
        "model": target.model,
        "prompt": prompt.token_ids,
        "max_tokens": prompt.output_tokens,
        "temperature": TEMPERATURE,
        "stream": True,
        **dialect.exact_length,
        **dialect.no_cache,
    }
    if dialect.usage_needs_stream_options:
        body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


class RequestQueue:
    """Endless requests in prompt order, numbered from 0; `make_one` fills it up while nothing is happening."""

    __slots__ = ("_ahead", "_headers", "_index", "_prompts", "_ready", "_target")

    def __init__(self, target: Target, prompts: Iterator[Prompt], streams: int) -> None:
        _check_speakable(target)
        self._target = target
        self._prompts = prompts
        self._headers = _api_key(target) | ({} if target.dialect.keep_alive else {"Connection": "close"})
        self._ready: deque[Exchange] = deque()
        self._index = 0
        self._ahead = min(streams, MAX_AHEAD)

    def full(self) -> bool:
        return len(self._ready) >= self._ahead

    def make_one(self) -> None:
        prompt = next(self._prompts)
        target = self._target
        headers = {"X-Request-Id": str(self._index)} | self._headers
        if not target.dialect.keep_alive:
            headers["Connection"] = "close"
        body = body_of(target, prompt)
        self._ready.append(
            Exchange(
                index=self._index,
                asked_input_tokens=len(prompt.token_ids),
                asked_output_tokens=prompt.output_tokens,
                payload=build_request(target.host, target.port, target.dialect.path, body, headers),
            )
        )
        self._index += 1

    def take(self) -> Exchange:
        if not self._ready:
            self.make_one()
        return self._ready.popleft()


def _check_speakable(target: Target) -> None:
    if not target.dialect.prompt_token_ids or target.dialect.path != "/v1/completions":
        raise FleetError(
            f"{target.host}:{target.port}: this engine needs text prompts; only token-id prompts on /v1/completions "
            "can be sent yet. Use an engine whose dialect has `prompt_token_ids: true`"
        )


def _api_key(target: Target) -> dict[str, str]:
    name = target.api_key_env
    if name is None:
        return {}
    key = os.environ.get(name, "")
    if not key or not key.isascii() or not key.isprintable():
        raise FleetError(f"environment variable {name} holds no usable API key: set it to one line of printable ASCII")
    return {"Authorization": f"Bearer {key}"}
