"""What `inferfleet merge`, `publish` and `verify` do; each returns the text to show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aggregate import manifest
from aggregate.coverage import read_coverage, write_coverage
from aggregate.dataset import read_table
from aggregate.frontiers import frontiers
from aggregate.history import history_of
from aggregate.merge import Merged
from aggregate.merge import merge as merge_artifacts
from aggregate.publish import publish as publish_run
from aggregate.rows import read_rows, write_rows
from aggregate.second_wave import again
from aggregate.sharing import sharing
from aggregate.site.build import build
from aggregate.terminal import frontier_text, sharing_text
from matrix.errors import FleetError, harmless
from matrix.history import write_history
from matrix.limits import RETRY_JOBS
from matrix.planfile import read_plan, write_plan
from matrix.select import EVERYTHING
from matrix.waves import as_lines, outputs, part_of

if TYPE_CHECKING:
    from pathlib import Path

    from aggregate.coverage import Coverage
    from matrix.select import Selector

ROWS, COVERAGE, HISTORY = "rows.ndjson", "coverage.json", "history.json"


def merge(plan_path: Path, artifacts: Path, out: Path, shard: str = "all") -> str:
    """Write `rows.ndjson` and `coverage.json` into `out`."""
    merged = merge_artifacts(read_plan(plan_path), artifacts, shard)
    write_rows(merged.rows, out / ROWS)
    write_coverage(merged.coverage, out / COVERAGE)
    return account(merged.coverage)


def second_wave(plan_path: Path, artifacts: Path, not_after: datetime, out: Path, labels: frozenset[str]) -> str:
    """Write the plan of a run's second wave; the step outputs that start it. Past `not_after` it is empty."""
    plan = read_plan(plan_path)
    retried = part_of(plan, ())
    if datetime.now(UTC) < not_after:
        retried = again(plan, merge_artifacts(plan, artifacts).rows)
    write_plan(retried, out)
    return as_lines(outputs(retried, labels, max_jobs=RETRY_JOBS))


def publish(plan_path: Path, merged: Path, home: Path) -> str:
    """Append what `merge` wrote to the dataset under `home`, then publish."""
    for name in (ROWS, COVERAGE):
        if not (merged / name).is_file():
            raise FleetError(f"{merged / name}: not there; run `inferfleet merge --out {merged}` first")
    found = Merged(rows=read_rows(merged / ROWS), coverage=read_coverage(merged / COVERAGE))
    done = publish_run(found, read_plan(plan_path), home)
    write_history(history_of(read_table(home)), home / manifest.PUBLISHED / HISTORY)
    what = f"{done.appended} new rows" if done.appended else "nothing new"
    if done.columns_added:
        what += f"; columns added to a dataset of an older version: {', '.join(done.columns_added)}"
    return f"run {done.run_id}: {what}; dataset version {done.delta_version}; manifest {done.manifest_sha256[:12]}"


def show_frontiers(home: Path) -> str:
    """Every frontier of the dataset, as tables."""
    return frontier_text(frontiers(read_table(home)))


def show_sharing(home: Path) -> str:
    """What sharing a server changes, recipe by recipe; those to be split by name."""
    return sharing_text(sharing(read_table(home)))


def build_site(home: Path, selector: Selector = EVERYTHING, out: Path | None = None) -> str:
    """Write the page and say where it is."""
    return f"page: {build(home, out or home / 'site', selector).resolve().as_uri()}"


def verify(home: Path) -> str:
    """Say what was checked; a bad file is a `FleetError`."""
    found = manifest.verify(home)
    rows = sum(entry.rows for entry in found.files if entry.kind == "night_parquet")
    return f"{len(found.files)} files, {len(found.runs)} runs, {rows} rows: every byte is as published"


def account(coverage: Coverage) -> str:
    """The account of a run, every point without a result by name."""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in coverage.outcomes.items()) or "none"
    published, quarantined, missing = len(coverage.published), len(coverage.quarantined), len(coverage.missing)
    lines = [
        f"{coverage.planned} planned = {published} published + {quarantined} quarantined + {missing} missing",
        f"published: {outcomes}",
    ]
    if coverage.repeats:
        repeats = ", ".join(f"{count} {outcome}" for outcome, count in coverage.repeats.items())
        lines.append(f"first points measured once more: {repeats}")
    for kind, points in (("quarantined", coverage.quarantined), ("missing", coverage.missing)):
        lines += [f"  {kind}: {one.point_id}: {one.reasons} {one.detail}".rstrip() for one in points]
    lines += [f"  not used: {one.name}: {one.reason}: {one.detail}" for one in coverage.refused]
    return harmless("\n".join(lines))
