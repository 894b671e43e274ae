"""Numbers that contradict one another are not published."""

from __future__ import annotations

import msgspec
import pytest

from aggregate.gates import arithmetic, metrics_agree
from matrix.result import PointResult
from matrix.words import Outcome, Reason
from tests.aggregate.builders import a_plan, a_result, some_metrics

GOOD = some_metrics()


def test_numbers_that_agree_pass_also_on_many_devices() -> None:
    assert metrics_agree(GOOD, 1) is None
    assert metrics_agree(some_metrics(devices=8), 8) is None


@pytest.mark.parametrize(
    "name",
    [
        "duration_s",
        "input_tokens",
        "output_tokens",
        "requests_ok",
        "requests_per_s",
        "input_tok_per_s",
        "output_tok_per_s",
        "total_tok_per_s",
        "input_tok_per_s_per_gpu",
        "output_tok_per_s_per_gpu",
        "total_tok_per_s_per_gpu",
        "interactivity_tok_per_s",
    ],
)
def test_every_number_is_held_to_another_within_half_a_percent(name: str) -> None:
    value = getattr(GOOD, name)
    far = value + 1 if name == "requests_ok" else type(value)(value * 1.02)
    assert metrics_agree(msgspec.structs.replace(GOOD, **{name: far}), 1) is not None


def test_requests_that_were_cut_count_by_their_share() -> None:
    shares = msgspec.structs.replace(GOOD, requests_ok=70, requests_counted=64.0)
    assert metrics_agree(shares, 1) is None
    assert metrics_agree(msgspec.structs.replace(shares, requests_counted=66.0), 1) is not None


@pytest.mark.parametrize("change", [{"p50": 1.0}, {"p90": 0.9}, {"p99": 0.8}, {"max": 0.01}, {"mean": 0.9}])
@pytest.mark.parametrize("name", ["ttft_s", "icl_s", "e2e_s"])
def test_percentiles_must_be_in_order_with_the_mean_below_the_maximum(name: str, change: dict[str, float]) -> None:
    scaled = {statistic: value * 10 for statistic, value in change.items() if statistic != "max"} or change
    broken = msgspec.structs.replace(getattr(GOOD, name), **scaled)
    assert metrics_agree(msgspec.structs.replace(GOOD, **{name: broken}), 1) == (
        f"{name}: not p50 <= p90 <= p99 <= max with the mean below max"
    )


def test_a_window_of_single_tokens_has_no_time_per_token_and_no_interactivity() -> None:
    none = msgspec.structs.replace(GOOD.tpot_s, mean=0.0, p50=0.0, p90=0.0, p99=0.0, max=0.0, n=0)
    assert metrics_agree(msgspec.structs.replace(GOOD, tpot_s=none, interactivity_tok_per_s=0.0), 1) is None


def whole() -> PointResult:
    plan = a_plan()
    return a_result(plan, plan.jobs[0], plan.jobs[0].points[0])


def test_an_outcome_follows_from_its_reasons() -> None:
    replace = msgspec.structs.replace
    assert arithmetic(whole(), 1) is None
    for outcome, reasons in (
        (Outcome.OK, (Reason.SHORT_OUTPUT,)),
        (Outcome.INVALID, ()),
        (Outcome.INVALID, (Reason.SERVER_EXITED,)),
        (Outcome.RECIPE_FAILED, (Reason.SHORT_OUTPUT, Reason.SERVER_EXITED)),
    ):
        said = arithmetic(replace(whole(), outcome=outcome, reasons=reasons), 1)
        assert said is not None
        assert f"outcome {outcome} does not follow from reasons" in said


@pytest.mark.parametrize("name", ["requests_ok", "output_tokens"])
def test_an_ok_result_has_measured_something(name: str) -> None:
    """All that is derived from it is zero too, so that the numbers agree with one another."""
    zero = {
        "requests_ok": {"requests_ok": 0, "requests_per_s": 0.0},
        "output_tokens": {
            "output_tokens": 0,
            **dict.fromkeys(("output_tok_per_s", "output_tok_per_s_per_gpu"), 0.0),
            **{f"total_tok_per_s{per}": GOOD.input_tok_per_s for per in ("", "_per_gpu")},
        },
    }[name]
    metrics = msgspec.structs.replace(GOOD, **zero)
    assert metrics_agree(metrics, 1) is None
    assert arithmetic(msgspec.structs.replace(whole(), metrics=metrics), 1) == f"outcome ok with {name} of 0"
    assert arithmetic(msgspec.structs.replace(whole(), metrics=None), 1) == "outcome ok without metrics"


def test_numbers_beyond_anything_measurable_are_refused_even_where_they_agree() -> None:
    names = ("input_tok_per_s", "input_tok_per_s_per_gpu", "total_tok_per_s", "total_tok_per_s_per_gpu")
    huge = msgspec.structs.replace(GOOD, input_tokens=6 * 10**16, **dict.fromkeys(names, 1e15))
    said = metrics_agree(huge, 1)
    assert said is not None
    assert "1e+15 is beyond anything measurable" in said


def test_a_running_point_is_not_judged_by_its_numbers() -> None:
    plan = a_plan()
    assert arithmetic(a_result(plan, plan.jobs[0], plan.jobs[0].points[0], running=True), 1) is None
