"""Conversations to replay: each a run of prompts that grow by what was recorded, due a wait after the last answer.

What stands for the assistant in the context are tokens drawn like all others, not what the server answered: so every
prompt is known before the load, has exactly the recorded length, and shares exactly the recorded prefixes, whatever
the server says (`TRACES.md` says what that costs).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.prompts import shortest
from benchmarks.records import Prompt
from matrix.trace import Piece, TraceSession, Turn

if TYPE_CHECKING:
    from matrix.trace import Trace
    from matrix.workload import ConversationWorkload

Ids = NDArray[np.int64]
Speak = Callable[[Ids, int, tuple[int, ...]], Prompt]
"""Makes a prompt of ids, how many tokens are asked back, and the lengths of the messages, the user's and the
assistant's by turns."""
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation: `prompts` yields one per turn, in order, each made when it is asked for.

    `gaps_ns` are how long after the end of the one before each is due, 0 for the first.
    """

    number: int
    gaps_ns: tuple[int, ...]
    prompts: Iterator[Prompt]

    @property
    def turns(self) -> int:
        return len(self.gaps_ns)


@dataclass(slots=True)
class Sessions:
    """Endless sessions that can be had by number, so that worker processes share them out without talking.

    `arrivals_s` are when the sessions of a recording began, in order; null where nothing was recorded.
    """

    at: Callable[[int], Session]
    number: int = 0
    step: int = 1
    arrivals_s: tuple[float, ...] | None = None

    def __iter__(self) -> Sessions:
        return self

    def __next__(self) -> Session:
        session = self.at(self.number)
        self.number += self.step
        return session

    def share(self, part: int, of: int) -> Sessions:
        """Every `of`-th of what is left, from number `part` of it on."""
        return Sessions(self.at, self.number + part * self.step, self.step * of, self.arrivals_s)


def as_ids(ids: Ids, output_tokens: int, messages: tuple[int, ...]) -> Prompt:  # noqa: ARG001 - ids have no roles
    return Prompt(token_ids=tuple(ids.tolist()), output_tokens=output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """What is in each named block: ids uniform on the half-open `token_range`. Another seed, other tokens."""

    seed: str
    token_range: tuple[int, int]

    def stretch(self, block: str, start: int, tokens: int) -> Ids:
        """Depends on the seed, the block's name and the places alone."""
        key = int.from_bytes(hashlib.sha256(f"{self.seed}/{block}".encode()).digest()[:16])
        rng = np.random.Generator(np.random.Philox(key=key))
        return rng.integers(*self.token_range, size=start + tokens, dtype=np.int64)[start:]


def recorded(
    trace: Trace, token_range: tuple[int, int], seed: str, *, longest_gap_s: float | None = None, speak: Speak = as_ids
) -> Sessions:
    """A trace over and over, in order of arrival. Sessions share blocks as recorded within each pass through it.

    The next pass has tokens of its own: what the last one left in a cache is of no use to it.
    """
    limit_s = float("inf") if longest_gap_s is None else longest_gap_s
    return Sessions(
        partial(_recorded_session, trace.sessions, token_range, seed, limit_s, speak),
        arrivals_s=tuple(session.arrival_s for session in trace.sessions),
    )


def made_up(
    workload: ConversationWorkload, token_range: tuple[int, int], seed: str, *, speak: Speak = as_ids
) -> Sessions:
    """Session number i depends on the arguments and i alone; what the workload says is shared, all of them share."""
    return Sessions(partial(_made_up_session, workload, token_range, seed, speak))


def _recorded_session(
    sessions: Sequence[TraceSession],
    token_range: tuple[int, int],
    seed: str,
    limit_s: float,
    speak: Speak,
    number: int,
) -> Session:
    again, place = divmod(number, len(sessions))
    blocks = Blocks(seed=f"{seed}/{again}", token_range=token_range)
    return _session(sessions[place], blocks, speak, number, limit_s)


def _made_up_session(
    workload: ConversationWorkload, token_range: tuple[int, int], seed: str, speak: Speak, number: int
) -> Session:
    blocks = Blocks(seed=seed, token_range=token_range)
    return _session(conversation(workload, seed, number), blocks, speak, number, float("inf"))


def conversation(workload: ConversationWorkload, seed: str, number: int) -> TraceSession:
    """The made-up conversation `number` as the record it would have been recorded as."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/shape".encode()).digest()[:16])
    rng = np.random.Generator(np.random.Philox(key=key, counter=number << 128))

    def length(most: int) -> int:
        return int(rng.integers(shortest(most, workload.ratio), most, endpoint=True))

    turns = []
    for place in range(workload.turns):
        new = Piece(f"{number}.{place}", length(workload.added if place else workload.isl))
        shared = (Piece("shared", workload.shared),) if workload.shared and not place else ()
        gap_s = _gap_s(workload, rng) if place else 0.0
        tool_s, think_s = (gap_s, 0.0) if workload.waits_for == "tool" else (0.0, gap_s)
        turns.append(Turn(add=(*shared, new), out=length(workload.osl), think_s=think_s, tool_s=tool_s))
    return TraceSession(id=str(number), turns=tuple(turns))


def _gap_s(workload: ConversationWorkload, rng: np.random.Generator) -> float:
    return workload.gap_s if workload.gap_shape == "constant" else float(rng.exponential(workload.gap_s))


def _session(session: TraceSession, blocks: Blocks, speak: Speak, number: int, limit_s: float) -> Session:
    gaps_s = (min(turn.think_s + turn.tool_s, limit_s) for turn in session.turns)
    return Session(
        number=number,
        gaps_ns=tuple(round(gap_s * SECOND_NS) for gap_s in gaps_s),
        prompts=_prompts(session, blocks, speak, f"answer/{number}"),
    )


def _prompts(session: TraceSession, blocks: Blocks, speak: Speak, answers: str) -> Iterator[Prompt]:
    context = np.empty(0, dtype=np.int64)
    messages: tuple[int, ...] = ()
    for place, turn in enumerate(session.turns):
        kept = context if turn.keep is None else context[: turn.keep]
        messages = spoken(messages, len(kept), sum(piece.tokens for piece in turn.add))
        added = [blocks.stretch(f"block/{piece.block}", piece.start, piece.tokens) for piece in turn.add]
        prompt = np.concatenate([kept, *added])
        yield speak(prompt, turn.out, messages)
        context = np.concatenate([prompt, blocks.stretch(f"{answers}/{place}", 0, turn.out)])
        messages = (*messages, turn.out) if len(messages) % 2 else (*messages[:-1], messages[-1] + turn.out)


def spoken(messages: tuple[int, ...], kept: int, added: int) -> tuple[int, ...]:
    """The lengths of the messages, the user's first, of which `kept` tokens stay and to which the user adds some."""
    stay: list[int] = []
    for length in messages:
        if kept:
            stay.append(min(length, kept))
            kept -= stay[-1]
    if len(stay) % 2:  # the user was the last to speak
        added += stay.pop()
    return (*stay, added) if added else tuple(stay)
