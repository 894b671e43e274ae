"""Recorded conversations: the file they are in, read strictly. `benchmarks/TRACES.md` describes the format.

A trace holds no text, only which tokens are the same as which: a piece of context is a stretch of a named block, and
two pieces of one block are equal wherever they stand. What is in a block is drawn from a seed when it is replayed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, DataProblems, FleetError, Problem
from matrix.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_BYTES = 1 << 30
MAX_LINE_BYTES = 64 << 20
MAX_SESSIONS = 1_000_000
MAX_TURNS = 100_000
MAX_CONTEXT = 16_000_000
"""Tokens of one request: a mistake beyond any model there is."""
MAX_GAP_S = 7 * 86_400.0

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=MAX_CONTEXT)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_CONTEXT)]
Gap = Annotated[float, msgspec.Meta(ge=0, le=MAX_GAP_S)]


class Piece(Fact, frozen=True, kw_only=False, array_like=True):
    """`tokens` of block `block`, from its token `start` on. Written `["system", 512]` or `["system", 64, 448]`."""

    block: Name
    tokens: Tokens
    start: Offset = 0


class Turn(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """One request: what it adds to the context, and how much it generates.

    `keep` tokens of what there was (the last prompt and its answer) stay at its beginning; null: all of it. It is due
    `think_s` (a person reads and types) + `tool_s` (an agent runs its tools) after the last answer's end.
    """

    add: tuple[Piece, ...]
    out: Tokens
    keep: Offset | None = None
    think_s: Gap = 0.0
    tool_s: Gap = 0.0


class TraceSession(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """One conversation, begun `arrival_s` after the trace. Its first turn has nothing to keep or to wait for."""

    id: Name
    arrival_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    turns: Annotated[tuple[Turn, ...], msgspec.Meta(min_length=1, max_length=MAX_TURNS)]


class Header(Fact, frozen=True, kw_only=True):
    """The first line of a trace. `source` says whose recording it is, or what made it."""

    format: Literal["inferfleet-trace"] = "inferfleet-trace"
    version: Literal[1] = 1
    name: Name
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Sessions in order of arrival. `digest` is the sha256 of the file's bytes."""

    header: Header
    sessions: tuple[TraceSession, ...]
    digest: str

    @property
    def requests(self) -> int:
        return sum(len(session.turns) for session in self.sessions)

    @property
    def sessions_per_s(self) -> float:
        """As recorded, in the mean; 1 where all began at once."""
        span_s = self.sessions[-1].arrival_s - self.sessions[0].arrival_s
        return (len(self.sessions) - 1) / span_s if span_s else 1.0

    @property
    def longest_tokens(self) -> int:
        """Of the longest request, its prompt and its answer together."""
        return max(sum(lengths) for session in self.sessions for lengths in prompts_and_answers(session))


def prompts_and_answers(session: TraceSession) -> Iterator[tuple[int, int]]:
    """(prompt, answer) tokens of each turn. Raises ValueError for a turn that keeps more than there is."""
    context = 0
    for number, turn in enumerate(session.turns):
        kept = context if turn.keep is None else turn.keep
        if kept > context:
            raise ValueError(f"turn {number} keeps {kept} tokens of {context}")
        prompt = kept + sum(piece.tokens for piece in turn.add)
        if prompt == 0:
            raise ValueError(f"turn {number} has an empty prompt")
        if prompt + turn.out > MAX_CONTEXT:
            raise ValueError(f"turn {number} has {prompt + turn.out:,} tokens; at most {MAX_CONTEXT:,}")
        yield prompt, turn.out
        context = prompt + turn.out


def read_trace(path: Path, digest: str | None = None) -> Trace:
    """Raises DataProblems with file and line, or FleetError where it is not the recording of this `digest`."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror}") from None
    if size > MAX_BYTES:
        raise FleetError(f"{path}: is {size:,} bytes; a trace is at most {MAX_BYTES:,}")
    found = hashlib.sha256(data).hexdigest()
    if digest is not None and found != digest:
        raise FleetError(f"{path}: is not the recording that is asked for: its sha256 is {found}, not {digest}")
    return parse_trace(data, str(path))


def parse_trace(data: bytes, file: str) -> Trace:
    """Raises DataProblems that name every line that is wrong."""
    lines = data.splitlines()
    problems: list[Problem] = []
    header = None
    sessions: dict[str, TraceSession] = {}
    for number, line in enumerate(lines, start=1):
        try:
            if number == 1:
                header = msgspec.json.decode(line, type=Header)
                continue
            session = _session(line, sessions)
            sessions[session.id] = session
        except (*UNDECODABLE, ValueError) as error:
            problems.append(Problem(file=file, line=number, message=_said(number, error)))
        if len(problems) >= 20:
            break
    if not problems and not sessions:
        problems.append(Problem(file=file, line=0, message="holds no session", remedy="see benchmarks/TRACES.md"))
    if problems or header is None:
        raise DataProblems(problems)
    ordered = tuple(sorted(sessions.values(), key=lambda session: session.arrival_s))
    return Trace(header=header, sessions=ordered, digest=hashlib.sha256(data).hexdigest())


def _session(line: bytes, before: dict[str, TraceSession]) -> TraceSession:
    """Raises what a wrong line is worth."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a session of {len(line):,} bytes; at most {MAX_LINE_BYTES:,}")
    if len(before) >= MAX_SESSIONS:
        raise ValueError(f"more than {MAX_SESSIONS:,} sessions")
    session = msgspec.json.decode(line, type=TraceSession)
    if session.id in before:
        raise ValueError(f"session {session.id!r} is there twice")
    first = session.turns[0]
    if first.keep or first.think_s or first.tool_s:
        raise ValueError("the first turn has nothing to keep and nothing to wait for")
    for _ in prompts_and_answers(session):
        pass
    return session


def _said(number: int, error: Exception) -> str:
    return f"{'not the header of a trace' if number == 1 else 'not a session'}: {error}"


def write_trace(path: Path, header: Header, sessions: Iterable[TraceSession]) -> Trace:
    """In order of arrival, one session a line, atomically. Returns it as read back, with its digest."""
    ordered = sorted(sessions, key=lambda session: session.arrival_s)
    data = b"".join(msgspec.json.encode(one) + b"\n" for one in (header, *ordered))
    trace = parse_trace(data, str(path))
    write_atomic(path, data)
    return trace
