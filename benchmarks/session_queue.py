"""The requests of sessions, built ahead of the clock: first turns of sessions to come, next turns of those held."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from benchmarks.exchange import Exchange
from benchmarks.records import TurnOf
from benchmarks.requests import WHOLE, Form, Part
from benchmarks.talk import Talk

if TYPE_CHECKING:
    from benchmarks.records import Target
    from benchmarks.sessions import Sessions

MAX_AHEAD_BYTES = 256 * 1024 * 1024
"""Of requests that wait to be sent. Beyond that a turn is made when it is due, and is late by what that takes."""

NS_PER_TOKEN = 60
"""Of a prompt's length, to make it and to write it down: 50 to 70 were measured."""


class SessionQueue:
    """Endless sessions in order of their number. Requests are numbered as they are sent, in steps of the part."""

    __slots__ = ("_ahead", "_bytes", "_form", "_index", "_ready", "_sessions", "_step", "_unmade", "_warmup")

    def __init__(
        self, target: Target, sessions: Sessions, streams: int, part: Part = WHOLE, *, warmup: bool = False
    ) -> None:
        self._form = Form(target)
        self._sessions = sessions
        self._warmup = warmup
        self._ready: deque[Talk] = deque()
        self._unmade: deque[Talk] = deque()
        self._bytes = 0
        self._index, self._step = part
        self._ahead = streams

    def full(self) -> bool:
        """Whether nothing can or needs to be made."""
        return self._bytes >= MAX_AHEAD_BYTES or (not self._unmade and len(self._ready) >= self._ahead)

    def make_one(self) -> None:
        """Next turns come first: somebody is waiting for them already."""
        while self._unmade:
            talk = self._unmade.popleft()
            if talk.ready is None and not talk.over:
                self._make(talk)
                return
        if len(self._ready) < self._ahead:
            self._begin()

    def make_next(self, talk: Talk) -> None:
        """This session's next turn, out of turn: it is the one that is due first."""
        if talk.ready is None and not talk.over:
            self._make(talk)

    def make_ns(self) -> int:
        """What the next `make_one` takes, from the size of what it goes on from."""
        return self._unmade[0].tokens * NS_PER_TOKEN if self._unmade else 0

    def take(self) -> Exchange:
        """The first turn of the next session."""
        if not self._ready:
            self._begin()
        return self.next_of(self._ready.popleft())

    def next_of(self, talk: Talk) -> Exchange:
        """The next turn of a session that is not over."""
        if talk.ready is None:
            self._make(talk)
        exchange = talk.ready
        if exchange is None:
            raise RuntimeError("a turn was asked of a session that has none")
        talk.ready = None
        self._bytes -= len(exchange.payload)
        exchange.index = self._index
        self._index += self._step
        if not talk.over:
            self._unmade.append(talk)
        return exchange

    def forget(self, talk: Talk) -> None:
        """Lets go of what was made for a session that does not go on."""
        if talk.ready is not None:
            self._bytes -= len(talk.ready.payload)
            talk.ready = None
        talk.closed = True

    def _begin(self) -> None:
        talk = Talk(next(self._sessions), self._warmup)
        self._make(talk)
        self._ready.append(talk)

    def _make(self, talk: Talk) -> None:
        session = talk.session
        prompt = next(session.prompts)
        kind = "warmup-" if self._warmup else ""
        payload = self._form.payload(prompt, f"{kind}{session.number}-{talk.made}")
        talk.ready = Exchange(
            index=-1,
            asked_input_tokens=len(prompt.token_ids) + prompt.template_tokens,
            asked_output_tokens=prompt.output_tokens,
            payload=payload,
            warmup=self._warmup,
            talk=talk,
            turn_of=TurnOf(session=session.number, turn=talk.made, turns=session.turns),
        )
        talk.made += 1
        talk.tokens = len(prompt.token_ids)
        self._bytes += len(payload)
