"""The client's connections and the bytes on them: no policy, only opening, sending, receiving and noticing the end."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from benchmarks.connection import Connection
from benchmarks.http1 import StreamFault
from benchmarks.records import RequestError
from benchmarks.schedule import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.connection import Address
    from benchmarks.records import StopRule
    from benchmarks.responses import Exchange
    from benchmarks.stamps import Stamper

CONNECT_TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_OPEN = select.EPOLLIN
_OPENING = select.EPOLLIN | select.EPOLLOUT
_POLL_S = 0.25


class Slot:
    """One of the closed loop's streams: a connection kept from request to request, and the request on it."""

    __slots__ = ("connection", "exchange", "failures", "resume_ns")

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.exchange: Exchange | None = None
        self.failures = 0
        self.resume_ns = 0


class Wire:
    """`on_end` is told of every exchange that ended, its `error` set if the transport failed it.

    `moved_ns` is when a request was last sent, answered, or brought a piece of an event.
    """

    def __init__(
        self,
        address: Address,
        streams: int,
        stamper: Stamper,
        on_end: Callable[[Slot, Exchange], None],
        *,
        keep_alive: bool,
    ) -> None:
        self.slots = [Slot() for _ in range(streams)]
        self.in_flight = 0
        self.moved_ns = 0
        self._address = address
        self._stamper = stamper
        self._on_end = on_end
        self._keep_alive = keep_alive
        self._by_fd: dict[int, Slot] = {}
        self._epoll = select.epoll()

    def close(self) -> None:
        for slot in self.slots:
            self._disconnect(slot)
        self._epoll.close()

    def open_all(self) -> None:
        """Opens every connection, ahead of the clock. One that fails is tried again by its first request."""
        for slot in self.slots:
            self._connect(slot)
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while time.monotonic() < deadline_s and any(
            slot.connection is not None and not slot.connection.connected for slot in self.slots
        ):
            for fd, _ in self._epoll.poll(_POLL_S):
                slot = self._by_fd[fd]
                if slot.connection is not None and slot.connection.connect_error():
                    self._disconnect(slot)
                else:
                    self._epoll.modify(fd, _OPEN)

    def poll(self, timeout_s: float) -> bool:
        """Handles what is ready, waiting at most `timeout_s` for something to be; whether anything was."""
        events = self._epoll.poll(timeout_s)
        for fd, mask in events:
            slot = self._by_fd.get(fd)
            if slot is not None and slot.connection is not None:
                self._on_event(slot, slot.connection, mask)
        return bool(events)

    def issue(self, slot: Slot, exchange: Exchange) -> None:
        """Sends a request, on the kept connection if the server has not closed it."""
        slot.exchange = exchange
        self.moved_ns = exchange.begun_ns = time.monotonic_ns()
        self.in_flight += 1
        connection = slot.connection
        if connection is None or not connection.connected or connection.is_stale():
            self._reopen(slot, exchange)
        else:
            self._send(slot, exchange, connection)

    def fail(self, slot: Slot, exchange: Exchange, error: RequestError, detail: str) -> None:
        """Ends a request that went wrong, and the connection it was on."""
        self._disconnect(slot)
        exchange.end_ns = time.monotonic_ns()
        exchange.error, exchange.detail = error, detail
        self._end(slot, exchange)

    def _finish(self, slot: Slot, exchange: Exchange, *, keep: bool) -> None:
        if not (keep and self._keep_alive) or slot.connection is None or slot.connection.sending:
            self._disconnect(slot)
        exchange.end_ns = exchange.reads[-1][0]
        self._end(slot, exchange)

    def _end(self, slot: Slot, exchange: Exchange) -> None:
        slot.exchange = None
        self.in_flight -= 1
        self.moved_ns = time.monotonic_ns()
        self._on_end(slot, exchange)

    def _connect(self, slot: Slot) -> str:
        """Starts a fresh connection; returns why it could not, or nothing."""
        self._disconnect(slot)
        try:
            connection = Connection(self._address)
        except ConnectionError as error:
            return str(error)
        slot.connection = connection
        self._by_fd[connection.fd] = slot
        self._epoll.register(connection.fd, _OPENING)
        return ""

    def _disconnect(self, slot: Slot) -> None:
        if slot.connection is not None:
            del self._by_fd[slot.connection.fd]
            self._epoll.unregister(slot.connection.fd)
            slot.connection.close()
            slot.connection = None

    def _reopen(self, slot: Slot, exchange: Exchange) -> None:
        """Outside the request's clock: `sent_ns` is taken once the new connection stands."""
        why = self._connect(slot)
        if why:
            self.fail(slot, exchange, RequestError.REFUSED, why)

    def _on_event(self, slot: Slot, connection: Connection, mask: int) -> None:
        exchange = slot.exchange
        if exchange is None:  # the server closed an idle connection
            self._disconnect(slot)
        elif exchange.sent_ns is None:
            error = connection.connect_error()
            if error:
                self.fail(slot, exchange, RequestError.REFUSED, f"connect: errno {error}")
            else:
                self._send(slot, exchange, connection)
        elif mask & ~select.EPOLLOUT:
            self._receive(slot, exchange, connection)
        else:
            self._send_more(slot, exchange, connection)

    def _send(self, slot: Slot, exchange: Exchange, connection: Connection) -> None:
        reused = connection.used
        exchange.sent_ns = time.monotonic_ns()
        try:
            done = connection.send(exchange.payload)
        except OSError as error:
            if reused:  # closed between our look and our send: nothing of the request has left
                exchange.sent_ns = None
                self._reopen(slot, exchange)
            else:
                self.fail(slot, exchange, RequestError.RESET, str(error))
            return
        if not done:
            self._epoll.modify(connection.fd, _OPENING)
        elif not reused:  # until now it was watched for being writable
            self._epoll.modify(connection.fd, _OPEN)

    def _send_more(self, slot: Slot, exchange: Exchange, connection: Connection) -> None:
        try:
            if connection.send_more():
                self._epoll.modify(connection.fd, _OPEN)
        except OSError as error:
            self.fail(slot, exchange, RequestError.RESET, str(error))

    def _receive(self, slot: Slot, exchange: Exchange, connection: Connection) -> None:
        try:
            data, kernel_wall_ns = connection.read()
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(slot, exchange, RequestError.RESET, str(error))
            return
        if not data:
            self._at_eof(slot, exchange)
            return
        stamp_ns = self._stamper.stamp(kernel_wall_ns)
        exchange.reads.append((stamp_ns, data))
        exchange.size += len(data)
        if b"data:" in data:  # single bytes, comments and blank lines are not progress
            self.moved_ns = stamp_ns
        if exchange.size > MAX_RESPONSE_BYTES:
            self.fail(slot, exchange, RequestError.BAD_STREAM, f"more than {MAX_RESPONSE_BYTES} bytes")
        # a chunked body ends with a blank line: only then is a closer look worth its time
        elif not exchange.framing.chunked or len(data) < 4 or data.endswith(b"\r\n\r\n"):
            self._look(slot, exchange, at_eof=False)

    def _at_eof(self, slot: Slot, exchange: Exchange) -> None:
        if exchange.reads:
            self._look(slot, exchange, at_eof=True)
        else:
            self.fail(slot, exchange, RequestError.RESET, "closed without an answer")

    def _look(self, slot: Slot, exchange: Exchange, *, at_eof: bool) -> None:
        """Ends the exchange if its response is complete, or if no more of it can come (its parser says how it was)."""
        try:
            done = exchange.feed()
        except StreamFault as fault:
            self.fail(slot, exchange, RequestError.BAD_STREAM, str(fault))
            return
        head = exchange.framing.head
        if done or (at_eof and head is not None):
            self._finish(slot, exchange, keep=not at_eof and head is not None and head.keeps_alive)
        elif at_eof:
            self.fail(slot, exchange, RequestError.RESET, "closed inside the response head")


def overdue(exchange: Exchange, now_ns: int, stop: StopRule) -> tuple[RequestError, str] | None:
    """The error of a request that has had all its time; None for one that may go on."""
    if exchange.sent_ns is None:
        if now_ns - exchange.begun_ns > CONNECT_TIMEOUT_S * SECOND_NS:
            return RequestError.REFUSED, f"no connection within {CONNECT_TIMEOUT_S:g} s"
    elif now_ns - exchange.sent_ns > stop.request_timeout_s * SECOND_NS:
        return RequestError.TIMEOUT, f"not ended after {stop.request_timeout_s:g} s"
    return None
