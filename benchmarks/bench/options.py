"""What a person asks of `inferfleet bench`, and what it reports."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from benchmarks.session_metrics import TurnStats
from matrix.facts import Fact
from matrix.point import Load
from matrix.result import ClientBudget, Metrics
from matrix.search import Seek
from matrix.slo import Slo
from matrix.words import Reason
from matrix.workload import Workload

REPORT_SCHEMA = 1


class Outputs(Fact, frozen=True, kw_only=True):
    """Files to write; null for none."""

    json: Path | None = None
    vllm_json: Path | None = None
    plot: Path | None = None


class BenchOptions(Fact, frozen=True, kw_only=True):
    """No request starts after `seconds`, and no more than `requests` do.

    `token_ids` is the half-open range of ordinary token ids to draw prompts from. Without it they are made of words
    that the server's own `/tokenize` says are one token each; `text` goes without that too, and lengths are rough.
    `trace` and `reference` are the files of workloads that need one.
    With a `search` the load is its first, and every load of it is measured like this.
    """

    url: str
    load: Load
    workload: Workload
    trace: Path | None = None
    seconds: float
    requests: int | None = None
    warmup_requests_per_stream: int = 1
    model: str | None = None
    token_ids: tuple[int, int] | None = None
    reference: Path | None = None
    text: bool = False
    chat: bool = False
    keep_alive: bool = True
    seed: str
    api_key_env: str | None = None
    slo: Slo | None = None
    search: Seek | None = None


class BenchReport(Fact, frozen=True, kw_only=True):
    """`metrics` null: no request brought output. `reasons` say why the numbers should not be believed.

    `abandoned` requests were in flight when it was interrupted; they are in no number. `notes` say what the server
    could not be asked. `turns` are those of sessions, by their place.
    """

    schema_version: int = REPORT_SCHEMA
    tool: str
    url: str
    model: str
    started_at: datetime
    load: Load
    workload: Workload
    seed: str
    metrics: Metrics | None
    client: ClientBudget
    errors: dict[str, int]
    reasons: tuple[Reason, ...]
    detail: str
    interrupted: bool
    abandoned: int
    notes: tuple[str, ...]
    turns: tuple[TurnStats, ...] = ()
