from __future__ import annotations

from typing import Any

import msgspec
import pytest

from benchmarks.checks import judge
from benchmarks.metrics import summarize
from benchmarks.records import ClientHealth, RequestError, RequestRecord, Window
from matrix.result import ClientBudget
from matrix.words import Outcome, Reason, outcome_of

BUDGET = ClientBudget(
    kernel_stamps=True,
    stamp_delay_s_p50=1e-5,
    stamp_delay_s_p99=1e-4,
    cpu_share=0.1,
    reads=100,
    reads_with_several_events=0,
    asked_concurrency=8,
    achieved_concurrency=8.0,
    clock_drift_share=0.0,
)
HEALTH = ClientHealth(
    kernel_stamps=True, stamp_delay_ns=(), cpu_s=0.1, reads=100, reads_with_several_events=0, wall_clock_drift_s=0.0
)


def good(index: int) -> RequestRecord:
    return RequestRecord(
        index=index,
        asked_input_tokens=100,
        asked_output_tokens=20,
        sent_ns=index,
        end_ns=10**9,
        first_ns=10**8,
        last_ns=10**9,
        input_tokens=100,
        output_tokens=20,
        chunks=20,
        chunk_ns=(10**8, 10**9),
        text_digest=f"answer {index}",
        status=200,
    )


def judged(total: int, wrong: int = 0, budget: ClientBudget = BUDGET, **changes: Any) -> tuple[tuple[Reason, ...], str]:
    """The verdict on `total` good requests, `wrong` of which have these changes."""
    records = tuple(
        msgspec.structs.replace(good(index), **changes) if index < wrong else good(index) for index in range(total)
    )
    window = Window(start_ns=0, end_ns=10**9, records=records, health=HEALTH)
    return judge(window, summarize(window, 1), budget)


def test_a_good_window_has_nothing_against_it() -> None:
    assert judged(200) == ((), "")


@pytest.mark.fault(11)
@pytest.mark.parametrize(("wrong", "reasons"), [(1, ()), (2, (Reason.REQUEST_ERRORS,))])
def test_one_percent_of_failed_requests_is_too_many(wrong: int, reasons: tuple[Reason, ...]) -> None:
    assert judged(200, wrong, error=RequestError.RESET)[0] == reasons


def test_the_detail_counts_errors_by_kind_and_shows_one() -> None:
    detail = judged(10, 3, error=RequestError.HTTP_STATUS, status=429, detail="slow down")[1]
    assert "3 of 10" in detail
    assert "http_status 3" in detail
    assert "429: slow down" in detail


@pytest.mark.fault(7)
def test_a_stalled_server_is_the_recipes_fault_and_the_first_reason() -> None:
    reasons, _ = judged(8, 8, error=RequestError.STALLED)
    assert reasons == (Reason.SERVER_STALLED, Reason.REQUEST_ERRORS, Reason.NO_OUTPUT)
    assert outcome_of(reasons) is Outcome.RECIPE_FAILED


@pytest.mark.fault(22)
def test_a_window_without_output_is_refused() -> None:
    assert judged(0)[0] == (Reason.NO_OUTPUT,)


@pytest.mark.fault(19)
@pytest.mark.parametrize(("wrong", "reasons"), [(1, ()), (2, (Reason.SHORT_OUTPUT,))])
def test_a_thousandth_of_short_answers_is_tolerated(wrong: int, reasons: tuple[Reason, ...]) -> None:
    assert judged(1000, wrong, output_tokens=19)[0] == reasons


@pytest.mark.fault(20)
def test_one_long_answer_is_one_too_many() -> None:
    assert judged(1000, 1, output_tokens=21)[0] == (Reason.LONG_OUTPUT,)


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    "changes",
    [
        {"output_tokens": None},
        {"input_tokens": None},
        {"input_tokens": 102},
        {"input_tokens": 98},
        {"chunks": 22},
    ],
)
def test_one_doubtful_token_count_is_one_too_many(changes: dict[str, Any]) -> None:
    assert judged(1000, 1, **changes)[0] == (Reason.TOKEN_COUNT,)


@pytest.mark.fault(21)
@pytest.mark.parametrize("changes", [{"input_tokens": 101}, {"chunks": 21}, {"chunks": 5}])
def test_a_bos_token_an_empty_end_and_merged_chunks_are_normal(changes: dict[str, Any]) -> None:
    assert judged(10, 10, **changes)[0] == ()


