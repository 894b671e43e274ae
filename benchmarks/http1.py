"""As much HTTP/1.1 as a load client needs: request bytes out, response head and body framing in.

Framing keeps, for every body byte, the stamp of the read that delivered it: that stamp is the measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _State = Callable[["Framing", bytes, list[bytes]], bytes]

MAX_HEAD_BYTES = 64 * 1024
MAX_CHUNK_LINE_BYTES = 1024
HEAD_END = b"\r\n\r\n"

Piece = tuple[int, bytes]


class StreamFault(Exception):
    """The bytes of a response break HTTP, SSE or JSON; the request they belong to has failed."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Status and headers; header names in lower case, the last of equal names wins."""

    status: int
    headers: dict[str, str]
    keeps_alive: bool
    chunked: bool
    event_stream: bool


def request_head(host: str, port: int, path: str, extra: Mapping[str, str]) -> bytes:
    """The beginning of a POST of a JSON body, open for more headers. `extra` must be free of line breaks (checked)."""
    shown = f"[{host}]" if ":" in host else host
    headers = {
        "Host": f"{shown}:{port}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        **extra,
    }
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"header {name} is not printable ASCII")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}".encode("ascii")


def parse_head(data: bytes) -> Head:
    """The head without its closing blank line."""
    first, *lines = data.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if version not in {"HTTP/1.0", "HTTP/1.1"} or not (status.isascii() and status.isdigit() and len(status) == 3):
        raise StreamFault(f"not an HTTP/1 response: {first[:80]!r}")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise StreamFault(f"header line without a colon: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    connection = headers.get("connection", "").lower()
    return Head(
        status=int(status),
        headers=headers,
        keeps_alive="close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection,
        chunked=headers.get("transfer-encoding", "").lower() == "chunked",
        event_stream=headers.get("content-type", "").lower().startswith("text/event-stream"),
    )


def _content_length(head: Head) -> int | None:
    text = head.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise StreamFault(f"content-length is {text[:40]!r}")
    return int(text)


class Framing:
    """Splits one response into head and body, read by read.

    `pieces` are the body's bytes with the stamp of the read that brought them. `done` is true once the response
    is complete; without a length or chunks only the end of the connection completes it (`at_eof`). It begins after
    `head` if somebody else has read that.
    """

    __slots__ = ("_buffer", "_left", "_state", "done", "head", "pieces")

    def __init__(self, head: Head | None = None) -> None:
        self.head: Head | None = None
        self.done = False
        self.pieces: list[Piece] = []
        self._buffer = b""
        self._left = 0
        # a plain function, not a bound method: no reference cycle to keep bytes alive while gc is off
        self._state: _State = Framing._read_head
        if head is not None:
            self._begin_body(head)

    def feed(self, stamp_ns: int, data: bytes) -> None:
        """Raises StreamFault on bytes that are not HTTP/1."""
        data = self._buffer + data if self._buffer else data
        self._buffer = b""
        taken: list[bytes] = []
        while data and not self.done:
            data = self._state(self, data, taken)
        if taken:
            self.pieces.append((stamp_ns, taken[0] if len(taken) == 1 else b"".join(taken)))

    def at_eof(self) -> bool:
        """Whether the response is complete now that the server has closed the connection."""
        return self.done or self._state is Framing._read_to_close

    # Each state takes what it can of `data` and returns the rest; b"" also when it must wait for more.

    def _read_head(self, data: bytes, _taken: list[bytes]) -> bytes:
        end = data.find(HEAD_END)
        if end < 0:
            if len(data) > MAX_HEAD_BYTES:
                raise StreamFault(f"response head longer than {MAX_HEAD_BYTES} bytes")
            self._buffer = data
            return b""
        head = parse_head(data[:end])
        rest = data[end + len(HEAD_END) :]
        if head.status < 200:  # 100 Continue and kin: the real head follows
            return rest
        self._begin_body(head)
        return rest

    def _begin_body(self, head: Head) -> None:
        self.head = head
        length = _content_length(head)
        if head.chunked:
            self._state = Framing._read_chunk_line
        elif length is not None or head.status in {204, 304}:
            self._left = length or 0
            self.done = self._left == 0
            self._state = Framing._read_length
        else:
            self._state = Framing._read_to_close

    def _read_length(self, data: bytes, taken: list[bytes]) -> bytes:
        part = data[: self._left]
        taken.append(part)
        self._left -= len(part)
        self.done = self._left == 0
        return data[len(part) :]

    def _read_to_close(self, data: bytes, taken: list[bytes]) -> bytes:
        taken.append(data)
        return b""

    def _line(self, data: bytes) -> tuple[bytes, bytes] | None:
        line, end, rest = data.partition(b"\r\n")
        if end:
            return line, rest
        if len(data) > MAX_CHUNK_LINE_BYTES:
            raise StreamFault("chunk line without an end")
        self._buffer = data
        return None

    def _read_chunk_line(self, data: bytes, _taken: list[bytes]) -> bytes:
        split = self._line(data)
        if split is None:
            return b""
        digits = split[0].partition(b";")[0].strip()
        try:
            self._left = int(digits, 16)
        except ValueError:
            raise StreamFault(f"chunk size is {digits[:40]!r}") from None
        if self._left < 0:
            raise StreamFault("negative chunk size")
        self._state = Framing._read_chunk if self._left else Framing._read_trailer
        return split[1]

    def _read_chunk(self, data: bytes, taken: list[bytes]) -> bytes:
        part = data[: self._left]
        taken.append(part)
        self._left -= len(part)
        if self._left == 0:
            self._state = Framing._read_chunk_end
        return data[len(part) :]

    def _read_chunk_end(self, data: bytes, _taken: list[bytes]) -> bytes:
        if len(data) < 2:
            self._buffer = data
            return b""
        if data[:2] != b"\r\n":
            raise StreamFault("chunk longer than its size")
        self._state = Framing._read_chunk_line
        return data[2:]

    def _read_trailer(self, data: bytes, _taken: list[bytes]) -> bytes:
        split = self._line(data)
        if split is None:
            return b""
        self.done = split[0] == b""
        return split[1]
