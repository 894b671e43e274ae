"""Why a planned job left no artifact, from GitHub's records of it: the word for coverage, and a sentence."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from matrix.limits import QUEUE_HOURS
from matrix.waves import artifact_name
from matrix.words import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aggregate.evidence import Evidence
    from matrix.github_records import JobRecord

UPLOAD_STEP = "upload-artifact"
"""Part of the name GitHub gives to a step that uses the action."""
_NO_RUNNER_FOR = timedelta(hours=QUEUE_HOURS)


def why(job_id: str, night: Iterable[Evidence]) -> tuple[Missing, str]:
    """By the newest attempt that any of the night's sweeps made at the job."""
    found = [(attempt, record, evidence) for evidence in night for attempt, record in evidence.of(job_id)]
    if not found:
        return Missing.NO_ARTIFACT, "no finished sweep of the night has a job of this name"
    attempt, record, evidence = max(found, key=lambda one: (one[1].run_id, one[0]))
    listed = evidence.named(artifact_name(job_id, attempt))
    if listed:
        gone = all(artifact.expired for artifact in listed)
        word = Missing.EXPIRED if gone else Missing.NO_ARTIFACT
        note = "expired" if gone else "is there, but the sweep's merge has no row from it"
        return word, f"{_what(attempt, record)}; its artifact {note}"
    return word_for(record), _what(attempt, record)


def word_for(record: JobRecord) -> Missing:
    """What became of a job that left no artifact.

    A lost runner never reports how its last step ended: GitHub leaves that step open when it gives the job up.
    """
    if not record.runner_name:
        return (
            Missing.JOB_CANCELLED if record.conclusion == "cancelled" and not _starved(record) else _unstarted(record)
        )
    if any(UPLOAD_STEP in step.name and step.conclusion == "failure" for step in record.steps):
        return Missing.UPLOAD_FAILED
    if record.conclusion == "failure" and not any(step.conclusion == "failure" for step in record.steps):
        return Missing.RUNNER_LOST
    if any(step.conclusion is None for step in record.steps):
        return Missing.RUNNER_LOST
    return Missing.JOB_CANCELLED if record.conclusion in ("cancelled", "timed_out") else Missing.NO_ARTIFACT


def _unstarted(record: JobRecord) -> Missing:
    return Missing.NO_ARTIFACT if record.conclusion == "skipped" else Missing.NEVER_SCHEDULED


def _starved(record: JobRecord) -> bool:
    """GitHub ends what waited a day for a runner; it may call that cancelled."""
    if record.created_at is None or record.completed_at is None:
        return False
    return record.completed_at - record.created_at >= _NO_RUNNER_FOR


def _what(attempt: int, record: JobRecord) -> str:
    runner = f"on runner {record.runner_name}" if record.runner_name else "no runner took it"
    open_step = next((step.name for step in record.steps if step.conclusion is None), None)
    unfinished = f", step {open_step!r} never ended" if open_step and record.runner_name else ""
    return f"attempt {attempt}: job {record.id} {record.conclusion or record.status}, {runner}{unfinished}"
