"""An inference server with no model that keeps time and remembers when it did what: the truth of the self-test.

All streams' tokens leave on common ticks, as an engine's batch steps do, each in a send of its own. One thread, plain
sockets, no compiler needed; it says how late it was itself, for it shares the machine with the client.
"""

from __future__ import annotations

import heapq
import re
import select
import signal
import socket
import time
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from benchmarks.connection import CONTROL_BYTES, SO_TIMESTAMPNS, read_timespec
from benchmarks.http1 import HEAD_END
from benchmarks.stamps import wall_offset_ns

if TYPE_CHECKING:
    from benchmarks.processes import Pipe

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
REFRESH_NS = 200_000_000
IDLE_S = 0.2
READ_BYTES = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(rb"\r\nx-request-id: *(\d+)\r", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pace:
    """The first token on the first tick after `ttft_ns`, the others on the ticks after it."""

    ttft_ns: int
    itl_ns: int


@dataclass(slots=True)
class Served:
    """One request, CLOCK_MONOTONIC: when the kernel had it, and when each token was about to be sent."""

    arrived_ns: int
    sent_ns: array[int]


@dataclass(slots=True)
class Truth:
    """By request number; `late_ns` is how long after its time each token was sent."""

    requests: dict[int, Served] = field(default_factory=dict)
    late_ns: array[int] = field(default_factory=lambda: array("q"))
    cpu_s: float = 0.0


class _Body(msgspec.Struct):
    prompt: msgspec.Raw
    max_tokens: int


@dataclass(slots=True)
class _Answer:
    """What is left to say on one connection."""

    served: Served
    tokens: int
    first: bytes
    last: bytes
    usage: bytes

    def compose(self) -> bytes:
        """The next token's bytes, and with the last one everything that ends the answer."""
        said = len(self.served.sent_ns)
        token = b"%b%04x%b" % (self.first, said & 0xFFFF, self.last)
        if said == 0:
            token = HEAD + token
        return token + self.usage if said + 1 == self.tokens else token


class _Stream:
    __slots__ = ("answer", "received", "socket", "unsent")

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self.received = b""
        self.unsent = b""
        self.answer: _Answer | None = None


class PacedServer:
    """`run` serves until there is something to read on `stop_fd`; `truth` then holds what happened."""

    def __init__(self, pace: Pace, stop_fd: int, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=4096)
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self.truth = Truth()
        self._stopping = False
        self._stop_fd = stop_fd
        self._pace = pace
        self._streams: dict[int, _Stream] = {}
        self._due: dict[int, list[_Stream]] = {}
        self._times: list[int] = []
        self._offset_ns = 0
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._epoll.register(stop_fd, select.EPOLLIN)

    def close(self) -> None:
        for fd in list(self._streams):
            self._hang_up(fd)
        self._epoll.close()
        self._listener.close()

    def run(self) -> None:
        refreshed_ns = 0
        while not self._stopping:
            now_ns = time.monotonic_ns()
            if now_ns - refreshed_ns > REFRESH_NS:
                self._offset_ns, refreshed_ns = wall_offset_ns(), now_ns
            wait_s = (self._times[0] - now_ns) / 1e9 if self._times else IDLE_S
            for fd, mask in self._epoll.poll(max(0.0, min(wait_s, IDLE_S))):
                self._on_event(fd, mask)
            while self._times and self._times[0] <= time.monotonic_ns():
                self._tick(heapq.heappop(self._times))
        self.truth.cpu_s = time.thread_time()

    def _tick(self, due_ns: int) -> None:
        next_ns = due_ns + self._pace.itl_ns
        for stream in self._due.pop(due_ns):
            answer = stream.answer
            if answer is None:  # the client has gone
                continue
            data = answer.compose()
            now_ns = time.monotonic_ns()
            answer.served.sent_ns.append(now_ns)
            self.truth.late_ns.append(now_ns - due_ns)
            self._send(stream, data)
            if len(answer.served.sent_ns) == answer.tokens:
                stream.answer = None
            else:
                self._schedule(stream, next_ns)

    def _schedule(self, stream: _Stream, due_ns: int) -> None:
        if due_ns in self._due:
            self._due[due_ns].append(stream)
        else:
            self._due[due_ns] = [stream]
            heapq.heappush(self._times, due_ns)

    def _send(self, stream: _Stream, data: bytes) -> None:
        if stream.unsent:
            stream.unsent += data
            return
        try:
            sent = stream.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # the client has gone
            self._hang_up(stream.socket.fileno())
            return
        if sent < len(data):
            stream.unsent = data[sent:]
            self._epoll.modify(stream.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _on_event(self, fd: int, mask: int) -> None:
        if fd == self._stop_fd:
            self._stopping = True
            return
        if fd == self._listener.fileno():
            self._welcome()
            return
        stream = self._streams.get(fd)
        if stream is not None and mask & select.EPOLLOUT:
            unsent, stream.unsent = stream.unsent, b""
            self._epoll.modify(fd, select.EPOLLIN)
            self._send(stream, unsent)
        if stream is not None and mask & ~select.EPOLLOUT:
            self._receive(fd, stream)

    def _welcome(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except BlockingIOError:
                return
            peer.settimeout(0)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._streams[peer.fileno()] = _Stream(peer)
            self._epoll.register(peer.fileno(), select.EPOLLIN)

    def _hang_up(self, fd: int) -> None:
        stream = self._streams.pop(fd)
        stream.answer = None
        self._epoll.unregister(fd)
        stream.socket.close()

    def _receive(self, fd: int, stream: _Stream) -> None:
        try:
            data, control, _, _ = stream.socket.recvmsg(READ_BYTES, CONTROL_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(fd)
            return
        arrived_ns = time.monotonic_ns()
        if control:
            seconds, nanoseconds = read_timespec(control[0][2])
            arrived_ns = seconds * 1_000_000_000 + nanoseconds - self._offset_ns
        stream.received += data
        self._take_request(stream, arrived_ns)

    def _take_request(self, stream: _Stream, arrived_ns: int) -> None:
        """Begins the answer once the whole request is here."""
        head, end, body = stream.received.partition(HEAD_END)
        length, number = _LENGTH.search(head), _NUMBER.search(head + b"\r")
        if not end or length is None or len(body) < int(length[1]):
            return
        stream.received = b""
        served = Served(arrived_ns, array("q"))
        if number is not None:  # a warm-up's requests are no part of the truth
            self.truth.requests[int(number[1])] = served
        stream.answer = _answer_to(served, body, len(self.truth.requests))
        due_ns = arrived_ns + self._pace.ttft_ns
        self._schedule(stream, -(-due_ns // self._pace.itl_ns) * self._pace.itl_ns)


def _answer_to(served: Served, body: bytes, number: int) -> _Answer:
    asked = msgspec.json.decode(body, type=_Body)
    prompt_tokens = bytes(asked.prompt).count(b",") + 1
    before = b'data: {"id":"cmpl-%08x","object":"text_completion","model":"paced","choices":[' % number
    first = b'%b{"index":0,"text":" %x-' % (before, number)
    last = b'","logprobs":null,"finish_reason":null}],"usage":null}\n\n'
    usage = b'{"prompt_tokens":%d,"completion_tokens":%d}' % (prompt_tokens, asked.max_tokens)
    ending = _framed(b'%b],"usage":%b}\n\n' % (before, usage)) + DONE
    size = b"%x\r\n" % (len(first) + 4 + len(last))
    return _Answer(served, asked.max_tokens, size + first, last + b"\r\n", ending)


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def serve(pace: Pace, host: str, pipe: Pipe) -> None:
    """A process's whole life: says its port, serves until the parent says anything or is gone, says the truth."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = PacedServer(pace, pipe.fileno(), host)
    pipe.send(server.port)
    server.run()
    server.close()
    with suppress(BrokenPipeError):
        pipe.send(server.truth)
