"""The client's transport: raw non-blocking sockets, epoll, and the kernel's receive stamps."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from benchmarks.bulk import RESPONSE_END
from benchmarks.connection import CONTROL_BYTES, READ_BYTES, Connection, read_timespec
from benchmarks.records import RequestError
from benchmarks.streams import CONNECT_TIMEOUT_S, Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.connection import Address, Receive
    from benchmarks.exchange import Exchange
    from benchmarks.stamps import Stamper
    from benchmarks.streams import Slot

    # how to read a stream, where to put a read's stamp and its bytes, and whose they are
    _Plain = tuple[Receive, Callable[[int], None], Callable[[bytes], None], Slot, Exchange]

STAMPING_S = 0.02
"""The kernel takes a moment to switch receive stamps on for the first socket that asks."""
MANY_STREAMS = 64
SAMPLED = 7
"""With many streams, the delay of their reads is taken from every eighth: those whose number has none of these bits."""
_OPEN = select.EPOLLIN
_OPENING = select.EPOLLIN | select.EPOLLOUT
_POLL_S = 0.25


class Wire(Streams):
    """For each slot one TCP connection, kept from request to request where that is allowed."""

    def __init__(
        self,
        address: Address,
        streams: int,
        stamper: Stamper,
        on_end: Callable[[Slot, Exchange], None],
        *,
        keep_alive: bool,
    ) -> None:
        super().__init__(streams, on_end, keep_alive=keep_alive)
        self._address = address
        self._stamper = stamper
        self._connections: list[Connection | None] = [None] * streams
        self._by_fd: dict[int, Slot] = {}
        self._plain: dict[int, _Plain] = {}
        self._epoll = select.epoll()
        self._sampled = 0 if streams < MANY_STREAMS else SAMPLED

    def close(self) -> None:
        """Trusts no bookkeeping: an interrupt may have cut `_disconnect` in two, and must come out as what it is."""
        self._epoll.close()
        for connection in self._connections:
            if connection is not None:
                connection.close()

    def open_all(self) -> None:
        for slot in self.slots:
            self._connect(slot)
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while time.monotonic() < deadline_s and any(one and not one.connected for one in self._connections):
            for fd, _ in self._epoll.poll(_POLL_S):
                slot = self._by_fd[fd]
                connection = self._connections[slot.number]
                if connection is not None and connection.connect_error():
                    self._disconnect(slot)
                else:
                    self._epoll.modify(fd, _OPEN)
        time.sleep(STAMPING_S)

    def poll(self, timeout_s: float) -> bool:
        """The loop that a benchmark's client spends its time in: per read of a plain answer, two appends."""
        events = self._epoll.poll(timeout_s)
        plain, stamper, clock_ns, sampled = self._plain, self._stamper, time.monotonic_ns, self._sampled
        offset_ns, delayed = stamper.offset_ns, stamper.fresh_delays_ns.append
        for fd, mask in events:
            known = plain.get(fd)
            if known is None or mask != _OPEN:
                self._on_event(fd, mask)
                continue
            receive, mark, keep, slot, exchange = known
            try:
                data, control, _, _ = receive(READ_BYTES, CONTROL_BYTES)
            except OSError as error:
                self._on_read_error(slot, exchange, error)
                continue
            if control:
                seconds, nanoseconds = read_timespec(control[0][2])
                stamp_ns = seconds * 1_000_000_000 + nanoseconds - offset_ns
                mark(stamp_ns)
                if not fd & sampled:
                    delayed(clock_ns() - stamp_ns)
            elif data:
                mark(stamper.stamp(None))
            else:  # the end of a stream has no stamp
                self._hung_up(slot, exchange)
                continue
            keep(data)
            if data.endswith(RESPONSE_END) or not 5 <= len(data) < READ_BYTES:
                self._may_have_ended(slot, exchange)
        stamper.reads += len(events)
        return bool(events)

    def _start(self, slot: Slot, exchange: Exchange) -> None:
        connection = self._connections[slot.number]
        if connection is None or not connection.connected or connection.is_stale():
            self._reopen(slot, exchange)
        else:
            self._send(slot, exchange, connection)

    def _release(self, slot: Slot) -> None:
        connection = self._connections[slot.number]
        if connection is None or connection.sending:
            self._disconnect(slot)
        else:
            self._plain.pop(connection.fd, None)

    def _connect(self, slot: Slot) -> str:
        """Starts a fresh connection; returns why it could not, or nothing."""
        self._disconnect(slot)
        try:
            connection = Connection(self._address)
        except ConnectionError as error:
            return str(error)
        self._connections[slot.number] = connection
        self._by_fd[connection.fd] = slot
        self._epoll.register(connection.fd, _OPENING)
        return ""

    def _disconnect(self, slot: Slot) -> None:
        connection = self._connections[slot.number]
        if connection is not None:
            del self._by_fd[connection.fd]
            self._plain.pop(connection.fd, None)
            self._epoll.unregister(connection.fd)
            connection.close()
            self._connections[slot.number] = None

    def _reopen(self, slot: Slot, exchange: Exchange) -> None:
        """Outside the request's clock: `sent_ns` is taken once the new connection stands."""
        why = self._connect(slot)
        if why:
            self.fail(slot, exchange, RequestError.REFUSED, why)

    def _on_event(self, fd: int, mask: int) -> None:
        slot = self._by_fd.get(fd)
        connection = self._connections[slot.number] if slot else None
        if slot is None or connection is None:  # closed earlier in this batch
            return
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
        """A read of an answer that is not known to be plain."""
        try:
            data, kernel_wall_ns = connection.read()
        except OSError as error:
            self._on_read_error(slot, exchange, error)
            return
        if not data:
            self._hung_up(slot, exchange)
            return
        exchange.add(self._stamper.stamp(kernel_wall_ns), data)
        if self._received(slot, exchange):
            marks, parts = exchange.marks, exchange.parts
            self._plain[connection.fd] = (connection.receive, marks.append, parts.append, slot, exchange)
            self._may_have_ended(slot, exchange)

    def _on_read_error(self, slot: Slot, exchange: Exchange, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):
            self.fail(slot, exchange, RequestError.RESET, str(error))