@pytest.mark.fault(23)
@pytest.mark.parametrize(("wrong", "reasons"), [(11, ()), (12, (Reason.DUPLICATE_OUTPUTS,))])
def test_a_tenth_of_answers_may_repeat_another(wrong: int, reasons: tuple[Reason, ...]) -> None:
    assert judged(100, wrong, text_digest="same")[0] == reasons


@pytest.mark.fault(23)
def test_short_answers_may_be_equal() -> None:
    short: dict[str, Any] = {"output_tokens": 15, "asked_output_tokens": 15, "chunks": 15}
    assert judged(10, 10, text_digest="same", **short)[0] == ()


@pytest.mark.fault(24)
@pytest.mark.parametrize("drift", [0.011, -0.011])
def test_a_clock_jump_comes_before_whatever_it_caused(drift: float) -> None:
    budget = msgspec.structs.replace(BUDGET, clock_drift_share=drift)
    assert judged(10, 10, budget, error=RequestError.STALLED)[0][0] is Reason.CLOCK_JUMP


@pytest.mark.fault(24)
def test_small_steps_count_by_how_much_of_the_window_they_may_have_put_off() -> None:
    stepped = [msgspec.structs.replace(BUDGET, stepped_share=share) for share in (0.011, 0.009)]
    assert [judged(200, budget=budget)[0] for budget in stepped] == [(Reason.CLOCK_JUMP,), ()]
    user_space = msgspec.structs.replace(stepped[0], kernel_stamps=False)
    assert judged(200, budget=user_space)[0] == ()


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "changes", [{"cpu_share": 0.95}, {"stamp_delay_s_p99": 0.021, "reads": 1000}, {"achieved_concurrency": 7.1}]
)
def test_a_client_that_did_not_keep_up_says_so(changes: dict[str, float]) -> None:
    assert judged(10, budget=msgspec.structs.replace(BUDGET, **changes))[0] == (Reason.CLIENT_SATURATED,)


@pytest.mark.fault(25)
def test_an_open_loop_is_judged_by_its_schedule_not_by_its_streams() -> None:
    """Few streams in flight are what a fast server leaves of a rate; being behind one's own schedule is not."""
    rate = msgspec.structs.replace(
        BUDGET, asked_requests_per_s=5.0, achieved_concurrency=0.5, schedule_lateness_s_p99=0.001
    )
    assert judged(10, budget=rate)[0] == ()
    late = msgspec.structs.replace(rate, schedule_lateness_s_p99=0.021, reads=1000)
    assert judged(10, budget=late)[0] == (Reason.CLIENT_SATURATED,)


@pytest.mark.fault(25)
def test_streams_left_empty_by_a_failing_server_are_not_the_clients_doing() -> None:
    budget = msgspec.structs.replace(BUDGET, achieved_concurrency=1.0)
    assert judged(10, 5, budget, error=RequestError.RESET)[0] == (Reason.REQUEST_ERRORS,)


def test_a_client_without_kernel_stamps_is_not_judged_by_them() -> None:
    assert judged(10, budget=msgspec.structs.replace(BUDGET, stamp_delay_s_p99=None))[0] == ()


@pytest.mark.fault(25)
@pytest.mark.parametrize(("late_s", "icl_s", "found"), [(0.015, 0.005, True), (0.015, 0.02, False)])
def test_gaps_lost_to_a_late_client_are_its_own_doing_and_a_servers_bursts_are_not(
    late_s: float, icl_s: float, found: bool
) -> None:
    budget = msgspec.structs.replace(BUDGET, stamp_delay_s_p99=late_s, reads=2000, reads_with_several_events=21)
    stamps = (10**8, 10**8 + round(icl_s * 10**9))
    reasons, detail = judged(10, 10, budget, chunk_ns=stamps)
    assert (Reason.CLIENT_SATURATED in reasons) is found
    assert ("21 of 2000 reads" in detail) is found


@pytest.mark.fault(25)
def test_one_late_read_among_few_is_not_held_against_the_client() -> None:
    assert judged(10, 10, msgspec.structs.replace(BUDGET, stamp_delay_s_p99=0.05, reads=99))[0] == ()


@pytest.mark.fault(6)
def test_a_load_that_ended_in_failures_only_is_no_measurement_however_much_went_well() -> None:
    gone = 3 * BUDGET.asked_concurrency
    reasons, detail = judged(10_000, gone, error=RequestError.REFUSED, end_ns=2 * 10**9)
    assert reasons == (Reason.REQUEST_ERRORS,)
    assert f"{gone} of" in detail
