"""How a signal ends a job: at once while it waits for a server, at the next look while a load is running."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


class CancelledError(BaseException):
    """The job was told to stop. Not an Exception: nothing but the job itself may catch it."""


class Cancel:
    """A signal handler for SIGINT and SIGTERM. The first is heard, those after it leave the clean-up its time."""

    def __init__(self) -> None:
        self._asked = False
        self._deferred = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self._asked = True
        if not self._deferred:
            raise CancelledError

    def check(self) -> None:
        """Raises CancelledError if a signal has come."""
        if self._asked:
            raise CancelledError

    @contextmanager
    def deferred(self) -> Iterator[Callable[[], None]]:
        """For code whose book-keeping an exception between two lines would break, or whose event loop would swallow it.

        It is given `check`, to call where stopping is safe. A signal that no check has seen raises at the end.
        """
        self._deferred = True
        try:
            yield self.check
        finally:
            self._deferred = False
        self.check()

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
