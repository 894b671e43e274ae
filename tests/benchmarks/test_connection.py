from __future__ import annotations

import select
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.connection import Address, Connection, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def connected() -> Iterator[tuple[Connection, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(Address(socket.AF_INET, listener.getsockname()))
        server, _ = listener.accept()
        with server:
            assert connection.connect_error() == 0
            yield connection, server
        connection.close()


def wait_readable(connection: Connection) -> None:
    assert select.select([connection.fd], [], [], 5)[0]


def test_a_kept_connection_is_fresh_until_the_server_closes_it() -> None:
    with connected() as (connection, server):
        assert not connection.is_stale()
        server.close()
        wait_readable(connection)
        assert connection.is_stale()


def test_unasked_bytes_make_a_connection_stale() -> None:
    with connected() as (connection, server):
        server.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        wait_readable(connection)
        assert connection.is_stale()


def test_a_read_carries_the_kernels_stamp_of_its_arrival() -> None:
    with connected() as (connection, server):
        for _ in range(20):  # the kernel takes a moment to switch stamping on
            before_ns = time.time_ns()
            server.sendall(b"x")
            wait_readable(connection)
            data, stamp_ns = connection.read()
            after_ns = time.time_ns()
            if stamp_ns is not None:
                break
            time.sleep(0.05)
    assert data == b"x"
    if stamp_ns is None:
        pytest.skip("this kernel gives no receive stamps")
    assert before_ns <= stamp_ns <= after_ns


def test_a_payload_larger_than_the_socket_takes_leaves_in_parts() -> None:
    payload = bytes(range(256)) * 40_000
    with connected() as (connection, server):
        done = connection.send(payload)
        assert connection.sending is not done
        received = bytearray()
        while len(received) < len(payload):
            received += server.recv(1 << 20)
            done = connection.send_more()
        assert done
        assert not connection.sending
    assert bytes(received) == payload


def test_localhost_finds_the_family_the_server_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert resolve("localhost", port).sockaddr[:2] == ("127.0.0.1", port)


def test_a_literal_address_is_taken_as_it_is() -> None:
    assert resolve("127.0.0.1", 9) == Address(socket.AF_INET, ("127.0.0.1", 9))
