"""The sessions a workload means: made-up conversations, or a recording found on this host."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.sessions import made_up, recorded
from benchmarks.sources import NoPrompts
from matrix.errors import FleetError
from matrix.fleet import DATA
from matrix.trace import read_trace
from matrix.words import Reason
from matrix.workload import ConversationWorkload

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.sessions import Sessions
    from matrix.workload import SessionWorkload, TraceWorkload

TRACE_FOLDERS = (DATA / "traces", Path.home() / ".cache" / "inferfleet" / "traces")
"""Small recordings are committed; large ones lie on the host, named after their digest."""


def sessions_of(
    workload: SessionWorkload, token_range: tuple[int, int], traces: tuple[Path, ...]
) -> Callable[[str], Sessions]:
    """By a seed. Raises NoPrompts where the recording is not there, or is another one."""
    if isinstance(workload, ConversationWorkload):
        return partial(made_up, workload, token_range)
    try:
        trace = read_trace(find_trace(workload, traces), workload.digest)
    except FleetError as error:
        raise NoPrompts(Reason.PROMPTS_MISSING, str(error)) from None
    if workload.longest_tokens != trace.longest_tokens:
        detail = f"the longest request of {workload.trace} has {trace.longest_tokens} tokens: say so in it"
        raise NoPrompts(Reason.PROMPTS_MISSING, detail)
    return partial(recorded, trace, token_range, longest_gap_s=workload.longest_gap_s)


def find_trace(workload: TraceWorkload, folders: tuple[Path, ...]) -> Path:
    """By its digest or by its name, in the first of the folders that has it."""
    names = [f"{name}.jsonl" for name in (workload.digest, workload.trace) if name is not None]
    for path in (folder / name for folder in folders for name in names):
        if path.is_file():
            return path
    raise FleetError(f"the recording {workload.trace} is not on this host: put it into {folders[-1]} as {names[0]}")
