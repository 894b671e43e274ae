"""What the events of a completion say: content and when it came, token counts, errors."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING

import msgspec

from benchmarks.http1 import StreamFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.sse import Event

DETAIL_CHARS = 200
DONE = b"[DONE]"


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"null")


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None
    delta: _Delta | None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: tuple[_Choice, ...] | None = ()
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_all = msgspec.json.Decoder(list[_Chunk]).decode
_EMPTY_RAW = (b"", b"null", b"[]")


def _no_stamps() -> array[int]:
    return array("q")


@dataclass(slots=True)
class Answer:
    """`stamps` are of the content events. Nothing after `done` counts."""

    stamps: array[int] = field(default_factory=_no_stamps)
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    done: bool = False
    _texts: list[str] = field(default_factory=list)
    _hash: hashlib.blake2b | None = None

    @property
    def text_digest(self) -> str:
        """Of all text; empty if there was none."""
        self.fold()
        return self._hash.hexdigest() if self._hash and self.stamps else ""

    def fold(self) -> None:
        """Keeps the texts' digest and lets the texts go."""
        if not self._texts:
            return
        if self._hash is None:
            self._hash = hashlib.blake2b(digest_size=16)
        self._hash.update("".join(self._texts).encode("utf-8", "surrogatepass"))
        self._texts.clear()

    def take_array(self, data: bytes, stamps: list[int]) -> bool:
        """Adds the events of a JSON array, one per stamp; False, and nothing added, if they are not just that."""
        try:
            chunks = _decode_all(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        if len(chunks) != len(stamps) or b'"error"' in data:
            return False
        self._take(chunks, stamps)
        return True

    def take_events(self, events: Sequence[Event]) -> None:
        """Adds events up to `[DONE]`. Raises StreamFault on one that is not a chunk."""
        chunks, stamps = [], []
        for stamp_ns, data in events:
            if data == DONE:
                self.done = True
                break
            chunks.append(_chunk_of(data))
            stamps.append(stamp_ns)
        self._take(chunks, stamps)

    def _take(self, chunks: list[_Chunk], stamps: list[int]) -> None:
        """The last `usage` seen wins, whatever event it is in."""
        texts = [_text_of(chunk) for chunk in chunks]
        self.stamps.extend(compress(stamps, texts))
        self._texts += texts
        for chunk in reversed(chunks):
            if chunk.usage is not None:
                self.input_tokens = chunk.usage.prompt_tokens
                self.output_tokens = chunk.usage.completion_tokens
                details = chunk.usage.prompt_tokens_details
                self.cached_tokens = details.cached_tokens if details else None
                break


def _chunk_of(data: bytes) -> _Chunk:
    try:
        chunk = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StreamFault(f"bad JSON in an event ({error}): {data[:80]!r}") from None
    if bytes(chunk.error) not in _EMPTY_RAW:
        raise StreamFault(f"error in the stream: {bytes(chunk.error)[:DETAIL_CHARS]!r}")
    return chunk


def _text_of(chunk: _Chunk) -> str:
    """The content of one event, empty if it has none."""
    choices = chunk.choices
    if not choices:
        return ""
    if len(choices) == 1:
        return _content(choices[0])
    return "".join([_content(choice) for choice in choices])


def _content(choice: _Choice) -> str:
    """Text, reasoning and tool calls all are output; a role alone is not."""
    delta = choice.delta
    if delta is None:
        return choice.text or ""
    calls = bytes(delta.tool_calls)
    called = "" if calls in _EMPTY_RAW else calls.decode()
    return (delta.content or "") + (delta.reasoning_content or delta.reasoning or "") + called
