"""A night's runs on the loopback GitHub while a clock of ours goes on: what is said of them, and how a watch ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from aggregate.workflow_cli import github_group
from matrix.errors import FleetError, Unanswered
from matrix.github import GitHub
from matrix.limits import QUEUE_HOURS
from matrix.patience import Patience
from matrix.shard import Shard
from matrix.watch import APPEARS_WITHIN_S, EXIT_CODES, SILENT_FOR_S, Asked, Change, Clock, Ended, Verdict, watch
from matrix.watch_commands import change_text, ended_text, jobs_text, watch_night, with_failures
from tests.act.api import REPOSITORY, TOKEN, Api, iso, serve
from tests.aggregate.builders import a_plan

BEGAN = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
NIGHT = 101
SHA = "a" * 40
Event = tuple[float, Callable[[], object]]


@dataclass
class Hours:
    """A clock that only moves when somebody sleeps; `events` happen at GitHub at their second."""

    events: list[Event] = field(default_factory=list)
    passed_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed_s += seconds
        for event in [event for event in self.events if event[0] <= self.passed_s]:
            self.events.remove(event)
            event[1]()

    def clock(self) -> Clock:
        return Clock(
            utc=lambda: BEGAN + timedelta(seconds=self.passed_s), monotonic_s=lambda: self.passed_s, sleep=self.sleep
        )


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path, with_etags=True)) as serving:
        serving.add_run(NIGHT, "nightly.yml", "nightly", sha=SHA, created_at=iso(BEGAN))
        yield serving


def github(api: Api) -> GitHub:
    asking = GitHub(api=api.url, repository=REPOSITORY, token=TOKEN, patience=Patience(sleep=lambda _: None))
    return replace(asking, kept={})


def a_run(api: Api, run_id: int, number: str = "00", **other: object) -> dict[str, object]:
    """A sweep that waits for its first job."""
    waiting = {"status": "queued", "conclusion": None, "created_at": iso(BEGAN), **other}
    api.add_run(run_id, f"sweep-{number}.yml", f"sweep {number}, planned by run {NIGHT}", sha=SHA, **waiting)
    return api.runs[-1]


def becomes(run: dict[str, object], status: str, conclusion: str | None = None, **other: object) -> Callable[[], None]:
    return lambda: run.update(status=status, conclusion=conclusion, **other)


def follow(
    api: Api, hours: Hours, *sweeps: str, until_h: float = 14.0, **other: object
) -> tuple[Ended, list[tuple[int, str, str, str | None]]]:
    """How it ended, and (second, name, state, conclusion) of what was said."""
    said: list[Change] = []
    asked = replace(Asked(until=BEGAN + timedelta(hours=until_h), night=github(api).run(NIGHT), sweeps=sweeps), **other)  # type: ignore[arg-type]
    ended = watch(github(api), asked, said.append, hours.clock())
    seconds = [int((change.at - BEGAN).total_seconds()) for change in said]
    return ended, [
        (second, change.name, change.state, change.conclusion) for second, change in zip(seconds, said, strict=True)
    ]


def test_each_change_is_said_once_and_all_that_is_unchanged_costs_nothing(api: Api) -> None:
    one, two = a_run(api, 201), a_run(api, 202, "03")
    events = [
        (60, becomes(one, "in_progress")),
        (90, becomes(two, "in_progress")),
        (600, becomes(two, "completed", "success")),
        (900, becomes(one, "completed", "success")),
    ]
    hours = Hours(list(events))
    ended, said = follow(api, hours, "00", "03")
    assert said == [
        (0, "sweep 00", "queued", None),
        (0, "sweep 03", "queued", None),
        (60, "sweep 00", "in_progress", None),
        (90, "sweep 03", "in_progress", None),
        (600, "sweep 03", "completed", "success"),
        (900, "sweep 00", "completed", "success"),
    ]
    assert (ended.verdict, ended.runs) == (Verdict.SUCCESS, {"sweep 00": 201, "sweep 03": 202})
    assert hours.slept == [30.0] * 30
    assert api.confirmed == 31 - 1 - len(events)  # every other look was answered 304


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out"])
def test_one_that_does_not_succeed_fails_the_watch_after_all_have_ended(api: Api, conclusion: str) -> None:
    one, two = a_run(api, 201), a_run(api, 202, "03")
    hours = Hours([(30, becomes(one, "completed", conclusion)), (3600, becomes(two, "completed", "success"))])
    ended, said = follow(api, hours, "00", "03")
    assert (ended.verdict, ended.states) == (Verdict.FAILED, {"sweep 00": conclusion, "sweep 03": "success"})
    assert said[-1][0] == 3600


def test_a_sweep_that_never_appears_is_named_and_costs_the_watch_only_its_verdict(api: Api) -> None:
    one = a_run(api, 201)
    hours = Hours([(7200, becomes(one, "completed", "success"))])
    ended, said = follow(api, hours, "00", "07")
    assert (int(APPEARS_WITHIN_S), "sweep 07", "never_appeared", None) in said
    assert len([line for line in said if line[1] == "sweep 07"]) == 1
    assert (ended.verdict, ended.states["sweep 07"]) == (Verdict.FAILED, "never_appeared")


def test_a_sweep_that_appears_late_is_followed_like_the_others(api: Api) -> None:
    one = a_run(api, 201)
    late = lambda: a_run(api, 202, "07", status="completed", conclusion="success")  # noqa: E731
    hours = Hours([(APPEARS_WITHIN_S + 60, late), (7200, becomes(one, "completed", "success"))])
    ended, said = follow(api, hours, "00", "07")
    assert [line[2] for line in said if line[1] == "sweep 07"] == ["never_appeared", "completed"]
    assert ended.verdict is Verdict.SUCCESS


@pytest.mark.fault(30)
def test_a_run_that_waits_a_day_is_given_up_as_github_will(api: Api) -> None:
    a_run(api, 201, status="pending")
    ended, said = follow(api, Hours(), "00", until_h=30, every_s=600.0)
    assert said[-1] == (QUEUE_HOURS * 3600, "sweep 00", "queued_too_long", None)
    assert (ended.verdict, ended.states) == (Verdict.FAILED, {"sweep 00": "queued_too_long"})


def test_a_re_run_is_another_attempt_with_a_day_of_its_own(api: Api) -> None:
    one, two = a_run(api, 201), a_run(api, 202, "03", status="in_progress")
    again = iso(BEGAN + timedelta(hours=25))
    hours = Hours(
        [
            (60, becomes(one, "completed", "failure")),
            (25 * 3600, becomes(one, "queued", run_attempt=2, run_started_at=again)),
            (26 * 3600, becomes(one, "completed", "success")),
            (26 * 3600, becomes(two, "completed", "success")),
        ]
    )
    ended, said = follow(api, hours, "00", "03", until_h=30, every_s=600.0)
    assert [line[2:] for line in said if line[1] == "sweep 00"] == [
        ("queued", None),
        ("completed", "failure"),
        ("queued", None),
        ("completed", "success"),
    ]
    assert ended.verdict is Verdict.SUCCESS


def test_of_a_sweep_that_was_started_twice_the_newest_counts(api: Api) -> None:
    a_run(api, 201, status="completed", conclusion="cancelled")
    a_run(api, 202, status="completed", conclusion="success")
    ended, said = follow(api, Hours(), "00")
    assert (ended.verdict, len(said)) == (Verdict.SUCCESS, 2)


def test_the_deadline_ends_the_watch_and_not_the_runs(api: Api) -> None:
    a_run(api, 201, status="in_progress")
    hours = Hours()
    ended, _ = follow(api, hours, "00", until_h=1.01)
    assert (ended.verdict, ended.states) == (Verdict.DEADLINE, {"sweep 00": "in_progress"})
    assert hours.passed_s == pytest.approx(3636.0)
    assert api.cancelled == []


def test_past_the_window_what_runs_is_cancelled_once_for_each_attempt(api: Api) -> None:
    one = a_run(api, 201, status="in_progress")
    a_run(api, 202, "03", status="completed", conclusion="success")
    hours = Hours(
        [
            (3700, becomes(one, "completed", "cancelled")),
            (3730, becomes(one, "in_progress", run_attempt=2)),
        ]
    )
    # a third sweep keeps the watch going until the first is started again
    three = a_run(api, 203, "04", status="in_progress")
    hours.events += [(3900, becomes(one, "completed", "cancelled")), (3900, becomes(three, "completed", "cancelled"))]
    ended, said = follow(api, hours, "00", "03", "04", cancel_after=BEGAN + timedelta(hours=1))
    assert api.cancelled == [201, 203, 201]
    assert [line[:3] for line in said if line[2] == "cancelling"] == [
        (3600, "sweep 00", "cancelling"),
        (3600, "sweep 04", "cancelling"),
        (3750, "sweep 00", "cancelling"),
    ]
    assert ended.verdict is Verdict.FAILED


def test_a_cancellation_that_comes_too_late_or_fails_for_the_moment_does_no_harm(api: Api) -> None:
    one = a_run(api, 201, status="in_progress")
    looks = iter(range(100))

    class Moody(GitHub):
        def cancel(self, run_id: int) -> None:
            if next(looks) == 0:
                raise Unanswered("busy")
            becomes(one, "completed", "success")()
            super().cancel(run_id)  # 409: it has just ended

    said: list[Change] = []
    asked = Asked(until=BEGAN + timedelta(hours=1), runs=(201,), cancel_after=BEGAN)
    asking = Moody(api=api.url, repository=REPOSITORY, token=TOKEN)
    assert watch(asking, asked, said.append, Hours().clock()).verdict is Verdict.SUCCESS
    assert [change.state for change in said] == ["in_progress", "cancelling", "completed"]
    assert "answered 409" in said[1].note


@pytest.mark.fault(67)
def test_an_api_that_fails_for_a_while_is_borne(api: Api) -> None:
    one = a_run(api, 201)
    tries = Patience().tries
    hours = Hours(
        [
            (30, lambda: api.faults.extend([(503, {}, b"down")] * (3 * tries))),
            (300, becomes(one, "completed", "success")),
        ]
    )
    ended, said = follow(api, hours, "00")
    assert [line[:3] for line in said] == [
        (0, "sweep 00", "queued"),
        (30, "GitHub", "unanswered"),
        (120, "GitHub", "answers_again"),
        (300, "sweep 00", "completed"),
    ]
    assert ended.verdict is Verdict.SUCCESS


@pytest.mark.fault(67)
def test_a_wait_that_github_asks_for_is_kept_however_long(api: Api) -> None:
    """A watch that asks on while it is limited is what GitHub bans integrations for."""
    one = a_run(api, 201)
    limited = (403, {"Retry-After": "3000"}, b'{"message": "You have exceeded a secondary rate limit."}')
    hours = Hours([(30, lambda: api.faults.append(limited)), (300, becomes(one, "completed", "success"))])
    ended, said = follow(api, hours, "00")
    assert hours.slept == [30.0, 3000.0]
    assert [line[2] for line in said] == ["queued", "unanswered", "answers_again", "completed"]
    assert ended.verdict is Verdict.SUCCESS


@pytest.mark.fault(67)
def test_an_api_that_stays_silent_ends_the_watch(api: Api) -> None:
    a_run(api, 201)
    hours = Hours([(30, lambda: api.faults.extend([(503, {}, b"down")] * 1000))])
    with pytest.raises(Unanswered, match=r"no answer for 30 minutes.*watch again later.*answered 503: down"):
        follow(api, hours, "00")
    assert hours.passed_s == pytest.approx(30 + SILENT_FOR_S + 30)


@pytest.mark.fault(59)
def test_part_of_a_list_is_no_state_of_anything(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_run(api, 201)
    answer = Api.get
    pages = iter(["whole", "cut off", "short", "twice", "whole"])

    def get(api: Api, path: str, query: dict[str, str]) -> object:
        found = answer(api, path, query)
        if path != "actions/runs" or not isinstance(found, dict):
            return found
        runs = found["workflow_runs"]
        match next(pages, "whole"):
            case "cut off":
                return json.dumps(found).encode()[:-20]
            case "short":
                return {"total_count": 7, "workflow_runs": runs if query["page"] == "1" else []}
            case "twice":
                return {"total_count": 2 * len(runs), "workflow_runs": runs + runs}
        return found

    monkeypatch.setattr(Api, "get", get)
    hours = Hours([(30, becomes(one, "completed", "success"))])
    ended, said = follow(api, hours, "00")
    assert [line[2] for line in said] == ["queued", "unanswered", "answers_again", "completed"]
    assert ended.verdict is Verdict.SUCCESS


def test_a_refusal_is_no_silence(api: Api) -> None:
    asked = Asked(until=BEGAN + timedelta(hours=1), runs=(9,))
    with pytest.raises(FleetError, match="answered 404"):
        watch(github(api), asked, print, Hours().clock())


def test_a_night_is_followed_from_its_nightly_run_to_its_last_sweep(api: Api) -> None:
    nightly = api.runs[0]
    becomes(nightly, "in_progress")()
    events: list[Event] = [
        (60, becomes(nightly, "completed", "success")),
        (120, lambda: a_run(api, 201, "02", status="completed", conclusion="success")),
        (150, lambda: a_run(api, 202, "05", status="completed", conclusion="success")),
    ]
    said: list[Change] = []
    shards = [Shard(number=2, jobs=("r0.tp1",)), Shard(number=4, jobs=()), Shard(number=5, jobs=("r1.tp1",))]
    asked = Asked(until=BEGAN + timedelta(hours=1), cancel_after=BEGAN)
    ended = watch_night(github(api), NIGHT, lambda: a_plan(jobs=2), shards, asked, said.append, Hours(events).clock())
    assert ended.verdict is Verdict.SUCCESS
    assert ended.states == {"run 101": "success", "sweep 02": "success", "sweep 05": "success"}
    assert api.cancelled == []
    assert change_text(said[0]) == "02:00:00 run 101: in_progress (run 101, attempt 1)"
    assert ended_text(ended) == "success: 3 success"


def test_the_end_names_the_jobs_that_did_not_end_well(api: Api) -> None:
    a_run(api, 201, status="completed", conclusion="failure")
    api.add_job(201, "r0.tp1", BEGAN, BEGAN, conclusion="failure")
    api.add_job(201, "r0.tp1", BEGAN, BEGAN, run_attempt=2)
    api.add_job(201, "r1.tp1", BEGAN, BEGAN, conclusion="failure", runner_name="h7")
    ended, _ = follow(api, Hours(), "00")
    told = with_failures(github(api), ended)
    assert told.failed == {"sweep 00": ("r1.tp1 (failure on h7)",)}
    assert ended_text(told) == "failed: 1 failure\n  sweep 00: failure; 1 jobs: r1.tp1 (failure on h7)"
    api.faults += [(503, {}, b"down")] * Patience().tries
    assert "unknown: " in with_failures(github(api), ended).failed["sweep 00"][0]


def command(api: Api, *args: str) -> tuple[int, list[str]]:
    options = ("--api", api.url, "--repository", REPOSITORY, "--token", TOKEN)
    done = CliRunner().invoke(github_group, [*options, *args])
    return done.exit_code, done.output.splitlines()


@pytest.mark.parametrize(
    ("conclusion", "verdict"), [("success", Verdict.SUCCESS), ("failure", Verdict.FAILED), (None, Verdict.DEADLINE)]
)
def test_the_exit_code_says_how_it_ended(api: Api, conclusion: str | None, verdict: Verdict) -> None:
    a_run(api, 201, status="completed" if conclusion else "in_progress", conclusion=conclusion)
    code, lines = command(api, "watch", "--run", "201", "--hours", "0")
    assert code == EXIT_CODES[verdict]
    assert lines[1].startswith(f"{verdict}: 1 {conclusion or 'in_progress'}")


def test_as_json_every_line_is_an_object_and_the_last_is_the_end(api: Api) -> None:
    a_run(api, 201, status="completed", conclusion="failure")
    code, lines = command(api, "watch", "--run", "201", "--run", str(NIGHT), "--json")
    *changes, end = [json.loads(line) for line in lines]
    assert code == EXIT_CODES[Verdict.FAILED]
    assert [(change["name"], change["state"]) for change in changes] == [
        ("run 201", "completed"),
        ("run 101", "completed"),
    ]
    assert (end["verdict"], end["states"]) == ("failed", {"run 101": "success", "run 201": "failure"})


def test_a_watch_follows_either_a_night_or_runs(api: Api) -> None:
    assert command(api, "watch")[0] == 2
    assert command(api, "watch", "--night", "1", "--run", "2")[0] == 2


def test_the_jobs_of_a_run_are_listed_by_attempt_with_how_long_each_waited_and_ran(api: Api) -> None:
    a_run(api, 201)
    hour = timedelta(hours=1)
    api.add_job(201, "r0.tp1 (again)", BEGAN, BEGAN + hour, run_attempt=2, conclusion="failure")
    api.add_job(201, "r0.tp1", BEGAN, BEGAN + 2 * hour, created_at=iso(BEGAN - hour))
    waiting = {"status": "queued", "conclusion": None, "runner_name": None, "completed_at": None}
    api.add_job(201, "r1.tp1", BEGAN - 3 * hour, BEGAN, **waiting)
    api.add_job(201, "r2.tp1", BEGAN - 25 * hour, BEGAN, **waiting)
    lines = jobs_text(github(api).jobs(201), BEGAN).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "attempt state waited ran runner job",
        "1 success 1:00:00 2:00:00 h1 r0.tp1",
        "1 queued 3:00:00 - - r1.tp1 (GitHub waits for a runner 21.0 h more)",
        "1 queued 25:00:00 - - r2.tp1 (queued for 24 h)",
        "2 failure 0:00:00 1:00:00 h1 r0.tp1 (again)",
    ]
    code, shown = command(api, "jobs", "201")
    assert (code, shown[1].split()[-1]) == (0, "r0.tp1")
    code, shown = command(api, "jobs", "201", "--json")
    assert {json.loads(line)["name"] for line in shown} == {"r0.tp1", "r0.tp1 (again)", "r1.tp1", "r2.tp1"}
