"""The agent of a machine: fit? -> announce a runner for one job -> wait until it has ended -> again.

It holds the token and starts nothing. It writes a runner's configuration to a file; the system's service manager sees
the file, runs one job as a user who has no token, and removes the file when nothing of that job is left.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

from matrix.errors import FleetError
from runners.provision import marks
from runners.provision.hostcheck import lodgers, unfit
from runners.provision.register import register, write_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.github_runners import Registration, Runners
    from runners.provision.setup import Setup

IDLE_ENDS = 3
"""A runner that ends without having taken a job, so often in a row, means the host is broken and not GitHub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the agent looks, how long it waits after GitHub refused, and how long for a runner to be started."""

    look_s: float = 1.0
    again_s: float = 30.0
    again_at_most_s: float = 600.0
    pick_up_s: float = 120.0


PACE = Pace()
_ASKED_FOR = (signal.SIGTERM, signal.SIGINT)


class Told(Protocol):
    """Whether we were told to stop; `threading.Event` has the same form."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> bool: ...


@dataclass(slots=True, kw_only=True)
class Agent:
    """`stop` is set by a signal; the agent then takes its waiting runner back and ends."""

    runners: Runners
    setup: Setup
    labels: tuple[str, ...]
    stop: Told
    pace: Pace = PACE
    idle_ends: int = 0
    refusals: int = 0

    def serve(self) -> None:
        """Until it is stopped. A host that is drained is looked after, and gets no runner."""
        places = self.setup.site.places
        places.configuration.unlink(missing_ok=True)
        while not self.stop.is_set():
            if (mark := marks.drained(places.state)) is not None:
                self._say("drained", f"{mark.why} ({mark.by}, {mark.since})")
                self._until_undrained()
            elif self._fit() and (runner := self._announce()) is not None:
                self._one_job(runner)
        self._say("stopped", "told to stop")

    def _fit(self) -> bool:
        try:
            marks.forget(self.setup.site.places.requests)
            wrong = lodgers() + unfit(self.setup.site)
        except FleetError as error:
            wrong = [str(error)]
        if wrong:
            self._drain(f"preflight: {'; '.join(wrong)}")
        return not wrong

    def _announce(self) -> Registration | None:
        """A runner; None while GitHub will not have one: that is no fault of this host, and is tried again."""
        try:
            runner = register(self.runners, self.setup, self.labels)
        except FleetError as error:
            wait_s = min(self.pace.again_s * 2.0**self.refusals, self.pace.again_at_most_s)
            self.refusals += 1
            self._say("refused", f"next try in {wait_s:.0f} s: {error}")
            self.stop.wait(wait_s)
            return None
        self.refusals = 0
        return runner

    def _one_job(self, runner: Registration) -> None:
        places = self.setup.site.places
        write_secret(places.configuration, runner.encoded)
        self._say("waiting", f"{runner.name} waits for a job")
        taken = self._watch(runner)
        if (why := marks.refused(places.requests)) is not None:
            self._drain(f"a job's hook: {why}")
        if self.stop.is_set():
            return
        self.idle_ends = 0 if taken else self.idle_ends + 1
        if self.idle_ends >= IDLE_ENDS and marks.drained(places.state) is None:
            self._drain(f"the runner ended {IDLE_ENDS} times without taking a job; see journalctl -u inferfleet-job")

    def _watch(self, runner: Registration) -> bool:
        """Wait until the runner has ended; false if it ended by itself without having taken a job.

        A waiting runner is taken back when the host is drained or the agent stopped. One at work is left to end:
        GitHub refuses to take that one back.
        """
        places, taken, taken_back = self.setup.site.places, False, False
        late = time.monotonic() + self.pace.pick_up_s
        while places.configuration.exists():
            if not taken and marks.started(places.requests):
                taken = True
                self._say("working", f"{runner.name} runs a job")
            ignored = time.monotonic() > late and not (taken or marks.listening(places.requests))
            unwanted = self.stop.is_set() or marks.drained(places.state) is not None
            if (ignored or unwanted) and not (taken or taken_back):
                taken_back = self._take_back(runner)
            if ignored or self.stop.is_set():  # nobody is there; or the service manager ends what runs
                places.configuration.unlink(missing_ok=True)
                return not ignored
            self.stop.wait(self.pace.look_s)
        return taken or taken_back or marks.started(places.requests)

    def _take_back(self, runner: Registration) -> bool:
        """False where GitHub refuses: it has just got a job."""
        try:
            self.runners.remove(runner.id)
        except FleetError as error:
            click.echo(f"{runner.name} was not taken back: {error}", err=True)
            return False
        return True

    def _until_undrained(self) -> None:
        while marks.drained(self.setup.site.places.state) is not None and not self.stop.wait(self.pace.look_s):
            continue
        self.idle_ends = 0

    def _drain(self, why: str) -> None:
        marks.drain(self.setup.site.places.state, why, "agent")

    def _say(self, phase: str, detail: str) -> None:
        click.echo(f"{phase}: {marks.printable(detail)}")
        marks.say_state(self.setup.site.places.state, phase, detail)


class Signals:
    """SIGTERM (systemd) and SIGINT (a terminal), asked for instead of handled: no code runs at an odd moment."""

    def __init__(self) -> None:
        self._heard = False

    @contextmanager
    def kept_waiting(self) -> Iterator[None]:
        """Hold them back in this thread, whose `wait` and `is_set` then hear them."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_FOR)
        try:
            yield
        finally:
            self._heard |= signal.sigtimedwait(_ASKED_FOR, 0) is not None
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, timeout: float) -> bool:
        """At most so many seconds; true once a signal has come."""
        self._heard = self._heard or signal.sigtimedwait(_ASKED_FOR, timeout) is not None
        return self._heard
