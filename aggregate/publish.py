"""Append a merged run to the dataset exactly once, then publish what the dataset says: files first, manifest last.

The published layer is a function of the dataset alone, so a crash anywhere is repaired by the next publish.
"""

from __future__ import annotations

import fcntl
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from aggregate import dataset, manifest
from aggregate.columns import metrics_of, missing_row
from aggregate.coverage import coverage_of
from aggregate.gates import metrics_agree
from aggregate.layer import remove_orphans, render
from aggregate.order import with_order_effects
from aggregate.read import YEARS
from aggregate.rows import Row, row_id
from aggregate.searches import child_row, most_children, step_of, steps_in
from matrix.errors import FleetError
from matrix.facts import Fact
from matrix.plan import planned_points
from matrix.words import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aggregate.merge import Merged
    from matrix.plan import Plan

PUBLISH_TRIES = 20
ATTEMPTS = range(10_000)
"""0: no runner has said anything."""
_FROM_PLAN = (
    *("run_id", "night", "tier", "git_sha", "seed", "point_id", "point_key", "series", "job_id", "recipe"),
    *("recipe_digest", "server_args_digest", "model", "gpu", "devices", "engine", "precision", "image", "layout_name"),
    *("tp", "pp", "pcp", "dp", "ep", "dp_attention", "workload", "isl", "osl", "range_ratio", "concurrency"),
    *("rate_per_s", "arrival", "burstiness", "prompts", "prompt_set", "shared_prefix_share", "prefix_groups"),
    *("power_cap_w", "isolation", "alone", "repeat", "twin_of"),
    *("search_method", "search_parent", "search_replicate"),
)


class Published(Fact, frozen=True, kw_only=True):
    """`appended` rows went into the dataset; `changed` says whether a new manifest was written. `columns_added`: an
    older version made the dataset, and this publish brought its schema up to date.
    """

    run_id: str
    appended: int
    delta_version: int
    manifest_sha256: str
    changed: bool
    columns_added: tuple[str, ...] = ()


def without_result(row: Row) -> Row:
    """The same point with nothing of what a runner said of it."""
    said = [field for field in msgspec.structs.fields(Row) if field.name not in (*_FROM_PLAN, "shard")]
    blank = {field.name: field.default for field in said if not field.required}
    return msgspec.structs.replace(row, **blank)


def publish(merged: Merged, plan: Plan, home: Path) -> Published:
    """Publish one run. A second call with the same rows changes no byte; with more artifacts it adds revisions."""
    _check(merged, plan)
    _check_account(merged)
    _not_behind(home)
    added = dataset.migrate(home)
    appended = _append_news(merged.rows, plan.run_id, home)
    with _only_publisher(home):
        made = render(home, merged.coverage)
        digest, changed = manifest.store(home, made)
        remove_orphans(home)
    return Published(
        run_id=plan.run_id,
        appended=appended,
        delta_version=made.delta_version,
        manifest_sha256=digest,
        changed=changed,
        columns_added=added,
    )


def _check(merged: Merged, plan: Plan) -> None:
    """Believe nothing of a merged file that the plan or arithmetic can tell: it has travelled."""
    planned = planned_points(plan)
    ids = [row.point_id for row in merged.rows if row.search_parent is None]
    if sorted(ids) != sorted(planned):
        odd = sorted(set(ids) ^ set(planned)) or ["one is there twice"]
        raise FleetError(f"the merged rows are not the plan's points: {odd[:3]}; merge again with this plan")
    made = Counter(row.search_parent for row in merged.rows)
    for row in merged.rows:
        job, point = planned.get(row.search_parent or row.point_id, (None, None))
        if job is None or point is None:
            raise FleetError(f"{row.point_id}: the plan has no search {row.search_parent}; merge again with this plan")
        if row.search_parent is None:
            expected = missing_row(plan, job, point, row.shard, Missing.NO_ARTIFACT)
        elif not steps_in(point, [row.point_id]) or made[point.id] > most_children(point):
            raise FleetError(f"{row.point_id}: not a measurement that {point.id} may make; merge again with this plan")
        else:
            expected = child_row(plan, job, point, step_of(row), row.shard)
        for name in _FROM_PLAN:
            if getattr(row, name) != getattr(expected, name):
                raise FleetError(f"{row.point_id}: {name} is not what the plan says; merge again with this plan")
        _check_numbers(row, is_search=point.point.search is not None and row.search_parent is None)
    for row, judged in zip(merged.rows, with_order_effects(merged.rows), strict=True):
        if row != judged:
            raise FleetError(f"{row.point_id}: not ok, for {judged.detail}; merge again with this plan")


