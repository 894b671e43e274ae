"""What a workload sends: prompts that stand alone, made-up conversations, or a recording found on this host."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.prompts import random_prompts
from benchmarks.sessions import made_up, recorded
from matrix.errors import FleetError
from matrix.facts import ConversationWorkload, TraceWorkload
from matrix.fleet import DATA
from matrix.trace import read_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.records import Prompt
    from benchmarks.sessions import Sessions
    from matrix.facts import Workload

    # of a seed
    Source = Callable[[str], Iterator[Prompt] | Sessions]

TRACE_FOLDERS = (DATA / "traces", Path.home() / ".cache" / "inferfleet" / "traces")
"""Small recordings are committed; large ones lie on the host, named after their digest."""


def source_of(workload: Workload, token_range: tuple[int, int], traces: tuple[Path, ...]) -> Source:
    """Raises FleetError where the recording is not there, or is another one."""
    if isinstance(workload, TraceWorkload):
        trace = read_trace(find_trace(workload, traces), workload.digest)
        if workload.longest_tokens != trace.longest_tokens:
            raise FleetError(f"the longest request of {workload.trace} has {trace.longest_tokens} tokens: say so in it")
        return partial(recorded, trace, token_range, longest_gap_s=workload.longest_gap_s)
    if isinstance(workload, ConversationWorkload):
        return partial(made_up, workload, token_range)
    return partial(random_prompts, workload, token_range)


def find_trace(workload: TraceWorkload, folders: tuple[Path, ...]) -> Path:
    """By its digest or by its name, in the first of the folders that has it."""
    names = [f"{name}.jsonl" for name in (workload.digest, workload.trace) if name is not None]
    for path in (folder / name for folder in folders for name in names):
        if path.is_file():
            return path
    raise FleetError(f"the recording {workload.trace} is not on this host: put it into {folders[-1]} as {names[0]}")
