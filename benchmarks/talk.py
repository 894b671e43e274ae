"""A session that is being held: where it is, and its next request, made ahead of its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.exchange import Exchange
    from benchmarks.sessions import Session


@dataclass(slots=True)
class Talk:
    """`made` turns have been; `ready` is the last of them while it has not been sent. Nothing more is asked
    once it is `closed`. `tokens` is its newest prompt's length.
    """

    session: Session
    warmup: bool
    made: int = 0
    ready: Exchange | None = None
    closed: bool = False
    tokens: int = 0

    @property
    def over(self) -> bool:
        return self.closed or self.sent >= self.session.turns

    @property
    def sent(self) -> int:
        return self.made - (self.ready is not None)

    @property
    def gap_ns(self) -> int:
        """Before the next turn, counted from the end of the last."""
        return self.session.gaps_ns[self.sent]
