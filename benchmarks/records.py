"""The client's seam: prompts and a load go in, `RequestRecord`s come out. Any client that keeps it can serve.

All `*_ns` stamps are CLOCK_MONOTONIC nanoseconds of this host; only their differences mean anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from matrix.dialect import Dialect
from matrix.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.sessions import Sessions
    from matrix.point import Load


class RequestError(StrEnum):
    """Why one request failed. Counted by kind; never retried inside a measurement."""

    REFUSED = "refused"
    RESET = "reset"
    HTTP_STATUS = "http_status"
    BAD_STREAM = "bad_stream"
    TRUNCATED_STREAM = "truncated_stream"
    TIMEOUT = "timeout"
    STALLED = "stalled"


class Prompt(Fact, frozen=True, kw_only=True):
    """One request to make: ordinary token ids in, exactly `output_tokens` tokens asked back.

    `text` is what the ids spell, for an engine whose dialect takes no ids; `template_tokens` is what its chat template
    adds to them. `messages` are the text cut into a conversation's, the user's first, then by turns.
    """

    token_ids: tuple[int, ...]
    output_tokens: int
    text: str | None = None
    template_tokens: int = 0
    messages: tuple[str, ...] = ()


class TurnOf(Fact, frozen=True, kw_only=True):
    """Which turn (from 0) of which session a request was, and of how many."""

    session: int
    turn: int
    turns: int


class RequestRecord(Fact, frozen=True, kw_only=True):
    """One request as the client saw it.

    `sent_ns` is taken at `send()` on a connected socket; `first_ns`/`last_ns` are the first and last
    content-bearing chunks; `end_ns` the last byte. Token counts are the server's `usage`, null if it sent none.
    `chunk_ns` holds every content stamp until the metrics are computed, in an `array` (8 bytes each); artifacts keep
    it for a sample only.
    `text_digest` tells equal answers apart from different ones without keeping them.
    `scheduled_ns` is when an open loop meant to send it, or when a session's later turn was due; else null.
    `cached_tokens` are those of the prompt that the server says it had in a cache.
    """

    index: int
    asked_input_tokens: int
    asked_output_tokens: int
    sent_ns: int
    end_ns: int
    first_ns: int | None = None
    last_ns: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    chunks: int = 0
    worst_gap_ns: int = 0
    chunk_ns: Sequence[int] = ()
    text_digest: str = ""
    error: RequestError | None = None
    status: int | None = None
    detail: str = ""
    scheduled_ns: int | None = None
    cached_tokens: int | None = None
    turn_of: TurnOf | None = None


class ClientHealth(Fact, frozen=True, kw_only=True):
    """What the client knows of its own lateness over one window; `matrix.result.ClientBudget` is made from it.

    `stamp_delay_ns` are user-minus-kernel receive stamps, one per read, thinned evenly above 2**18; empty without
    kernel stamps. `cpu_s` leaves out the waiting for a schedule that spins. `schedule_lateness_ns` are sent-minus-
    scheduled of an open loop's requests, but for the `held_requests` that were due while every stream was busy.
    With several `workers`, counts are sums, and `cpu_s`, drift and `stepped_s` (how much of the window has stamps that
    a step of the wall clock may have put off) are those of the worst.
    """

    kernel_stamps: bool
    stamp_delay_ns: Sequence[int]
    cpu_s: float
    reads: int
    reads_with_several_events: int
    wall_clock_drift_s: float
    schedule_lateness_ns: Sequence[int] = ()
    held_requests: int = 0
    workers: int = 1
    stepped_s: float = 0.0


class Window(Fact, frozen=True, kw_only=True):
    """One finished load: every request that was sent, and the clock around them.

    It begins when the first of them was sent. Until `warm_end_ns` requests of the warm-up were in flight beside them
    (null without one): those are `beside`, numbered apart, and count for what the server did and for nothing else.
    `joined_ns`: when the last of several workers began. `abandoned` were in flight when the load was interrupted, and
    have no record.
    """

    start_ns: int
    end_ns: int
    records: tuple[RequestRecord, ...]
    health: ClientHealth
    warm_end_ns: int | None = None
    beside: tuple[RequestRecord, ...] = ()
    joined_ns: int | None = None
    abandoned: int = 0


class Target(Fact, frozen=True, kw_only=True):
    """The server under load. `api_key_env` names the environment variable that holds a key, if any."""

    host: str
    port: int
    model: str
    dialect: Dialect
    api_key_env: str | None = None
    tls: bool = False


class StopRule(Fact, frozen=True, kw_only=True):
    """No new request starts once `min_s` and `min_requests` are both reached, or at `max_s`; those in flight end.

    `min_requests` have ended by then, and up to one a stream more are under way: `max_requests` is how many may start.

    A request in flight `request_timeout_s` after it was sent fails as `timeout`; when no in-flight request
    has moved for `stall_s` all of them fail as `stalled`.
    """

    min_s: float
    max_s: float
    min_requests: int
    max_requests: int | None = None
    request_timeout_s: float = 1200.0
    stall_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """Requests before the window, on the same streams at the same load, until `requests` have ended or for `max_s`.

    They leave no record, but for those in flight when the window begins: these end `beside` it.
    """

    prompts: Iterator[Prompt] | Sessions
    requests: int
    max_s: float
    on_progress: Callable[[int, float], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """`seed` draws an open loop's schedule. `on_record` is told of each request when it has been parsed;
    `stop_now` is asked a few times a second, and True ends the load at once, with what was measured. `workers` is how
    many processes to spread the load over, null for as many as it plausibly needs; with several, `on_record` is told
    of everything at the end.
    """

    warmup: Warmup | None = None
    seed: str = ""
    on_record: Callable[[RequestRecord], None] | None = None
    stop_now: Callable[[], bool] | None = None
    workers: int | None = None


NO_OPTIONS = LoadOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadJob:
    """All that one call of a client is asked to do. Of sessions, the load says how many are held, or begin a second."""

    target: Target
    prompts: Iterator[Prompt] | Sessions
    load: Load
    stop: StopRule
    options: LoadOptions


class Client(Protocol):
    """`benchmarks.client.run_load` is the one implementation."""

    def __call__(
        self,
        target: Target,
        prompts: Iterator[Prompt] | Sessions,
        load: Load,
        stop: StopRule,
        on_progress: Callable[[int, float], None] | None = None,
        options: LoadOptions = NO_OPTIONS,
    ) -> Window:
        """`on_progress(requests_done, elapsed_s)` is called a few times a second, outside the timed reads."""
        ...
