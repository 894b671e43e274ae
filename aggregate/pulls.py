"""Telling a pull request what it changes: finished `pr check` runs and approved sweeps in, one comment of ours out.

Runs on `main` with a token that may write comments, so nothing of a pull request is executed, checked out or shown as
it is. Which pull request, commit and run is meant comes from GitHub alone; an artifact's bytes are bounded, read
strictly, and believed in nothing that GitHub could have told us. Every call is safe to repeat.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aggregate.bounded import Limits, read_zip
from aggregate.comment import MARKER, News, PointLine, Swept, marker, text
from aggregate.read import read_pull_check
from aggregate.rows import parse_rows
from matrix.admit import beyond_recipes
from matrix.errors import ArtifactRefused, FleetError
from matrix.plan import planned_points
from matrix.planfile import parse_plan
from matrix.pull_check import ARTIFACT, FILE
from matrix.pulls import MAIN, comments, newest_check, open_pulls, runs_of, write_comment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from aggregate.rows import Row
    from matrix.github import GitHub
    from matrix.github_records import Artifact, Pull
    from matrix.pull_check import PullCheck
    from matrix.pulls import Comment, OpenPull, PullRun

AUTHOR = "github-actions[bot]"
"""Whom GitHub says a workflow's token is. A marker in anybody else's comment is somebody's joke."""
MOST_PULLS = 40
MOST_TOLD = 10
"""Of one pass. Three passes an hour then ask for less than half of what a repository's token may: nobody who opens
pull requests can keep the night from being published."""
MOST_SWEEPS = 8
MOST_FILES_LISTED = 300
MOST_POINTS = 5000
SWEEP = "approve-sweep.yml"
TITLE = re.compile(
    r"recipes of #(?P<pull>[1-9][0-9]{0,8}) at (?P<sha>[0-9a-f]{40}) on (?P<host>[a-z0-9.-]{1,120})", re.ASCII
)
_CHECK = Limits(archive_bytes=256 << 10, directory_bytes=4096, files=4, file_bytes=256 << 10, total_bytes=256 << 10)
_MERGED = Limits(archive_bytes=16 << 20, directory_bytes=1 << 16, files=20, file_bytes=32 << 20, total_bytes=64 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`number` is the one pull request to look at again, null for all that changed `since`. `server` is the web's."""

    since: datetime
    server: str
    number: int | None = None
    author: str = AUTHOR
    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sweep:
    run: PullRun
    sha: str
    host: str


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What a comment is to be made of, and the one there is."""

    first_line: str
    check: PullRun | None
    ours: Comment | None
    sweeps: list[_Sweep]


def comment(github: GitHub, asked: Asked) -> list[str]:
    """Look at every pull request that may have news; what was done with each.

    Raises `FleetError` naming those that GitHub let us not read or write, when all others are done.
    """
    sweeps = _approved(github, asked)
    pulls = [pull for pull in open_pulls(github) if _may_have_news(pull, sweeps, asked)]
    pulls.sort(key=lambda pull: pull.number not in sweeps)  # what was approved comes first
    said = [f"{len(pulls) - MOST_PULLS} older pull requests are not looked at"] if len(pulls) > MOST_PULLS else []
    told, refused = 0, []
    for pull in pulls[:MOST_PULLS]:
        try:
            news = _look(github, pull, sweeps.get(pull.number, []), asked)
            if isinstance(news, _Fresh):
                told += 1
                done = _tell(github, pull, news, asked) if told <= MOST_TOLD else "has news; next time"
            else:
                done = news
            said.append(f"#{pull.number}: {done}")
        except FleetError as error:  # one that cannot be read must not keep the others from their news
            refused.append(f"#{pull.number}: {error}")
    if refused:
        raise FleetError("\n".join([*said, *refused]))
    return said


def _approved(github: GitHub, asked: Asked) -> dict[int, list[_Sweep]]:
    """Approved sweeps by pull request, the newest last. Main's workflow made their titles of a writer's words."""
    found: defaultdict[int, list[_Sweep]] = defaultdict(list)
    runs = runs_of(github, SWEEP, {"event": "workflow_dispatch", "branch": MAIN}, asked.since)
    for run in sorted(runs, key=lambda run: run.id):
        title = TITLE.fullmatch(run.display_title)
        if title and run.workflow == SWEEP and run.head_branch == MAIN and run.event == "workflow_dispatch":
            found[int(title["pull"])].append(_Sweep(run, title["sha"], title["host"]))
    return found


def _may_have_news(pull: OpenPull, sweeps: dict[int, list[_Sweep]], asked: Asked) -> bool:
    if asked.number is not None:
        return pull.number == asked.number
    return pull.updated_at >= asked.since or pull.number in sweeps


def _look(github: GitHub, pull: OpenPull, sweeps: list[_Sweep], asked: Asked) -> _Fresh | str:
    """What is new of a pull request, or why nothing is. Two requests."""
    check, ours = newest_check(github, pull), _ours(comments(github, pull.number), asked.author)
    if check is None and ours is None and not sweeps:
        return "its check has not ended"
    latest = sweeps[-MOST_SWEEPS:]
    seen = [_seen(sweep.run) for sweep in latest]
    first_line = marker(pull.head.sha, _seen(check), seen, sorted(asked.hosts.items()))
    if ours is not None and (ours.body or "").startswith(first_line) and asked.number is None:
        return "nothing new"
    return _Fresh(first_line, check, ours, latest)


def _tell(github: GitHub, pull: OpenPull, fresh: _Fresh, asked: Asked) -> str:
    now = github.pull(pull.number)
    if now.state != "open" or now.head.sha != pull.head.sha:
        return "it has moved on; next time"
    body = text(fresh.first_line, _news(github, now, fresh.check, fresh.sweeps, asked))
    if fresh.ours is not None and fresh.ours.body == body:
        return "nothing new"
    if (then := github.pull(pull.number)) != now:  # a push between our reading and our writing
        return f"it has moved on to {then.head.sha}; next time"
    write_comment(github, pull.number, body, fresh.ours)
    return "commented" if fresh.ours is None else "comment renewed"


def _ours(found: list[Comment], author: str) -> Comment | None:
    ours = [one for one in found if one.user and one.user.login == author and (one.body or "").startswith(MARKER)]
    return min(ours, key=lambda one: one.id, default=None)


def _seen(run: PullRun | None) -> tuple[int, int, str] | None:
    return None if run is None else (run.id, run.run_attempt, run.status)


def _news(github: GitHub, pull: Pull, check: PullRun | None, sweeps: list[_Sweep], asked: Asked) -> News:
    found, refused = (None, "") if check is None else _check(github, check)
    return News(
        address=f"{asked.server.rstrip('/')}/{github.repository}",
        number=pull.number,
        sha=pull.head.sha,
        run=None if check is None else check.id,
        conclusion=None if check is None else check.conclusion,
        check=found,
        refused=refused,
        beyond=_beyond(github, pull) if found else None,
        hosts=asked.hosts,
        sweeps=tuple(_swept(github, sweep) for sweep in sweeps),
    )


def _beyond(github: GitHub, pull: Pull) -> str | None:
    if pull.changed_files > MOST_FILES_LISTED:
        return f"{pull.changed_files} files"
    return beyond_recipes(github.changed_files(pull))


def _check(github: GitHub, run: PullRun) -> tuple[PullCheck | None, str]:
    """The record a `pr check` left, or why it is not read: that may be the author's doing, so it is news, no error."""
    try:
        files = _artifact(github, run, ARTIFACT, _CHECK)
        return (read_pull_check(files[FILE]), "") if FILE in files else (None, f"its artifact has no {FILE}")
    except ArtifactRefused as error:
        return None, str(error)


def _swept(github: GitHub, sweep: _Sweep) -> Swept:
    finished = sweep.run.status == "completed"
    points: tuple[PointLine, ...] = ()
    problem = ""
    if finished:
        try:
            points = _points(_artifact(github, sweep.run, "merged", _MERGED), sweep.run)
        except ArtifactRefused as error:
            problem = str(error)
    return Swept(run=sweep.run.id, host=sweep.host, sha=sweep.sha, finished=finished, points=points, problem=problem)


def _points(files: Mapping[str, bytes], run: PullRun) -> tuple[PointLine, ...]:
    """A line for every planned point, in order; one that no row speaks of is missing."""
    if missing := {"plan.json", "rows.ndjson"} - files.keys():
        raise ArtifactRefused(f"its artifact has no {min(missing)}")
    try:
        plan = parse_plan(files["plan.json"], "plan.json")
        rows = {row.point_id: row for row in parse_rows(files["rows.ndjson"], "rows.ndjson")}
    except (FleetError, RecursionError) as error:
        raise ArtifactRefused(str(error)) from error
    planned = planned_points(plan)
    if plan.git_sha != run.head_sha:
        raise ArtifactRefused("its plan was not made by the commit of main that ran it")
    if len(planned) > MOST_POINTS or rows.keys() - planned.keys():
        raise ArtifactRefused("it speaks of points that were not planned")
    return tuple(_line(name, rows.get(name)) for name in sorted(planned))


def _line(name: str, row: Row | None) -> PointLine:
    if row is None:
        return PointLine(
            point_id=name, outcome="missing", reasons="no row", output_tok_per_s_per_gpu=None,
            interactivity_tok_per_s=None, ttft_s_p50=None,
        )  # fmt: skip
    return PointLine(
        point_id=name,
        outcome=row.outcome,
        reasons=row.reasons,
        output_tok_per_s_per_gpu=row.output_tok_per_s_per_gpu,
        interactivity_tok_per_s=row.interactivity_tok_per_s,
        ttft_s_p50=row.ttft_s_p50,
    )


def _artifact(github: GitHub, run: PullRun, name: str, limits: Limits) -> Mapping[str, bytes]:
    found: list[Artifact] = [one for one in github.artifacts(run.id) if one.name == name and not one.expired]
    if not found:
        raise ArtifactRefused(f"it left no artifact {name}")
    newest = max(found, key=lambda one: one.id)
    if newest.size_in_bytes > limits.archive_bytes:
        raise ArtifactRefused(f"its artifact has {newest.size_in_bytes} bytes, more than {limits.archive_bytes}")
    return read_zip(io.BytesIO(github.download(newest, limits.archive_bytes)), limits)
