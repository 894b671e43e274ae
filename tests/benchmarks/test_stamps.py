from __future__ import annotations

import time

import pytest

from benchmarks import stamps
from benchmarks.stamps import Stamper, wall_offset_ns


def test_a_kernel_stamp_comes_out_on_the_monotonic_clock() -> None:
    stamper = Stamper()
    before_ns = time.monotonic_ns()
    stamp_ns = stamper.stamp(time.time_ns())
    stamper.reads = 1
    assert before_ns - 1_000_000 <= stamp_ns <= time.monotonic_ns() + 1_000_000
    assert stamper.kernel_stamps


def test_a_read_without_a_kernel_stamp_gets_user_time_and_health_says_so() -> None:
    stamper = Stamper()
    before_ns = time.monotonic_ns()
    assert before_ns <= stamper.stamp(None) <= time.monotonic_ns()
    assert not stamper.kernel_stamps


@pytest.mark.fault(24)
def test_delays_of_a_stepped_clock_are_not_counted() -> None:
    stamper = Stamper()
    stamper.stamp(time.time_ns() + 5 * 10**9)
    stamper.refresh()
    assert not stamper.delays_ns


@pytest.mark.fault(24)
def test_a_step_of_the_wall_clock_is_reported_as_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    stamper = Stamper()
    real = wall_offset_ns()
    monkeypatch.setattr(stamps, "wall_offset_ns", lambda: real + 2 * 10**9)
    assert stamper.drift_s() == pytest.approx(2, abs=0.1)


def test_delays_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "MAX_DELAYS", 100)
    stamper = Stamper()
    for _ in range(10):
        for _ in range(100):
            stamper.stamp(time.time_ns() - 1000)
        stamper.refresh()
    assert 25 <= len(stamper.delays_ns) < 100


class Clocks:
    """A monotonic clock that is moved by hand, and a wall clock beside it that can be stepped or slewed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns, self.offset_ns = 10**9, 10**18
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.now_ns)
        monkeypatch.setattr(time, "time_ns", lambda: self.now_ns + self.offset_ns)


@pytest.mark.fault(24)
@pytest.mark.parametrize("step_ns", [3_000_000, -3_000_000, 200_000_000_000])
def test_the_time_in_which_the_wall_clock_was_stepped_is_known(monkeypatch: pytest.MonkeyPatch, step_ns: int) -> None:
    clocks = Clocks(monkeypatch)
    stamper = Stamper()
    for tick in range(40):
        clocks.now_ns += 250_000_000
        clocks.offset_ns += step_ns if tick in (7, 20) else 0
        stamper.refresh()
    assert stamper.stepped_ns == 2 * 250_000_000
    stamper.restart()
    assert stamper.stepped_ns == 0


def test_a_slewed_clock_was_not_stepped(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    stamper = Stamper()
    for tick_ns in (250_000_000, 5_000_000_000, 1_000) * 20:
        clocks.now_ns += tick_ns
        clocks.offset_ns += tick_ns // 2000
        stamper.refresh()
    assert stamper.stepped_ns == 0
