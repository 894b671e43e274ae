"""From the raw reads of one finished request to its `RequestRecord`. Runs outside the timed reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from benchmarks.http1 import Framing, StreamFault
from benchmarks.records import RequestError, RequestRecord
from benchmarks.sse import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.sse import Event

DETAIL_CHARS = 200
_DONE = b"[DONE]"


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"null")


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None
    delta: _Delta | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: tuple[_Choice, ...] | None = ()
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Chunk).decode
_EMPTY_RAW = (b"", b"null", b"[]")


@dataclass(slots=True)
class Exchange:
    """One request on its way: what was asked, when it was sent, and every read of the answer, in order.

    `reads` are (stamp, bytes); `fed` of them have been through `framing`.
    """

    index: int
    asked_input_tokens: int
    asked_output_tokens: int
    payload: bytes
    warmup: bool = False
    scheduled_ns: int | None = None
    begun_ns: int = 0
    sent_ns: int | None = None
    end_ns: int = 0
    size: int = 0
    reads: list[tuple[int, bytes]] = field(default_factory=list)
    fed: int = 0
    framing: Framing = field(default_factory=Framing)
    error: RequestError | None = None
    detail: str = ""

    def feed(self) -> bool:
        """Brings the framing up to date; True when the response is complete. Raises StreamFault."""
        for stamp_ns, data in self.reads[self.fed :]:
            self.framing.feed(stamp_ns, data)
        self.fed = len(self.reads)
        return self.framing.done

    @property
    def status(self) -> int | None:
        return self.framing.head.status if self.framing.head else None


@dataclass(slots=True)
class _Answer:
    """What a complete stream said."""

    stamps: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    input_tokens: int | None = None
    output_tokens: int | None = None
    reads_with_several_events: int = 0


def record_of(exchange: Exchange) -> tuple[RequestRecord, int]:
    """The record, and how many of its reads completed more than one content event (their gaps are lost)."""
    record = RequestRecord(
        index=exchange.index,
        asked_input_tokens=exchange.asked_input_tokens,
        asked_output_tokens=exchange.asked_output_tokens,
        sent_ns=exchange.begun_ns if exchange.sent_ns is None else exchange.sent_ns,
        end_ns=exchange.end_ns,
        status=exchange.status,
        scheduled_ns=exchange.scheduled_ns,
    )
    if exchange.error is not None:
        return msgspec.structs.replace(record, error=exchange.error, detail=printable(exchange.detail)), 0
    if exchange.status != 200:
        detail = printable(_sample(exchange))
        return msgspec.structs.replace(record, error=RequestError.HTTP_STATUS, detail=detail), 0
    try:
        answer = _read_stream(exchange)
    except StreamFault as fault:
        return msgspec.structs.replace(record, error=RequestError.BAD_STREAM, detail=printable(str(fault))), 0
    if answer is None:
        return msgspec.structs.replace(record, error=RequestError.TRUNCATED_STREAM, detail="ended before [DONE]"), 0
    return _with_answer(record, answer), answer.reads_with_several_events


def printable(text: str) -> str:
    """At most DETAIL_CHARS of printable ASCII: safe in a log, a table and a terminal."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:DETAIL_CHARS])


def _sample(exchange: Exchange) -> str:
    body = b"".join(data for _, data in exchange.framing.pieces)
    return body[: DETAIL_CHARS * 4].decode("utf-8", "replace").strip()


def _read_stream(exchange: Exchange) -> _Answer | None:
    """None when the stream ended before `[DONE]`."""
    head = exchange.framing.head
    kind = head.headers.get("content-type", "") if head else ""
    if not kind.lower().startswith("text/event-stream"):
        raise StreamFault(f"content-type {kind!r} instead of an event stream: {_sample(exchange)}")
    parsed = parse(exchange.framing.pieces)
    answer = _Answer()
    done = _take_events(answer, parsed.events)
    if done or parsed.rest == _DONE:  # some servers end without the last blank line
        return answer
    if parsed.rest is not None and exchange.framing.done:
        raise StreamFault(f"event without a blank line at the end: {parsed.rest[:80]!r}")
    return None


def _take_events(answer: _Answer, events: Sequence[Event]) -> bool:
    """Adds every event up to `[DONE]`; True when that was seen."""
    several_at = None
    for stamp_ns, data in events:
        if data == _DONE:
            return True
        text = _take_chunk(answer, data)
        if text is None:
            continue
        if answer.stamps and answer.stamps[-1] == stamp_ns and several_at != stamp_ns:
            answer.reads_with_several_events += 1
            several_at = stamp_ns
        answer.stamps.append(stamp_ns)
        answer.texts.append(text)
    return False


def _take_chunk(answer: _Answer, data: bytes) -> str | None:
    """The content of one event, None if it has none. The last `usage` seen wins, whatever event it is in."""
    try:
        chunk = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StreamFault(f"bad JSON in an event ({error}): {data[:80]!r}") from None
    if bytes(chunk.error) not in _EMPTY_RAW:
        raise StreamFault(f"error in the stream: {bytes(chunk.error)[:DETAIL_CHARS]!r}")
    if chunk.usage is not None:
        answer.input_tokens = chunk.usage.prompt_tokens
        answer.output_tokens = chunk.usage.completion_tokens
    text = "".join([_content(choice) for choice in chunk.choices or ()])
    return text or None


def _content(choice: _Choice) -> str:
    """Text, reasoning and tool calls all are output; a role alone is not."""
    if choice.delta is None:
        return choice.text or ""
    delta = choice.delta
    calls = bytes(delta.tool_calls)
    called = "" if calls in _EMPTY_RAW else calls.decode()
    return (delta.content or "") + (delta.reasoning_content or delta.reasoning or "") + called


def _with_answer(record: RequestRecord, answer: _Answer) -> RequestRecord:
    stamps = answer.stamps
    gaps = [after - before for before, after in pairwise(stamps)]
    digest = (
        hashlib.blake2b("".join(answer.texts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        if stamps
        else ""
    )
    return msgspec.structs.replace(
        record,
        first_ns=stamps[0] if stamps else None,
        last_ns=stamps[-1] if stamps else None,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        chunks=len(stamps),
        worst_gap_ns=max(gaps, default=0),
        chunk_ns=tuple(stamps),
        text_digest=digest,
    )
