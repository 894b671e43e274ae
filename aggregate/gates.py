"""Rules a result must meet before its number is published. A broken rule is a sentence; null means it passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.words import Outcome, outcome_of

if TYPE_CHECKING:
    from matrix.result import Metrics, PointResult, Stats

TOLERANCE = 0.005
MOST = 1e12
"""No rate, count or time we publish is larger; float32 columns hold it, and what divides by its inverse."""
_ROUNDING = 1 + 1e-9


def arithmetic(result: PointResult, devices: int) -> str | None:
    """G1: the outcome fits its reasons and its metrics, and the metrics fit one another within 0.5 %."""
    if result.outcome is None:
        return None
    if result.outcome is not outcome_of(result.reasons):
        return f"outcome {result.outcome} does not follow from reasons {list(result.reasons)}"
    if result.metrics is None:
        return "outcome ok without metrics" if result.outcome is Outcome.OK else None
    if result.outcome is Outcome.OK and (empty := _nothing_measured(result.metrics)):
        return f"outcome ok with {empty} of 0"
    return metrics_agree(result.metrics, devices)


def _nothing_measured(metrics: Metrics) -> str | None:
    """The first of the figures that an ok result cannot have at zero."""
    needed = ("duration_s", "requests_ok", "output_tokens", "output_tok_per_s")
    return next((name for name in needed if not getattr(metrics, name)), None)


def metrics_agree(metrics: Metrics, devices: int) -> str | None:
    """The part of G1 that needs the numbers only."""
    distributions = {"ttft_s": metrics.ttft_s, "tpot_s": metrics.tpot_s, "icl_s": metrics.icl_s, "e2e_s": metrics.e2e_s}
    for name, stats in distributions.items():
        if not _ordered(stats):
            return f"{name}: not p50 <= p90 <= p99 <= max with the mean below max"
    for claim, stated, implied in _identities(metrics, devices):
        if max(abs(stated), abs(implied)) > MOST:
            return f"{claim}: {max(abs(stated), abs(implied)):.3g} is beyond anything measurable"
        if abs(stated - implied) > TOLERANCE * max(abs(stated), abs(implied)):
            return f"{claim}: {stated:.6g} is not {implied:.6g}"
    return None


def _ordered(stats: Stats) -> bool:
    return stats.p50 <= stats.p90 <= stats.p99 <= stats.max and stats.mean <= stats.max * _ROUNDING


def _identities(metrics: Metrics, devices: int) -> list[tuple[str, float, float]]:
    """(claim, stated, what it must equal). Rates need a duration, interactivity a time per token."""
    total = metrics.input_tok_per_s + metrics.output_tok_per_s
    requests = metrics.requests_ok if metrics.requests_counted is None else metrics.requests_counted
    found = [
        ("total_tok_per_s = input + output", metrics.total_tok_per_s, total),
        ("input_tok_per_s_per_gpu x devices", metrics.input_tok_per_s_per_gpu * devices, metrics.input_tok_per_s),
        ("output_tok_per_s_per_gpu x devices", metrics.output_tok_per_s_per_gpu * devices, metrics.output_tok_per_s),
        ("total_tok_per_s_per_gpu x devices", metrics.total_tok_per_s_per_gpu * devices, metrics.total_tok_per_s),
        ("input_tok_per_s x duration", metrics.input_tok_per_s * metrics.duration_s, float(metrics.input_tokens)),
        ("output_tok_per_s x duration", metrics.output_tok_per_s * metrics.duration_s, float(metrics.output_tokens)),
        ("requests_per_s x duration", metrics.requests_per_s * metrics.duration_s, requests),
    ]
    interactivity, tpot_s = metrics.interactivity_tok_per_s, metrics.tpot_s.p50
    found.append(("interactivity", interactivity, 1 / tpot_s if tpot_s > 0 else 0.0))
    return found
