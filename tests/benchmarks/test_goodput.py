from __future__ import annotations

import pytest

from benchmarks.goodput import goodput, is_over
from benchmarks.records import RequestError
from matrix.slo import Slo
from tests.benchmarks.windows import request

SLO = Slo(ttft_s=0.15, tpot_s=0.02)


def test_only_whole_requests_within_every_limit_are_good() -> None:
    records = [
        request(0, 0.0),
        request(1, 0.0, ttft_s=0.2),
        request(2, 0.0, tpot_s=0.03),
        request(3, 0.0, error=RequestError.RESET),
        request(4, 0.0, tokens=5, asked=11),
    ]
    said = goodput(records, SLO, ok_per_s=2.0)
    assert said.requests_per_s == pytest.approx(0.5)
    assert said.share == pytest.approx(0.2)
    assert said.limits == "ttft <= 0.15 s, tpot <= 0.02 s"


def test_a_lost_request_breaks_every_limit() -> None:
    assert is_over(request(0, 0.0, error=RequestError.TIMEOUT), SLO) == {"ttft": True, "tpot": True}


def test_in_an_open_loop_the_clock_starts_with_the_schedule() -> None:
    slo = Slo(ttft_s=0.15, tpot_s=0.02, e2e_s=0.25)
    assert is_over(request(0, 0.1, scheduled_s=0.0), slo) == {"ttft": True, "tpot": False, "e2e": True}
    assert is_over(request(0, 0.1), slo) == {"ttft": False, "tpot": False, "e2e": False}


def test_one_token_has_no_time_per_token_to_break() -> None:
    assert is_over(request(0, 0.0, tokens=1), SLO) == {"ttft": False, "tpot": False}


def test_nothing_sent_is_nothing_good() -> None:
    said = goodput([], SLO, ok_per_s=0.0)
    assert (said.requests_per_s, said.share) == (0, 0)
