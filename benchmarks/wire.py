"""The client's connections and the bytes on them: no policy, only opening, sending, receiving and noticing the end."""

from __future__ import annotations

import select
import time
from collections import deque
from typing import TYPE_CHECKING

from benchmarks.bulk import RESPONSE_END
from benchmarks.connection import CONTROL_BYTES, READ_BYTES, Connection, read_timespec
from benchmarks.http1 import StreamFault
from benchmarks.records import RequestError
from benchmarks.schedule import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.connection import Address, Receive
    from benchmarks.exchange import Exchange
    from benchmarks.records import StopRule
    from benchmarks.stamps import Stamper

    # how to read a stream, where to put a read's stamp and its bytes, and whose they are
    _Plain = tuple[Receive, Callable[[int], None], Callable[[bytes], None], "Slot", Exchange]

CONNECT_TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
DIGEST_READS = 16
"""An answer is read through before its end once this many of its reads have piled up."""
STAMPING_S = 0.02
"""The kernel takes a moment to switch receive stamps on for the first socket that asks."""
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
        self._plain: dict[int, _Plain] = {}
        self._long: deque[Exchange] = deque()
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
        time.sleep(STAMPING_S)

    def poll(self, timeout_s: float) -> bool:
        """Handles what is ready, waiting at most `timeout_s` for something to be; whether anything was.

        The loop is what a benchmark's client spends its time in: per read of a plain answer two appends, and no calls
        of ours.
        """
        events = self._epoll.poll(timeout_s)
        plain, stamper, clock_ns = self._plain, self._stamper, time.monotonic_ns
        offset_ns, delayed = stamper.offset_ns, stamper.fresh_delays_ns.append
        for fd, mask in events:
            if mask != _OPEN or fd not in plain:
                self._on_event(fd, mask)
                continue
            receive, mark, keep, slot, exchange = plain[fd]
            try:
                data, control, _, _ = receive(READ_BYTES, CONTROL_BYTES)
            except OSError as error:
                self._on_read_error(slot, exchange, error)
                continue
            if control:
                seconds, nanoseconds = read_timespec(control[0][2])
                stamp_ns = seconds * SECOND_NS + nanoseconds - offset_ns
                delayed(clock_ns() - stamp_ns)
                mark(stamp_ns)
            else:
                mark(stamper.stamp(None))
            keep(data)
            if data.endswith(RESPONSE_END) or not len(RESPONSE_END) <= len(data) < READ_BYTES:
                self._on_plain_end(slot, exchange)
        stamper.reads += len(events)
        return bool(events)

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
        if exchange.marks:
            exchange.end_ns = exchange.marks[-1]
        if not (keep and self._keep_alive) or slot.connection is None or slot.connection.sending:
            self._disconnect(slot)
        else:
            self._plain.pop(slot.connection.fd, None)
        self._end(slot, exchange)

    def _end(self, slot: Slot, exchange: Exchange) -> None:
        slot.exchange = None
        self.in_flight -= 1
        self.moved_ns = exchange.closed_ns = time.monotonic_ns()
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
            self._plain.pop(slot.connection.fd, None)
            self._epoll.unregister(slot.connection.fd)
            slot.connection.close()
            slot.connection = None

    def _reopen(self, slot: Slot, exchange: Exchange) -> None:
        """Outside the request's clock: `sent_ns` is taken once the new connection stands."""
        why = self._connect(slot)
        if why:
            self.fail(slot, exchange, RequestError.REFUSED, why)

    def _on_event(self, fd: int, mask: int) -> None:
        slot = self._by_fd.get(fd)
        if slot is None or slot.connection is None:  # closed earlier in this batch
            return
        exchange, connection = slot.exchange, slot.connection
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
        """A read of an answer that is not known to be plain."""
        try:
            data, kernel_wall_ns = connection.read()
        except OSError as error:
            self._on_read_error(slot, exchange, error)
            return
        first = not exchange.answered
        if data:
            exchange.add(self._stamper.stamp(kernel_wall_ns), data)
        elif first:
            self.fail(slot, exchange, RequestError.RESET, "closed without an answer")
            return
        try:
            if first and exchange.begin():
                marks, parts = exchange.marks, exchange.parts
                self._plain[connection.fd] = (connection.receive, marks.append, parts.append, slot, exchange)
                self._on_plain_end(slot, exchange)
                return
        except StreamFault as fault:
            self.fail(slot, exchange, RequestError.BAD_STREAM, str(fault))
            return
        self._follow(slot, exchange, at_eof=not data)

    def _on_read_error(self, slot: Slot, exchange: Exchange, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):
            self.fail(slot, exchange, RequestError.RESET, str(error))

    def _on_plain_end(self, slot: Slot, exchange: Exchange) -> None:
        """Called for a read that may have been a plain answer's last, or brought nothing: the server hung up."""
        if not exchange.parts[-1]:
            exchange.drop_newest()
            self._follow(slot, exchange, at_eof=True)
        elif exchange.ends():
            self._finish(slot, exchange, keep=exchange.keeps_alive)
        else:
            exchange.look()
            if exchange.size > MAX_RESPONSE_BYTES:
                self._fail_large(slot, exchange)

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


def overdue(exchange: Exchange, now_ns: int, stop: StopRule) -> tuple[RequestError, str] | None:
    """The error of a request that has had all its time; None for one that may go on."""
    if exchange.sent_ns is None:
        if now_ns - exchange.begun_ns > CONNECT_TIMEOUT_S * SECOND_NS:
            return RequestError.REFUSED, f"no connection within {CONNECT_TIMEOUT_S:g} s"
    elif now_ns - exchange.sent_ns > stop.request_timeout_s * SECOND_NS:
        return RequestError.TIMEOUT, f"not ended after {stop.request_timeout_s:g} s"
    return None
