"""Copies of this program for a while: the client's workers, and the server of its self-test."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
from contextlib import contextmanager
from typing import TYPE_CHECKING

from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableSequence, Sequence
    from multiprocessing.connection import Connection

    Pipe = Connection

STOP_S = 5.0
_context = multiprocessing.get_context("spawn")  # a fork would copy whatever threads the parent has, in any state


def shared_counters(number: int) -> MutableSequence[int]:
    """Integers that a process and those it starts all see; each has one writer, so there is no lock."""
    counters: MutableSequence[int] = _context.RawArray("q", number)
    return counters


@contextmanager
def started(function: Callable[..., None], arguments: Sequence[tuple[object, ...]]) -> Iterator[list[Pipe]]:
    """One process per tuple, running `function(*tuple, pipe)`; the pipes' other ends. All end with the block."""
    children = []
    try:
        for each in arguments:
            ours, theirs = _context.Pipe()
            process = _context.Process(target=function, args=(*each, theirs), daemon=True)
            process.start()
            theirs.close()
            children.append((process, ours))
        yield [pipe for _, pipe in children]
    finally:
        for process, _ in children:
            process.terminate()
        for process, pipe in children:
            pipe.close()
            process.join(STOP_S)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


def receive(pipe: Pipe) -> object:
    """What the process at the other end says. Raises the FleetError or OSError it says, RuntimeError if it died."""
    try:
        said: object = pipe.recv()
    except EOFError:
        raise RuntimeError("a process of the load client died: its traceback is above") from None
    if isinstance(said, FleetError | OSError):
        raise said
    return said


def wait(pipes: Sequence[Pipe], timeout_s: float) -> list[int]:
    """The places of the pipes that have something to say, or whose process is gone."""
    ready = multiprocessing.connection.wait(pipes, timeout_s)
    return [place for place, pipe in enumerate(pipes) if pipe in ready]
