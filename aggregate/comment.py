"""The one comment of ours on a pull request: what it changes, how to measure it, what was measured. Text, nothing else.

Numbers of the pull request, its commit, runs and hosts come from GitHub and from main's data; all other text is from
strangers and is shown as code (`aggregate.markdown`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aggregate.markdown import block, code, fitting, table
from matrix.limits import COMMENT_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matrix.pull_check import PullCheck, RecipeChange

MARKER = "<!-- inferfleet: pull request check"
PROBLEMS_CHARS, RECIPES_CHARS, BLOCKED_CHARS, SWEEPS_CHARS = 10_000, 16_000, 6_000, 22_000
"""Shares of GitHub's limit. What is left is for the sentences around them, which are ours and short."""

_SIGNS = {"+": "new", "-": "removed", "~": "changed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLine:
    """One planned point of an approved sweep; numbers are null where it has none."""

    point_id: str
    outcome: str
    reasons: str
    output_tok_per_s_per_gpu: float | None
    interactivity_tok_per_s: float | None
    ttft_s_p50: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """An approved sweep of this pull request. `problem` is why its results cannot be shown; null while it runs."""

    run: int
    host: str
    sha: str
    finished: bool
    points: tuple[PointLine, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """All there is to say. `check` is null where nothing readable was left, and `refused` says why.

    `beyond` is a changed file that is no recipe: then nothing of it can be measured before it is merged. `hosts` are
    the fleet's by GPU. `address` is the repository's.
    """

    address: str
    number: int
    sha: str
    run: int | None
    conclusion: str | None
    check: PullCheck | None
    refused: str
    beyond: str | None
    hosts: Mapping[str, Sequence[str]]
    sweeps: tuple[Swept, ...]


def marker(*parts: object) -> str:
    """A hidden first line that says from what the comment was made, so that the same need not be made again."""
    return f"{MARKER} {hashlib.sha256(repr(parts).encode()).hexdigest()[:32]} -->"


def text(first_line: str, news: News) -> str:
    """The whole comment. It fits GitHub's limit whatever the pull request says."""
    said = "\n".join([first_line, *_lines(news)]) + "\n"
    if len(said.encode()) > COMMENT_CHARS:
        raise ValueError("the shares of a comment's parts are more than the whole")
    return said


def _lines(news: News) -> Iterator[str]:
    yield f"### What this pull request changes, at commit {news.sha}"
    if news.run is None:
        yield "\nThis commit has no finished `pr check` yet."
    else:
        yield f"\n[pr check]({_run(news, news.run)}): {code(news.conclusion or 'unknown', 20)}. {_PROVISO}"
    if news.refused:
        yield f"\nIts result cannot be shown: {code(news.refused)}"
    if news.check is not None:
        yield from _checked(news.check)
        yield from _measure(news, news.check)
    yield from _sweeps(news)


_PROVISO = "*It was computed by the pull request's own code: a help for reading it, not a proof.*"


def _checked(check: PullCheck) -> Iterator[str]:
    if check.problem_count:
        shown = fitting(check.problems, PROBLEMS_CHARS)
        yield f"\n**`inferfleet check` finds {_count(check.problem_count, 'problem')}:**\n"
        yield block(shown)
        yield from _more(check.problem_count - len(shown))
    if check.stale:
        yield f"\n**Run `inferfleet render` and commit what it writes:** {code(check.stale)}"
    if check.totals is None:
        return
    if check.recipes:
        rows = fitting(
            table(("recipe", "", "points", "why histories begin anew"), map(_cells, check.recipes)), RECIPES_CHARS
        )
        yield "\n" + "\n".join(rows)
        yield from _more(check.recipe_count - (len(rows) - 2))
    else:
        yield "\nNo recipe's points change."
    points, starts, hours = check.totals.points, check.totals.starts, check.totals.gpu_hours
    yield f"\nPoints {points[0]} → {points[1]}; server starts {starts[0]} → {starts[1]};"
    yield f"GPU-hours of one pass over everything {hours[0]:,.1f} → {hours[1]:,.1f} ({hours[1] - hours[0]:+,.1f})."


_CHANGES = ("recipe", "", "points", "why histories begin anew")


def _cells(recipe: RecipeChange) -> tuple[str, ...]:
    signs = (("+", recipe.added), ("−", recipe.removed), ("~", recipe.changed))
    points = " ".join(f"{sign}{count}" for sign, count in signs if count)
    whys = "<br>".join(code(why) for why in recipe.whys)
    return code(recipe.id, 120), _SIGNS[recipe.sign], points or "0", whys


def _measure(news: News, check: PullCheck) -> Iterator[str]:
    """How to start `approve sweep`, to be copied; only hosts of main's data are named."""
    if news.beyond is not None:
        yield f"\nIt changes more than recipes ({code(news.beyond)}): it can be measured only after it is merged."
        return
    changed = [recipe for recipe in check.recipes if recipe.sign != "-"]
    blocked = [recipe for recipe in changed if recipe.blocked]
    stuck = [f"- {code(one.id, 120)} is not measured as it is now: {code(one.blocked)}" for one in blocked]
    if stuck:
        shown = fitting(stuck, BLOCKED_CHARS)
        yield "\n" + "\n".join(shown)
        yield from _more(len(stuck) - len(shown))
    gpus = sorted({recipe.gpu for recipe in changed if not recipe.blocked})
    hosts = [host for gpu in gpus for host in news.hosts.get(gpu, ())]
    if missing := [gpu for gpu in gpus if not news.hosts.get(gpu)]:
        yield f"\nNo host has {', '.join(code(gpu, 60) for gpu in missing)}."
    if not hosts:
        return
    yield "\n**To measure it before it is merged**, a maintainer who has read this commit starts"
    page = f"{news.address}/actions/workflows/approve-sweep.yml"
    yield f"[approve sweep]({page}) on one of: {', '.join(map(code, hosts))}.\n"
    command = f"gh workflow run approve-sweep.yml -f pull={news.number} -f sha={news.sha} -f host={hosts[0]}"
    yield f"```sh\n{command}\n```"


def _sweeps(news: News) -> Iterator[str]:
    if not news.sweeps:
        return
    yield "\n### Measured before it is merged"
    budget = SWEEPS_CHARS // len(news.sweeps)
    for swept in news.sweeps:
        link = f"[run {swept.run}]({_run(news, swept.run)}) on {code(swept.host, 120)}"
        older = "" if swept.sha == news.sha else f", of the earlier commit {swept.sha}"
        yield f"\n{link}{older}: {_state(swept)}"
        if swept.points and swept.sha == news.sha:
            rows = fitting(table(_HEADS, map(_numbers, swept.points)), budget)
            yield "\n" + "\n".join(rows)
            yield from _more(len(swept.points) - (len(rows) - 2))


_HEADS = ("point", "ended", "output tok/s per GPU", "tok/s per user", "median TTFT, ms")


def _state(swept: Swept) -> str:
    if not swept.finished:
        return "has not ended yet."
    if swept.problem:
        return f"its results cannot be shown: {code(swept.problem)}"
    ok = sum(point.outcome == "ok" for point in swept.points)
    return f"{_count(len(swept.points), 'point')} planned, {ok} ok, {len(swept.points) - ok} not. Never published."


def _numbers(point: PointLine) -> tuple[str, ...]:
    ended = point.outcome if point.outcome == "ok" else f"{point.outcome}: {point.reasons}"
    ttft_ms = None if point.ttft_s_p50 is None else 1000 * point.ttft_s_p50
    numbers = (point.output_tok_per_s_per_gpu, point.interactivity_tok_per_s, ttft_ms)
    return code(point.point_id, 180), code(ended, 100), *("" if one is None else f"{one:,.1f}" for one in numbers)


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"\n… and {count} more."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _run(news: News, run: int) -> str:
    return f"{news.address}/actions/runs/{run}"