def _check_numbers(row: Row, *, is_search: bool) -> None:
    try:
        metrics = metrics_of(row)
    except msgspec.ValidationError as error:
        raise FleetError(f"{row.point_id}: its metrics are not whole: {error}") from error
    if is_search is not (row.found_stop is not None) and (not is_search or row.outcome == "ok"):
        raise FleetError(f"{row.point_id}: ok without a finding, or a finding without a search")
    if row.outcome == "ok" and (metrics is None) is not is_search:
        raise FleetError(f"{row.point_id}: ok without metrics")
    broken = metrics_agree(metrics, row.devices) if metrics else None
    if broken:
        raise FleetError(f"{row.point_id}: {broken}")


def _check_account(merged: Merged) -> None:
    """The two files of a merge belong together, and nothing in them outranks every later attempt or breaks a clock."""
    for row in merged.rows:
        times = [when for when in (row.started_at, row.ended_at) if when is not None]
        if any(when.tzinfo is None or when.year not in YEARS for when in times):
            raise FleetError(f"{row.point_id}: a time without a zone or far from ours; merge again with this plan")
        if row.attempt not in ATTEMPTS:
            raise FleetError(f"{row.point_id}: attempt {row.attempt} is none; merge again with this plan")
    if merged.rows and merged.coverage != coverage_of(merged.rows, merged.coverage.refused):
        raise FleetError(f"run {merged.coverage.run_id}: the coverage is not that of the rows; merge again")


def _not_behind(home: Path) -> None:
    """A dataset that was lost or put back to an old copy must not become what is published."""
    last, version = manifest.load(home), dataset.version(home)
    if last is not None and version < last.delta_version:
        raise FleetError(
            f"{home / dataset.DELTA}: is at version {version}, and version {last.delta_version} is published: "
            f"restore it from a copy. To begin anew, publish to another --home"
        )


def _append_news(rows: Sequence[Row], run_id: str, home: Path) -> int:
    """Append what the dataset does not say yet; returns how many rows.

    The transaction id counts the appends of this run. Taking the next free one *before* looking at the table makes
    it a compare-and-swap: if another publisher took it meanwhile, the table has changed, and we look again.
    """
    for _ in range(PUBLISH_TRIES):
        transaction = _next_transaction(home, run_id)
        current = {row.point_id: row for row in dataset.to_rows(dataset.read_table(home, run_id=run_id))}
        stored = dataset.to_rows(dataset.to_table(rows))  # as they will read back: in single precision
        news = [new for row in stored if (new := _revision(row, current.get(row.point_id)))]
        if not news or dataset.append(home, news, transaction):
            return len(news)
    raise FleetError(f"run {run_id}: other publishers were faster {PUBLISH_TRIES} times; publish again")


def _next_transaction(home: Path, run_id: str) -> str:
    number = 1
    while dataset.is_committed(home, f"{run_id}/{number}"):
        number += 1
    return f"{run_id}/{number}"


def _revision(row: Row, current: Row | None) -> Row | None:
    """What to append for `row`, given the row that counts now; null if there is no news."""
    if current is None:
        return msgspec.structs.replace(row, revision=0, supersedes=None)
    same = msgspec.structs.replace(row, revision=current.revision, supersedes=current.supersedes, shard=current.shard)
    if same == current or not _may_replace(row, current):
        return None
    return msgspec.structs.replace(row, revision=current.revision + 1, supersedes=row_id(current))


def _may_replace(row: Row, current: Row) -> bool:
    """An artifact that has expired since, or an older attempt, takes nothing back; a doubt about the newest does."""
    if row.outcome == "missing":
        return current.outcome == "missing"
    if current.outcome in ("missing", "quarantined"):
        return True
    if row.outcome == "quarantined":
        return row.attempt >= current.attempt
    return _rank(row) >= _rank(current)


def _rank(row: Row) -> tuple[bool, bool, int]:
    return row.outcome == "ok", row.ended_at is not None, row.attempt


@contextmanager
def _only_publisher(home: Path) -> Iterator[None]:
    """One writer of `published/` at a time on this home. The kernel drops the lock when its holder dies."""
    folder = home / manifest.PUBLISHED
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
