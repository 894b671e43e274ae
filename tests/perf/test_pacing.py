"""The instruments of `make perf` work: what they measure is not judged here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.perf import pacing
from tests.perf.pacing import Pace, pacer, read_with_c
from tests.perf.running import installed, run_once
from tests.perf.truth import find, read_seen

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def built(tmp_path_factory: pytest.TempPathFactory) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("built")
    for name in ("pacer", "reader"):
        source, made = str(HERE / f"{name}.c"), str(folder / name)
        subprocess.run((compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-o", made, source), check=True)
    pacing.BUILT = folder


@pytest.mark.parametrize("staggered", [False, True])
def test_the_client_is_held_against_what_the_server_did(staggered: bool, tmp_path: Path) -> None:
    ours = installed(realtime=False)[0]
    pace = Pace(ttft_us=10_000, itl_us=5_000, staggered=staggered)
    with pacer(pace, tmp_path / "truth", None) as server:
        run = run_once(ours, server.port, 4, 12, 10, tmp_path / "seen")
    found = find(server.served, read_seen(tmp_path / "seen"), 4)
    assert (run.requests, run.chunks, found.comparison.lost) == (12, 120, 0)
    assert all(len(served.sent_ns) == 10 for served in server.served.values())
    assert all((served.late_ns >= 0).all() for served in server.served.values())
    assert found.comparison.true.ttft[0] >= 10
    assert 0 < found.in_flight <= 4
    assert "NO kernel stamps" not in run.note
    assert "IMPORTS" not in run.note


def test_the_reader_reads_all_of_a_flood(tmp_path: Path) -> None:
    with pacer(Pace(ttft_us=0, itl_us=0), tmp_path / "truth", None) as server:
        floor = read_with_c(server.port, 4, 40, 50, core=None)
    assert floor.us_per_chunk > 0
    assert floor.chunks_per_s == pytest.approx(50 * floor.requests_per_s)
    assert len(server.served) == 40
