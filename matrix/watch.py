"""Following runs to their end, for people: what is dispatched says nothing of how it ended.

No workflow calls this. A night lasts 12 hours and a hosted job ends after 6; a runner that only waits is paid for; and
`publish` finds finished sweeps by itself, on its own cron, with the account of every point. So there is nothing that a
watch inside `nightly` could add but a way to fail.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from matrix.dispatch import MAIN, sweep_number, sweeps_started_by
from matrix.errors import FleetError, Unanswered
from matrix.facts import Fact
from matrix.limits import QUEUE_HOURS

if TYPE_CHECKING:
    from collections.abc import Callable

    from matrix.github import GitHub
    from matrix.github_records import Run

POLL_S = 30.0
"""Two requests a minute of the 1,000 an hour that a workflow's token has; unchanged answers cost none."""

APPEARS_WITHIN_S = 600.0
"""GitHub confirms a dispatch before there is a run; one that has not come by now is not coming."""

SILENT_FOR_S = 1800.0
"""An outage that lasts longer ends the watch. The runs go on without it."""

QUEUED_FOR = timedelta(hours=QUEUE_HOURS)


class Verdict(StrEnum):
    """How a watch ended."""

    SUCCESS = "success"
    FAILED = "failed"
    DEADLINE = "deadline"


EXIT_CODES = {Verdict.SUCCESS: 0, Verdict.FAILED: 4, Verdict.DEADLINE: 5}


class Change(Fact, frozen=True, kw_only=True):
    """One thing that is different from the last look. `name` is a sweep, a run, or GitHub itself.

    `state` is GitHub's word for the run, or one of ours: `never_appeared`, `queued_too_long`, `cancelling`,
    `unanswered`, `answers_again`.
    """

    at: datetime
    name: str
    state: str
    run: int | None = None
    attempt: int | None = None
    conclusion: str | None = None
    note: str = ""


class Ended(Fact, frozen=True, kw_only=True):
    """The end of a watch: where each sweep or run stood. Of a sweep that was started twice the newest counts.

    `failed` names the jobs of those that did not succeed, where they were asked for.
    """

    verdict: Verdict
    states: dict[str, str]
    runs: dict[str, int] = {}
    failed: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to follow: the sweeps that a night should have started, or runs by id.

    `cancel_after`: from then on runs that have not ended are cancelled, gently: their `always()` jobs still upload and
    merge. They are never cancelled by force, which would lose what was measured.
    """

    until: datetime
    runs: tuple[int, ...] = ()
    night: Run | None = None
    sweeps: tuple[str, ...] = ()
    cancel_after: datetime | None = None
    every_s: float = POLL_S

    def look(self, github: GitHub) -> list[Run]:
        """The runs as they are now."""
        if self.night is None:
            return [github.run(run_id) for run_id in self.runs]
        return sweeps_started_by(self.night.id, github.runs(branch=MAIN, since=self.night.created_at))

    def name(self, run: Run) -> str:
        """What a person calls it."""
        return f"run {run.id}" if self.night is None else f"sweep {sweep_number(run)}"


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of day, for what GitHub dates; a clock that only goes forward, for how long we waited; and waiting."""

    utc: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock()


def watch(github: GitHub, asked: Asked, say: Callable[[Change], None], clock: Clock = CLOCK) -> Ended:
    """Say each change until every run has ended or `asked.until` is reached.

    `Unanswered` when GitHub is silent for longer than `SILENT_FOR_S`; any other refusal of GitHub's at once.
    """
    following = _Following(github, asked, say, clock)
    while True:
        following.look()
        if (verdict := following.verdict()) is not None:
            return following.ended(verdict)
        left_s = (asked.until - clock.utc()).total_seconds()
        if left_s <= 0:
            return following.ended(Verdict.DEADLINE)
        clock.sleep(min(max(asked.every_s, following.wait_s), left_s))


