from __future__ import annotations

import numpy as np
import pytest

from benchmarks.records import RequestRecord
from benchmarks.steady import steady_part, steady_state, throughput, trend
from tests.benchmarks.windows import S, request, window_of


def streams(count: int, rounds: int, slow_first: float = 1.0, drift: float = 0.0) -> list[RequestRecord]:
    """Back-to-back requests of 0.2 s; the first takes `slow_first` times as long, each later one `drift` more."""
    records: list[RequestRecord] = []
    for stream in range(count):
        sent_s = 0.001 * stream
        for number in range(rounds):
            factor = (slow_first if number == 0 else 1.0) * (1 + drift * number)
            records.append(request(len(records), sent_s, ttft_s=0.1 * factor, tpot_s=0.01 * factor))
            sent_s += 0.2 * factor
    return records


def test_it_begins_when_every_stream_has_ended_its_first_and_ends_with_the_last_sent() -> None:
    part = steady_part(window_of(*streams(4, 10)))
    assert part == (round(0.203 * S), round((0.003 + 9 * 0.2) * S))


def test_a_warm_up_that_was_handed_over_is_the_beginning() -> None:
    part = steady_part(window_of(*streams(4, 10), warm_end_s=0.15))
    assert part is not None
    assert part[0] == round(0.15 * S)


def test_an_open_loop_has_filled_after_one_median_request() -> None:
    records = [request(place, place * 0.05, scheduled_s=place * 0.05) for place in range(30)]
    assert steady_part(window_of(*records)) == (round(0.2 * S), round(29 * 0.05 * S))


def test_one_round_has_no_steady_part() -> None:
    assert steady_part(window_of(*streams(4, 1))) is None
    assert steady_state(window_of(*streams(4, 1)), 1) is None
    assert steady_state(window_of(*streams(4, 8)), 1) is None


def test_a_slow_first_round_and_the_drain_are_not_in_its_numbers() -> None:
    """Four streams of 11 tokens and 20 prompt tokens every 0.2 s, whatever the first round took."""
    steady = steady_state(window_of(*streams(4, 40, slow_first=9.0)), devices=2)
    assert steady is not None
    assert steady.output_tok_per_s == pytest.approx(4 * 11 / 0.2)
    assert steady.total_tok_per_s == pytest.approx(4 * 31 / 0.2)
    assert steady.total_tok_per_s_per_gpu == pytest.approx(2 * 31 / 0.2)
    assert steady.ttft_s_p90 == pytest.approx(0.1)
    assert steady.interactivity_tok_per_s == pytest.approx(100)
    assert (steady.ttft_trend, steady.tpot_trend) == ("plateau", "plateau")
    assert steady.start_s == pytest.approx(9 * 0.2 + 0.003)
    assert steady.total_tok_per_s_interval is not None
    assert steady.total_tok_per_s_interval.low == pytest.approx(steady.total_tok_per_s)


def test_a_server_that_slows_down_drifts() -> None:
    steady = steady_state(window_of(*streams(4, 40, drift=0.01)), devices=1)
    assert steady is not None
    assert (steady.ttft_trend, steady.tpot_trend) == ("drifting_up", "drifting_up")


def test_throughput_does_not_depend_on_where_waves_are_cut() -> None:
    records = streams(8, 12)
    true = 8 * 31 / 0.2
    for begin_s in (0.25, 0.31, 0.37, 0.44):
        assert throughput(records, round(begin_s * S), round(1.9 * S)).total == pytest.approx(true, rel=1e-3)


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.5])
def test_noise_alone_is_nearly_always_a_plateau(noise: float) -> None:
    said = [trend(np.random.default_rng(seed).lognormal(0, noise, 200).tolist()) for seed in range(200)]
    assert said.count("plateau") >= 194


@pytest.mark.parametrize(("change", "said"), [(0.3, "drifting_up"), (-0.3, "drifting_down"), (0.02, "plateau")])
def test_a_trend_is_told_by_its_size_and_its_significance(change: float, said: str) -> None:
    values = np.random.default_rng(1).lognormal(0, 0.1, 400) * np.linspace(1, 1 + change, 400)
    assert trend(values.tolist()) == said
