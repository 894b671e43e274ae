from __future__ import annotations

import resource

import pytest
from click.testing import CliRunner

from benchmarks import selftest
from benchmarks.selftest import Planned, SelfTest, Verdict, report, self_test
from inferfleet import cli
from matrix.errors import FleetError

SMALL = Planned(concurrency=4, ttft_ms=20, itl_ms=20, isl=16, osl=20, seconds=1)


@pytest.fixture(scope="module")
def found() -> SelfTest:
    return self_test(SMALL)


def test_a_small_load_is_measured_against_the_truth(found: SelfTest) -> None:
    assert found.comparison.lost == 0
    assert found.comparison.stamp_error_us[0] < 1000
    assert found.budget.asked_concurrency == 4
    assert found.server_late_ms[0] >= 0
    assert found.chunks_per_s > 0
    assert SMALL.chunks_per_s == pytest.approx(4 * 20 / 0.42)


def test_the_report_has_the_budget_the_errors_and_the_verdict(found: SelfTest) -> None:
    text = report(found)
    for words in ("4 streams", "requests in flight", "of a core", "reads held several events", "TTFT", "late by"):
        assert words in text
    assert f"verdict    {found.verdict}" in text


def test_a_client_over_its_limits_is_unfit_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "MAX_TTFT_ERROR_MS", -1.0)
    monkeypatch.setattr(selftest, "MIN_PACE_SHARE", 0.0)
    unfit = self_test(SMALL)
    if unfit.server_late_ms[1] < SMALL.itl_ms:  # else nothing is proven on so busy a machine
        assert unfit.verdict is Verdict.UNFIT
    assert any("time to first token off by" in finding for finding in unfit.findings)


def test_a_server_that_cannot_keep_its_pace_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "MIN_PACE_SHARE", 10.0)
    unproven = self_test(SMALL)
    assert unproven.verdict is Verdict.UNPROVEN or unproven.findings
    assert "could not keep its pace" in report(unproven) or unproven.findings


def test_a_load_beyond_the_file_limit_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    with pytest.raises(FleetError, match="ulimit"):
        self_test(Planned(concurrency=5000, ttft_ms=1, itl_ms=1, isl=1, osl=2, seconds=1))


def test_the_command_says_so_with_its_exit_code() -> None:
    done = CliRunner().invoke(cli, ["selftest", "--concurrency", "2", "--seconds", "0.5", "--osl", "10"])
    assert "verdict" in done.output
    assert done.exit_code == (0 if "verdict    fit" in done.output else 1)