@dataclass(slots=True)
class _Following:
    """What is known of the runs, from one look to the next."""

    github: GitHub
    asked: Asked
    tell: Callable[[Change], None]
    clock: Clock
    began_s: float = field(init=False)
    runs: list[Run] = field(default_factory=list)
    told: dict[int, tuple[int, str, str | None]] = field(default_factory=dict)
    cancelled: set[tuple[int, int]] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    give_up_s: float | None = None
    wait_s: float = 0.0
    looked: bool = False

    def __post_init__(self) -> None:
        self.began_s = self.clock.monotonic_s()

    def look(self) -> None:
        """Ask once, and say what is different."""
        try:
            self.runs = self.asked.look(self.github)
        except Unanswered as error:
            self._bear(error)
            return
        self.looked, self.wait_s = True, 0.0
        if self.give_up_s is not None:
            self.give_up_s = None
            self._say("GitHub", "answers_again")
        for run in self.runs:
            state = self._state(run)
            if self.told.get(run.id) != (run.run_attempt, state, run.conclusion):
                self.told[run.id] = (run.run_attempt, state, run.conclusion)
                self._say(self.asked.name(run), state, run, note=self._note(run, state))
        self._miss()
        self._cancel()

    def states(self) -> dict[str, str]:
        """How each stands, by name; the newest run of a name counts."""
        found = dict.fromkeys(self._expected(), "not_seen") | dict.fromkeys(self.absent, "never_appeared")
        for name, run in self._newest().items():
            state = self._state(run)
            found[name] = run.conclusion or state if state == "completed" else state
        return found

    def ended(self, verdict: Verdict) -> Ended:
        runs = {name: run.id for name, run in self._newest().items()}
        return Ended(verdict=verdict, states=self.states(), runs=runs)

    def verdict(self) -> Verdict | None:
        """Null while anything may still change."""
        if not self.looked:
            return None
        newest, ends = self._newest(), self.states()
        for name, state in ends.items():
            over = name in newest and newest[name].status == "completed"
            if not over and state not in ("never_appeared", "queued_too_long"):
                return None
        return Verdict.SUCCESS if all(state == "success" for state in ends.values()) else Verdict.FAILED

    def _newest(self) -> dict[str, Run]:
        return {self.asked.name(run): run for run in sorted(self.runs, key=lambda run: run.id)}

    def _expected(self) -> list[str]:
        return [f"sweep {number}" for number in self.asked.sweeps]

    def _state(self, run: Run) -> str:
        """GitHub's word for it. A run in which nothing has begun for a day is as good as ended: GitHub will end it."""
        waits = run.status not in ("in_progress", "completed")
        return "queued_too_long" if waits and self.clock.utc() - run.attempt_began_at >= QUEUED_FOR else run.status

    def _note(self, run: Run, state: str) -> str:
        if state == "queued_too_long":
            return f"{run.status} for {QUEUE_HOURS} h, which is as long as GitHub waits for a runner"
        return "started again" if run.run_attempt > 1 and state != "completed" else ""

    def _miss(self) -> None:
        """Sweeps that should have been started and have no run."""
        seen = {self.asked.name(run) for run in self.runs}
        self.absent -= seen
        if self.clock.monotonic_s() - self.began_s < APPEARS_WITHIN_S:
            return
        for name in self._expected():
            if name not in seen | self.absent:
                self.absent.add(name)
                hint = "no run of it is there: start its workflow by hand, with the night's `plan_run`"
                self._say(name, "never_appeared", note=hint)

    def _cancel(self) -> None:
        if self.asked.cancel_after is None or self.clock.utc() < self.asked.cancel_after:
            return
        for run in self.runs:
            if run.status == "completed" or (run.id, run.run_attempt) in self.cancelled:
                continue
            try:
                self.github.cancel(run.id)
                note = f"past {self.asked.cancel_after:%Y-%m-%dT%H:%M:%SZ}"
            except Unanswered:
                continue  # with the next look
            except FleetError as error:  # it has just ended, or may not be cancelled: its next state says which
                note = str(error)
            self.cancelled.add((run.id, run.run_attempt))
            self._say(self.asked.name(run), "cancelling", run, note=note)

    def _bear(self, error: Unanswered) -> None:
        """A wait that GitHub asks for is kept, and is no part of its silence."""
        now_s, self.wait_s = self.clock.monotonic_s(), error.wait_s
        if self.give_up_s is None:
            self._say("GitHub", "unanswered", note=str(error))
        elif now_s > self.give_up_s:
            minutes = f"{SILENT_FOR_S / 60:.0f} minutes"
            raise Unanswered(
                f"no answer for {minutes}, and the runs go on unseen: watch again later. {error}"
            ) from error
        if self.give_up_s is None or error.wait_s:
            self.give_up_s = now_s + error.wait_s + SILENT_FOR_S

    def _say(self, name: str, state: str, run: Run | None = None, note: str = "") -> None:
        self.tell(
            Change(
                at=self.clock.utc(),
                name=name,
                state=state,
                run=run.id if run else None,
                attempt=run.run_attempt if run else None,
                conclusion=run.conclusion if run else None,
                note=note,
            )
        )
