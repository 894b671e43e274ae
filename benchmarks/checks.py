"""Whether a window's numbers may be believed. Pure: a window in, reasons and one line of detail out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.records import RequestError
from matrix.words import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.records import RequestRecord, Window
    from matrix.result import ClientBudget, Metrics

MIN_ERROR_SHARE = 0.01
MAX_SHORT_SHARE = 0.001
TOKEN_SLACK = 1  # BOS or EOS, counted by some servers and not by others
MIN_DUPLICATE_TOKENS = 16
MAX_DUPLICATE_SHARE = 0.1
MAX_CLOCK_DRIFT_SHARE = 0.01
MAX_STEPPED_SHARE = 0.01  # of less, no p99 knows; one step is seen within a quarter of a second
MAX_CPU_SHARE = 0.9
MAX_STAMP_DELAY_S = 0.020
MAX_SHARED_SHARE = 0.01
MAX_LATENESS_S = 0.020
MIN_READS_FOR_P99 = 1000  # of fewer, the p99 is little else than the worst one, and a scheduler's whim
GAVE_UP_PER_STREAM = 3
MIN_CONCURRENCY_SHARE = 0.9
DETAIL_CHARS = 2000

Finding = tuple[Reason, str]


def judge(window: Window, metrics: Metrics | None, budget: ClientBudget) -> tuple[tuple[Reason, ...], str]:
    """Reasons in order of cause, the first one being what the outcome is named after; none if all is well."""
    ok = tuple(record for record in window.records if record.error is None)
    findings: list[Finding] = [
        *_clock(budget),
        *_errors(window.records, budget.asked_concurrency),
        *_no_output(metrics),
        *_token_counts(ok),
        *_lengths(ok),
        *_duplicates(ok),
    ]
    # waiting for a server that fails keeps streams empty: then an empty stream is not the client's doing
    streams_count = not any(reason is Reason.REQUEST_ERRORS for reason, _ in findings)
    findings += _client(budget, metrics, streams_count=streams_count)
    return tuple(reason for reason, _ in findings), "; ".join(detail for _, detail in findings)[:DETAIL_CHARS]


def _clock(budget: ClientBudget) -> Iterator[Finding]:
    if abs(budget.clock_drift_share) > MAX_CLOCK_DRIFT_SHARE:
        yield Reason.CLOCK_JUMP, f"wall clock moved by {budget.clock_drift_share:+.2%} of the window"
    elif (budget.stepped_share or 0.0) > MAX_STEPPED_SHARE and budget.kernel_stamps:
        yield Reason.CLOCK_JUMP, f"wall clock stepped: stamps of {budget.stepped_share:.1%} of the window may be off"


def _errors(records: Sequence[RequestRecord], streams: int) -> Iterator[Finding]:
    failed = [record for record in records if record.error is not None]
    kinds = Counter(str(record.error) for record in failed)
    if RequestError.STALLED in kinds:
        yield Reason.SERVER_STALLED, f"{kinds[RequestError.STALLED]} requests in flight when the server stopped moving"
    if failed and (len(failed) >= MIN_ERROR_SHARE * len(records) or _ended_in_failures(records, streams)):
        counts = ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())
        sample = next((f" (e.g. {_sample(record)})" for record in failed if record.detail), "")
        yield Reason.REQUEST_ERRORS, f"{len(failed)} of {len(records)} requests failed: {counts}{sample}"


def _ended_in_failures(records: Sequence[RequestRecord], streams: int) -> bool:
    """The load was given up: however many went well before, the server no longer answers."""
    last = sorted(records, key=lambda record: record.end_ns)[-GAVE_UP_PER_STREAM * streams :]
    return all(record.error is not None for record in last)


def _sample(record: RequestRecord) -> str:
    return f"{record.status}: {record.detail}" if record.status else record.detail


def _no_output(metrics: Metrics | None) -> Iterator[Finding]:
    if metrics is None or not metrics.requests_ok:
        yield Reason.NO_OUTPUT, "no request brought any output"


def _token_counts(ok: Sequence[RequestRecord]) -> Iterator[Finding]:
    """A chunk may hold several tokens or none of its text, so fewer chunks than tokens prove nothing; more do."""
    doubts = {
        "without usage": [r for r in ok if r.output_tokens is None or r.input_tokens is None],
        "whose prompt the server counted differently": [
            r for r in ok if r.input_tokens is not None and abs(r.input_tokens - r.asked_input_tokens) > TOKEN_SLACK
        ],
        "with more chunks than tokens": [
            r for r in ok if r.output_tokens is not None and r.chunks > r.output_tokens + TOKEN_SLACK
        ],
    }
    said = [f"{len(records)} requests {what}" for what, records in doubts.items() if records]
    if said:
        yield Reason.TOKEN_COUNT, ", ".join(said)


def _lengths(ok: Sequence[RequestRecord]) -> Iterator[Finding]:
    differences = [r.output_tokens - r.asked_output_tokens for r in ok if r.output_tokens is not None]
    short = sum(difference < 0 for difference in differences)
    long = sum(difference > 0 for difference in differences)
    if short > MAX_SHORT_SHARE * len(ok):
        yield Reason.SHORT_OUTPUT, f"{short} of {len(ok)} answers shorter than asked (worst {min(differences)} tokens)"
    if long:
        yield Reason.LONG_OUTPUT, f"{long} of {len(ok)} answers longer than asked (worst +{max(differences)} tokens)"


def _duplicates(ok: Sequence[RequestRecord]) -> Iterator[Finding]:
    """No two prompts of a window are equal, so equal long answers came out of a cache, or of no model at all."""
    digests = [r.text_digest for r in ok if r.text_digest and (r.output_tokens or 0) >= MIN_DUPLICATE_TOKENS]
    repeated = len(digests) - len(set(digests))
    if repeated > MAX_DUPLICATE_SHARE * len(digests):
        yield Reason.DUPLICATE_OUTPUTS, f"{repeated} of {len(digests)} answers repeat the answer to another prompt"


def _client(budget: ClientBudget, metrics: Metrics | None, *, streams_count: bool) -> Iterator[Finding]:
    said = []
    if budget.cpu_share > MAX_CPU_SHARE:
        said.append(f"{budget.cpu_share:.0%} of a core used")
    late_s = budget.stamp_delay_s_p99 or 0.0
    if late_s > MAX_STAMP_DELAY_S and budget.reads >= MIN_READS_FOR_P99:
        said.append(f"p99 of {late_s * 1000:.1f} ms from the kernel to the client")
    shared = budget.reads_with_several_events
    between_s = metrics.icl_s.mean if metrics else 0.0
    # a server may well send several events at once; a client later than the time between them makes it so
    if late_s > between_s and shared > MAX_SHARED_SHARE * budget.reads and budget.reads >= MIN_READS_FOR_P99:
        said.append(f"{shared} of {budget.reads} reads held several chunks, for it came {late_s * 1000:.1f} ms late")
    behind_s = budget.schedule_lateness_s_p99 or 0.0
    if behind_s > MAX_LATENESS_S and budget.reads >= MIN_READS_FOR_P99:
        said.append(f"p99 of {behind_s * 1000:.1f} ms behind its own schedule")
    closed = streams_count and budget.asked_requests_per_s is None
    if closed and budget.achieved_concurrency < MIN_CONCURRENCY_SHARE * budget.asked_concurrency:
        said.append(f"{budget.achieved_concurrency:.1f} requests in flight of {budget.asked_concurrency} asked")
    if said:
        yield Reason.CLIENT_SATURATED, ", ".join(said)
