"""What both transports of the client share: streams, the requests on them, and how a request ends. No policy."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from benchmarks.http1 import StreamFault
from benchmarks.records import RequestError
from benchmarks.schedule import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.exchange import Exchange
    from benchmarks.records import StopRule

CONNECT_TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
DIGEST_READS = 16
"""An answer is read through before its end once this many of its reads have piled up."""


class Slot:
    """One of the load's streams, and the request on it. Its connection is its transport's business."""

    __slots__ = ("exchange", "failures", "number", "resume_ns")

    def __init__(self, number: int) -> None:
        self.number = number
        self.exchange: Exchange | None = None
        self.failures = 0
        self.resume_ns = 0


class Streams(ABC):
    """`on_end` is told of every exchange that ended, its `error` set if the transport failed it.

    `moved_ns` is when a request was last sent, answered, or brought a piece of an event.
    """

    def __init__(self, streams: int, on_end: Callable[[Slot, Exchange], None], *, keep_alive: bool) -> None:
        self.slots = [Slot(number) for number in range(streams)]
        self.in_flight = 0
        self.moved_ns = 0
        self._on_end = on_end
        self._keep_alive = keep_alive
        self._long: deque[Exchange] = deque()

    @abstractmethod
    def open_all(self) -> None:
        """Opens every connection, ahead of the clock. One that fails is tried again by its first request."""

    @abstractmethod
    def poll(self, timeout_s: float) -> bool:
        """Handles what is ready, waiting at most `timeout_s` for something to be; whether anything was."""

    @abstractmethod
    def close(self) -> None:
        """Closes every connection."""

    @abstractmethod
    def _start(self, slot: Slot, exchange: Exchange) -> None:
        """Sends the request, on the kept connection if the server has not closed it."""

    @abstractmethod
    def _disconnect(self, slot: Slot) -> None:
        """Closes the slot's connection, if it has one."""

    @abstractmethod
    def _release(self, slot: Slot) -> None:
        """The slot's exchange is over, and its connection is kept."""

    def issue(self, slot: Slot, exchange: Exchange) -> None:
        slot.exchange = exchange
        self.moved_ns = exchange.begun_ns = time.monotonic_ns()
        self.in_flight += 1
        self._start(slot, exchange)

    def fail(self, slot: Slot, exchange: Exchange, error: RequestError, detail: str) -> None:
        """Ends a request that went wrong, and the connection it was on."""
        self._disconnect(slot)
        exchange.end_ns = time.monotonic_ns()
        exchange.error, exchange.detail = error, detail
        self._end(slot, exchange)

    def look(self) -> None:
        """Notes what has moved and which answers grow long. To be called a few times a second."""
        for slot in self.slots:
            exchange = slot.exchange
            if exchange is None:
                continue
            exchange.look()
            self.moved_ns = max(self.moved_ns, exchange.event_ns)
            if exchange.size > MAX_RESPONSE_BYTES:
                self._fail_large(slot, exchange)
            elif exchange.rests:
                self._follow(slot, exchange, at_eof=False)
            elif len(exchange.parts) >= DIGEST_READS and exchange.plain:
                self._long.append(exchange)

    @property
    def growing(self) -> bool:
        return bool(self._long)

    def digest_one(self) -> bool:
        """Reads through one long answer, so that its bytes need not be kept to its end; whether there was one."""
        if not self._long:
            return False
        exchange = self._long.popleft()
        exchange.plain = exchange.plain and exchange.digest()
        return True

    def _received(self, slot: Slot, exchange: Exchange) -> bool:
        """The read just added was the first, or is of an answer that is not plain. True for a plain one's first."""
        try:
            plain = exchange.status is None and exchange.framing is None and exchange.begin()
        except StreamFault as fault:
            self.fail(slot, exchange, RequestError.BAD_STREAM, str(fault))
            return False
        if not plain:
            self._follow(slot, exchange, at_eof=False)
        return plain

    def _may_have_ended(self, slot: Slot, exchange: Exchange) -> None:
        """The read just added may have been a plain answer's last, or was a very large one."""
        if exchange.ends():
            self._finish(slot, exchange, keep=exchange.keeps_alive)
            return
        exchange.look()
        if exchange.size > MAX_RESPONSE_BYTES:
            self._fail_large(slot, exchange)

    def _hung_up(self, slot: Slot, exchange: Exchange) -> None:
        if exchange.answered:
            self._follow(slot, exchange, at_eof=True)
        else:
            self.fail(slot, exchange, RequestError.RESET, "closed without an answer")

    def _follow(self, slot: Slot, exchange: Exchange, *, at_eof: bool) -> None:
        """Ends the exchange if its response is complete, or if no more of it can come (its reader says how it was)."""
        try:
            done = exchange.follow()
        except StreamFault as fault:
            self.fail(slot, exchange, RequestError.BAD_STREAM, str(fault))
            return
        if done or (at_eof and exchange.head is not None):
            self._finish(slot, exchange, keep=not at_eof and exchange.keeps_alive)
        elif at_eof:
            self.fail(slot, exchange, RequestError.RESET, "closed inside the response head")
        elif exchange.size > MAX_RESPONSE_BYTES:
            self._fail_large(slot, exchange)

    def _fail_large(self, slot: Slot, exchange: Exchange) -> None:
        self.fail(slot, exchange, RequestError.BAD_STREAM, f"more than {MAX_RESPONSE_BYTES} bytes")

    def _finish(self, slot: Slot, exchange: Exchange, *, keep: bool) -> None:
        if exchange.marks:
            exchange.end_ns = exchange.marks[-1]
        if keep and self._keep_alive:
            self._release(slot)
        else:
            self._disconnect(slot)
        self._end(slot, exchange)

    def _end(self, slot: Slot, exchange: Exchange) -> None:
        slot.exchange = None
        self.in_flight -= 1
        self.moved_ns = exchange.closed_ns = time.monotonic_ns()
        self._on_end(slot, exchange)


def overdue(exchange: Exchange, now_ns: int, stop: StopRule) -> tuple[RequestError, str] | None:
    """The error of a request that has had all its time; None for one that may go on."""
    if exchange.sent_ns is None:
        if now_ns - exchange.begun_ns > CONNECT_TIMEOUT_S * SECOND_NS:
            return RequestError.REFUSED, f"no connection within {CONNECT_TIMEOUT_S:g} s"
    elif now_ns - exchange.sent_ns > stop.request_timeout_s * SECOND_NS:
        return RequestError.TIMEOUT, f"not ended after {stop.request_timeout_s:g} s"
    return None
