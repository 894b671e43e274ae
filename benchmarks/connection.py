"""One TCP connection under load: non-blocking, with the kernel's receive stamps where the kernel gives them."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

SO_TIMESTAMPNS = 35  # Linux, 64-bit; also the type of the control message that carries the stamp
READ_BYTES = 4096
_TIMESPEC = struct.Struct("qq")
CONTROL_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
read_timespec = _TIMESPEC.unpack
_PROBE_S = 2.0


class Address(NamedTuple):
    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


def resolve(host: str, port: int) -> Address:
    """The first address of `host` that accepts a connection, else the first of all. Raises OSError on no address."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
    if len(addresses) > 1:  # `localhost` is often ::1 first while the server listens on 127.0.0.1
        for address in addresses:
            if _accepts(address):
                return address
    return addresses[0]


def _accepts(address: Address) -> bool:
    with contextlib.suppress(OSError), socket.socket(address.family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        return probe.connect_ex(address.sockaddr) == 0
    return False


Receive = Callable[[int, int], tuple[bytes, list[tuple[int, int, bytes]], int, object]]


class Read(NamedTuple):
    """`kernel_wall_ns` is CLOCK_REALTIME, null where the kernel gave none. Empty `data` is the end of the stream."""

    data: bytes
    kernel_wall_ns: int | None


class Connection:
    """Opens at once; `connect_error` says how that went once the socket is writable.

    Raises ConnectionError if the network refuses at once, another OSError if this process may open no more sockets.
    """

    __slots__ = ("_look", "_socket", "_unsent", "connected", "fd", "receive", "used")

    def __init__(self, address: Address) -> None:
        self._socket = socket.socket(address.family, socket.SOCK_STREAM)
        self._unsent: memoryview | None = None
        self.fd = self._socket.fileno()
        self.receive: Receive = self._socket.recvmsg
        self._look = select.poll()
        self._look.register(self.fd, select.POLLIN | select.POLLRDHUP)
        self.connected = False
        self.used = False
        self._socket.settimeout(0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # no such option: reads then carry no kernel stamp, and health says so
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        error = self._socket.connect_ex(address.sockaddr)
        if error not in {0, errno.EINPROGRESS}:
            self.close()
            raise ConnectionError(error, os.strerror(error))

    def connect_error(self) -> int:
        """0 once connected, else the errno of the failed connect."""
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.connected = error == 0
        return error

    @property
    def sending(self) -> bool:
        return self._unsent is not None

    def is_stale(self) -> bool:
        """Whether the server has closed a kept connection, or sent bytes nobody asked for."""
        return bool(self._look.poll(0))

    def send(self, payload: bytes) -> bool:
        """Starts sending; True when all of it has left. Raises OSError if the connection is gone."""
        self.used = True
        try:
            sent = self._socket.send(payload)
        except BlockingIOError:
            sent = 0
        self._unsent = memoryview(payload)[sent:] if sent < len(payload) else None
        return self._unsent is None

    def send_more(self) -> bool:
        """Sends what the socket takes; True when nothing is left. Raises OSError if the connection is gone."""
        if self._unsent is None:
            return True
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if len(self._unsent):
            return False
        self._unsent = None
        return True

    def read(self) -> Read:
        """Raises BlockingIOError when there is nothing to read, OSError when the connection is gone."""
        data, control, _, _ = self._socket.recvmsg(READ_BYTES, CONTROL_BYTES)
        for level, kind, value in control:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = read_timespec(value)
                return Read(data, seconds * 1_000_000_000 + nanoseconds)
        return Read(data, None)

    def close(self) -> None:
        self._socket.close()
