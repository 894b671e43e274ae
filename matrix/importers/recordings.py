"""Other people's recordings of requests as traces of ours. They name equal stretches of prompts by the hash of a block.

Facts about the formats, from their published descriptions: Mooncake's lines have `timestamp` in ms and blocks of 512
tokens; Bailian's have seconds, blocks of 16, and a whole request's context in every line; a file of Weka's
kv-cache-tester is one session with times in seconds since its beginning.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec

from matrix.errors import FleetError
from matrix.trace import MAX_BYTES, MAX_GAP_S, Header, Piece, TraceSession, Turn, write_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from matrix.trace import Trace

Line = TypeVar("Line")
Whose = Literal["mooncake", "bailian", "weka"]
MOONCAKE_BLOCK = 512
BAILIAN_BLOCK = 16

_Number = Annotated[float, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_ID_CHARS = 60


class _MooncakeLine(msgspec.Struct, frozen=True):
    timestamp: _Number
    input_length: _Count
    output_length: _Count
    hash_ids: tuple[int, ...]


class _BailianLine(msgspec.Struct, frozen=True):
    chat_id: int
    timestamp: _Number
    input_length: _Count
    output_length: _Count
    hash_ids: tuple[int, ...] = ()
    parent_chat_id: int = -1


class _WekaRequest(msgspec.Struct, frozen=True):
    t: _Number
    type: str
    tokens: _Count = msgspec.field(default=0, name="in")
    out: _Count = 0
    hash_ids: tuple[int, ...] = ()
    input_types: tuple[str, ...] = ()
    api_time: _Number | None = None
    think_time: _Number | None = None


class _WekaFile(msgspec.Struct, frozen=True):
    id: str
    block_size: Annotated[int, msgspec.Meta(gt=0)]
    requests: tuple[_WekaRequest, ...]
    hash_id_scope: Literal["local", "global"] = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: a prompt of so many tokens, and the hashes of its blocks."""

    tokens: int
    out: int
    hashes: tuple[int, ...]
    think_s: float = 0.0
    tool_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Blocks:
    """Where each hash's tokens are: blocks that first came one after another are stretches of one longer block."""

    size: int
    scope: str = ""
    places: dict[int, tuple[str, int]] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def pieces(self, asked: Asked, begin: int, rest: str) -> tuple[Piece, ...]:
        """The prompt from token `begin` on. What its hashes do not reach is in a block `rest` of its own."""
        found: list[Piece] = []
        reached = min(asked.tokens, len(asked.hashes) * self.size)
        for place in range(begin // self.size, -(-reached // self.size)):
            block, first = self._place(asked.hashes, place)
            start = max(begin, place * self.size)
            tokens = min(reached, (place + 1) * self.size) - start
            start += first - place * self.size
            if found and found[-1].block == block and found[-1].start + found[-1].tokens == start:
                found[-1] = Piece(block, found[-1].tokens + tokens, found[-1].start)
            else:
                found.append(Piece(block, tokens, start))
        if asked.tokens > reached:
            found.append(Piece(rest, asked.tokens - max(begin, reached)))
        return tuple(found)

    def _place(self, hashes: Sequence[int], place: int) -> tuple[str, int]:
        one = hashes[place]
        if one not in self.places:
            before, first = self.places.get(hashes[place - 1], ("", 0)) if place else ("", 0)
            goes_on = self.ends.get(before) == first + self.size
            self.places[one] = (before, first + self.size) if goes_on else (f"{self.scope}{one}", 0)
            self.ends[self.places[one][0]] = self.places[one][1] + self.size
        return self.places[one]


@dataclass(slots=True)
class Left:
    """What of a recording did not come over, counted."""

    counts: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        yield from (f"left out or changed: {count} x {what}" for what, count in self.counts.most_common() if count)


def import_recordings(paths: Sequence[Path], whose: Whose, name: str, source: str, out: Path) -> tuple[Trace, Left]:
    """Writes the trace. Raises FleetError, with file and line, for what is not such a recording."""
    left = Left()
    sessions = list(_READERS[whose](paths, left))
    if not sessions:
        raise FleetError(f"{paths[0]}: no session of it can be replayed: {', '.join(left.lines())}")
    return write_trace(out, Header(name=name, source=source), sessions), left


def _mooncake(paths: Sequence[Path], left: Left) -> Iterator[TraceSession]:
    for path in paths:
        blocks = Blocks(size=MOONCAKE_BLOCK, scope=f"{path.stem[:_ID_CHARS]}/" if len(paths) > 1 else "")
        for number, line in _lines(path, _MooncakeLine):
            asked = Asked(tokens=line.input_length, out=line.output_length, hashes=line.hash_ids)
            name = f"{blocks.scope}{number}"
            yield from _session(name, line.timestamp / 1000, [asked], blocks, left)


def _bailian(paths: Sequence[Path], left: Left) -> Iterator[TraceSession]:
    for path in paths:
        blocks = Blocks(size=BAILIAN_BLOCK, scope=f"{path.stem[:_ID_CHARS]}/" if len(paths) > 1 else "")
        for lines in _chats([line for _, line in _lines(path, _BailianLine)], left):
            asked = [
                Asked(
                    tokens=one.input_length,
                    out=one.output_length,
                    hashes=one.hash_ids,
                    think_s=min(one.timestamp - before.timestamp, MAX_GAP_S),
                )
                for before, one in zip([lines[0], *lines], lines, strict=False)
            ]
            yield from _session(f"{blocks.scope}{lines[0].chat_id}", lines[0].timestamp, asked, blocks, left)


def _chats(lines: list[_BailianLine], left: Left) -> Iterable[list[_BailianLine]]:
    """Lines whose parent is the newest of a session go on with it; all others begin one."""
    newest: dict[int, list[_BailianLine]] = {}
    chats: list[list[_BailianLine]] = []
    for line in sorted(lines, key=lambda line: line.timestamp):
        chat = newest.pop(line.parent_chat_id, None)
        if chat is None:
            if line.parent_chat_id != -1:
                left.counts["turn without the one before it: begins a session"] += 1
            chat = []
            chats.append(chat)
        chat.append(line)
        newest[line.chat_id] = chat
    return chats


def _weka(paths: Sequence[Path], left: Left) -> Iterator[TraceSession]:
    shared: dict[int, Blocks] = {}
    for path in paths:
        try:
            one = msgspec.json.decode(_read(path), type=_WekaFile)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FleetError(f"{path}: not a recording of a session: {error}") from None
        name = one.id[:_ID_CHARS]
        if one.hash_id_scope == "global":
            blocks = shared.setdefault(one.block_size, Blocks(size=one.block_size, scope=f"{one.block_size}/"))
        else:
            blocks = Blocks(size=one.block_size, scope=f"{name}/")
        left.counts["sub-agent, with its requests"] += sum(request.type == "subagent" for request in one.requests)
        requests = [request for request in one.requests if request.type in ("n", "s")]
        yield from _session(name, 0.0, list(_weka_turns(requests, left)), blocks, left)


def _weka_turns(requests: list[_WekaRequest], left: Left) -> Iterator[Asked]:
    for before, one in zip([None, *requests], requests, strict=False):
        gap_s = 0.0
        if before is not None:
            gap_s = one.t - before.t - (before.api_time or 0.0) if one.think_time is None else one.think_time
            if gap_s < 0:
                left.counts["request sent before the answer to the last had ended: follows it at once"] += 1
        gap_s = min(max(0.0, gap_s), MAX_GAP_S)
        tool = "tool_result" in one.input_types
        waits = (0.0, gap_s) if tool else (gap_s, 0.0)
        yield Asked(tokens=one.tokens, out=one.out, hashes=one.hash_ids, think_s=waits[0], tool_s=waits[1])


def _session(name: str, arrival_s: float, asked: list[Asked], blocks: Blocks, left: Left) -> Iterator[TraceSession]:
    """None if nothing of it is left."""
    whole = [one for one in asked if one.tokens and one.out and one.hashes]
    left.counts["request without a prompt, blocks or output"] += len(asked) - len(whole)
    turns: list[Turn] = []
    before = Asked(tokens=0, out=0, hashes=())
    for number, one in enumerate(whole):
        kept = _shared_tokens(before, one, blocks.size)
        turns.append(
            Turn(
                add=blocks.pieces(one, kept, f"{name}/rest{number}"),
                out=one.out,
                keep=kept if number else None,
                think_s=one.think_s if number else 0.0,
                tool_s=one.tool_s if number else 0.0,
            )
        )
        before = one
    if turns:
        yield TraceSession(id=name, arrival_s=arrival_s, turns=tuple(turns))


def _shared_tokens(before: Asked, after: Asked, size: int) -> int:
    """Of the prefix both prompts have; what no hash reaches is shared with nothing."""
    same = 0
    for one, other in zip(before.hashes, after.hashes, strict=False):
        if one != other:
            break
        same += size
    return min(same, before.tokens, after.tokens)


def _lines(path: Path, kind: type[Line]) -> Iterator[tuple[int, Line]]:
    decode = msgspec.json.Decoder(kind).decode
    for number, line in enumerate(_read(path).splitlines(), start=1):
        try:
            yield number, decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FleetError(f"{path}:{number}: not a request of such a recording: {error}") from None


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FleetError(f"{path}: is larger than {MAX_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror}") from None


_READERS: dict[Whose, Callable[[Sequence[Path], Left], Iterator[TraceSession]]] = {
    "mooncake": _mooncake,
    "bailian": _bailian,
    "weka": _weka,
}
