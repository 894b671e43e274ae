"""What a tool says of a load, in our words. None: the tool does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.perf.pacing import BUILT
from tests.perf.parity.servers import FOLDER, HOME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmarks.truth import Pair

TOKENIZER = FOLDER
PROMPT_TOKENS = 16
MODEL = "paced"


class Ask(NamedTuple):
    """One load: where, how much, and a folder for what the tool writes."""

    url: str
    streams: int
    requests: int
    tokens: int
    folder: Path


class Said(NamedTuple):
    """(median, p99) in ms. `icl` is the gap between chunks, whatever the tool calls it; `tpot` is per request."""

    ttft: Pair
    icl: Pair | None
    tpot: Pair
    e2e: Pair


class Tool(NamedTuple):
    """`argv` may write files into the folder; `read` finds there what the tool said."""

    name: str
    python: Path
    argv: Callable[[Ask], tuple[str, ...]]
    read: Callable[[Path], Said]

    @property
    def installed(self) -> bool:
        """The make target leaves a mark only where all of it went well."""
        home = self.python.parent.parent
        return (home / ".done").exists() or (home.parent / ".done").exists()


def own(name: str) -> Path:
    """The interpreter of a tool's own environment."""
    return BUILT / "tools" / name / "bin" / "python"


VLLM = HOME / "venv" / "bin" / "python"


def pair(values: Mapping[str, float], p50: str, p99: str, scale: float = 1.0) -> Pair:
    return values[p50] * scale, values[p99] * scale
