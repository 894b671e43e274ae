"""The transport without the kernel's receive stamps, for TLS and for systems without epoll: an event loop's.

Stamps are user space's, so they hold the client's own delays; the row says `kernel_stamps: false`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, cast

from benchmarks.bulk import RESPONSE_END
from benchmarks.connection import READ_BYTES, resolve
from benchmarks.records import RequestError
from benchmarks.streams import CONNECT_TIMEOUT_S, Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.exchange import Exchange
    from benchmarks.records import Target
    from benchmarks.stamps import Stamper
    from benchmarks.streams import Slot


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed: at least twice as fast as asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class _Line(asyncio.Protocol):
    """One connection. It forgets its wire when it is given up, and what comes after that goes nowhere."""

    def __init__(self, wire: LoopWire, slot: Slot) -> None:
        self.wire: LoopWire | None = wire
        self.slot = slot
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's for TLS only behaves like one

    def data_received(self, data: bytes) -> None:
        if self.wire is not None:
            self.wire.on_data(self.slot, bytes(data))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.wire is not None:
            self.wire.on_lost(self.slot, exc)


class LoopWire(Streams):
    def __init__(
        self,
        target: Target,
        streams: int,
        stamper: Stamper,
        on_end: Callable[[Slot, Exchange], None],
        *,
        keep_alive: bool,
    ) -> None:
        super().__init__(streams, on_end, keep_alive=keep_alive)
        address = resolve(target.host, target.port)
        self._address = (str(address.sockaddr[0]), target.port)
        self._tls = ssl.create_default_context() if target.tls else None
        self._name = target.host if target.tls else None
        self._stamper = stamper
        self._lines: list[_Line | None] = [None] * streams
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._loop = new_loop()
        self._woken: asyncio.Future[bool] | None = None

    def close(self) -> None:
        for slot in self.slots:
            self._disconnect(slot)
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def open_all(self) -> None:
        tasks = [self._loop.create_task(self._connect(slot)) for slot in self.slots]
        self._loop.run_until_complete(asyncio.wait(tasks, timeout=CONNECT_TIMEOUT_S))
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def poll(self, timeout_s: float) -> bool:
        self._woken = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._wake, False)  # noqa: FBT003 - a callback's argument
        moved = self._loop.run_until_complete(self._woken)
        timer.cancel()
        return moved

    def _wake(self, moved: bool) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(moved)

    def on_data(self, slot: Slot, data: bytes) -> None:
        self._wake(moved=True)
        self._stamper.reads += 1
        exchange = slot.exchange
        if exchange is None or exchange.sent_ns is None:  # bytes nobody asked for
            self._disconnect(slot)
            return
        plain = exchange.plain
        exchange.add(self._stamper.stamp(None), data)
        maybe_last = data.endswith(RESPONSE_END) or not len(RESPONSE_END) <= len(data) < READ_BYTES
        if (plain or self._received(slot, exchange)) and maybe_last:
            self._may_have_ended(slot, exchange)

    def on_lost(self, slot: Slot, error: Exception | None) -> None:
        self._wake(moved=True)
        self._disconnect(slot)
        exchange = slot.exchange
        if exchange is None or exchange.sent_ns is None:
            return
        if isinstance(error, ConnectionError):
            self.fail(slot, exchange, RequestError.RESET, str(error))
        else:
            self._hung_up(slot, exchange)

    async def _connect(self, slot: Slot) -> None:
        """Raises OSError."""
        line = _Line(self, slot)
        host, port = self._address
        await self._loop.create_connection(lambda: line, host, port, ssl=self._tls, server_hostname=self._name)
        self._lines[slot.number] = line

    def _start(self, slot: Slot, exchange: Exchange) -> None:
        line = self._lines[slot.number]
        if line is None or line.transport is None or line.transport.is_closing():
            self._disconnect(slot)
            self._opening[slot.number] = self._loop.create_task(self._connect_and_send(slot, exchange))
        else:
            self._send(exchange, line.transport)

    async def _connect_and_send(self, slot: Slot, exchange: Exchange) -> None:
        try:
            await self._connect(slot)
        except OSError as error:
            self._opening.pop(slot.number, None)
            self._wake(moved=True)
            self.fail(slot, exchange, RequestError.REFUSED, str(error))
            return
        self._opening.pop(slot.number, None)
        self._start(slot, exchange)

    def _send(self, exchange: Exchange, transport: asyncio.Transport) -> None:
        exchange.sent_ns = time.monotonic_ns()
        transport.write(exchange.payload)

    def _release(self, slot: Slot) -> None:
        line = self._lines[slot.number]
        if line is None or line.transport is None or line.transport.get_write_buffer_size():
            self._disconnect(slot)

    def _disconnect(self, slot: Slot) -> None:
        task = self._opening.pop(slot.number, None)
        if task is not None:
            task.cancel()
        line = self._lines[slot.number]
        self._lines[slot.number] = None
        if line is not None:
            line.wire = None
            if line.transport is not None:
                line.transport.abort()
