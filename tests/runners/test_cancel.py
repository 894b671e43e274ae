"""A signal at any instant of a load is heard, and comes out as `CancelledError`."""

from __future__ import annotations

import os
import random
import signal
import threading

import pytest

from benchmarks.client import run_load
from benchmarks.prompts import random_prompts
from matrix.dialect import Dialect
from matrix.point import Concurrency
from runners.cancel import Cancel, CancelledError
from tests.benchmarks.loads import WORKLOAD, stop_after
from tests.fake_server.running import running


def kill_after(seconds: float, number: signal.Signals) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


@pytest.mark.fault(27)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_instant_of_a_load_cancels_it(number: signal.Signals) -> None:
    instants = random.Random(27)
    with running("ok", ttft_ms=0, itl_ms=0) as server:
        target = server.target(Dialect(keep_alive=False))
        for _ in range(12):
            cancel = Cancel()
            prompts = random_prompts(WORKLOAD, (10, 1000), "test")
            with cancel.by_signals():
                kill_after(instants.uniform(0.0, 0.3), number)
                with pytest.raises(CancelledError), cancel.deferred() as check:
                    run_load(target, prompts, Concurrency(streams=2), stop_after(10**6), lambda *_: check())


def test_outside_a_load_a_signal_raises_where_it_comes() -> None:
    cancel = Cancel()
    with cancel.by_signals(), pytest.raises(CancelledError):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_that_no_check_saw_raises_at_the_end() -> None:
    cancel = Cancel()
    reached: list[str] = []

    def be_interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("the line after the signal")

    with cancel.by_signals(), pytest.raises(CancelledError), cancel.deferred():
        be_interrupted()
    assert reached


def test_only_the_first_signal_is_heard_and_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cancel = Cancel()
    with cancel.by_signals():
        with pytest.raises(CancelledError):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
