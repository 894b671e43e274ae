"""The command as a person runs it: a process of its own, against servers that are processes too."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from benchmarks.bench.options import BenchReport
from benchmarks.bench.searching import SearchReport
from matrix.finding import Stop
from matrix.words import Reason
from matrix.workload import RandomWorkload
from tests.fake_server.running import ROOT, running

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--isl", "16", "--osl", "8")


def argv(port: int, *flags: str) -> list[str]:
    return [sys.executable, "inferfleet.py", "bench", f"http://127.0.0.1:{port}", *SMALL, *flags]


def bench(port: int, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv(port, *flags), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def report_of(path: Path) -> BenchReport:
    return msgspec.json.decode(path.read_bytes(), type=BenchReport)


def test_a_server_is_measured_with_nothing_but_its_address(tmp_path: Path) -> None:
    with running(tokenizer="vllm", ttft_ms=5, itl_ms=1) as server:
        files = ("--json", str(tmp_path / "r.json"), "--vllm-json", str(tmp_path / "v.json"))
        plot = ("--plot", str(tmp_path / "p.svg"), "--slo-ttft-s", "5")
        done = bench(server.port, "--concurrency", "2", "--requests", "60", "--warmup", "0", *files, *plot)
        served = len(server.stamps())
    assert done.returncode in {0, 4}, done.stderr  # a busy machine may honestly saturate the client
    assert "fake-model" in done.stdout
    assert "no p99 is certified: that takes 662 requests" in done.stdout
    assert "goodput (ttft <= 5 s)" in done.stdout
    report = report_of(tmp_path / "r.json")
    assert report.metrics is not None
    assert report.metrics.requests_ok >= 60
    assert served >= report.metrics.requests_ok + 2
    assert report.metrics.steady is not None
    assert report.metrics.ttft_s_p50_interval is not None
    assert (report.interrupted, report.errors) == (False, {})
    assert set(report.reasons) <= {Reason.CLIENT_SATURATED}
    check_vllm(json.loads((tmp_path / "v.json").read_text()), report)
    check_picture(tmp_path / "p.svg", report.metrics.requests_ok)


def check_vllm(said: dict[str, Any], report: BenchReport) -> None:
    """The keys vLLM's own result files have, and the numbers of our report behind them."""
    assert report.metrics is not None
    assert said["completed"] == report.metrics.requests_ok
    assert (said["request_rate"], said["max_concurrency"], said["failed"]) == ("inf", 2, 0)
    assert said["median_ttft_ms"] == pytest.approx(report.metrics.ttft_s.p50 * 1000)
    assert said["p99_tpot_ms"] == pytest.approx(report.metrics.tpot_s.p99 * 1000)
    assert said["mean_itl_ms"] == pytest.approx(report.metrics.icl_s.mean * 1000)
    assert said["median_e2el_ms"] == pytest.approx(report.metrics.e2e_s.p50 * 1000)
    # whole requests from first send to last byte, as there; our own throughput is counted by the clock
    assert said["total_output_tokens"] == report.metrics.requests_ok * 8  # see `argv`
    assert said["output_throughput"] == pytest.approx(said["total_output_tokens"] / said["duration"])
    tokens = said["total_input_tokens"] + said["total_output_tokens"]
    assert said["total_token_throughput"] * said["duration"] == pytest.approx(tokens)
    assert re.fullmatch(r"\d{8}-\d{6}", said["date"])
    assert {"num_prompts", "duration", "total_input_tokens", "burstiness", "request_goodput", "std_itl_ms"} <= set(said)


def check_picture(path: Path, requests: int) -> None:
    tree = ET.parse(path)
    dots = tree.findall(".//{*}circle")
    assert len(dots) == requests
    (line,) = tree.findall(".//{*}polyline")
    assert len(line.attrib["points"].split()) == 240


def test_a_rate_is_sent_and_what_it_came_to_is_said(tmp_path: Path) -> None:
    with running() as server:
        load = ("--rate", "60", "--arrival", "constant", "--token-ids", "10:900")
        done = bench(server.port, *load, "--requests", "40", "--json", str(tmp_path / "r.json"))
    assert done.returncode in {0, 4}, done.stderr  # as above
    assert "60 requests/s, constant" in done.stdout
    assert "behind schedule at p99" in done.stdout
    report = report_of(tmp_path / "r.json")
    assert report.client.asked_requests_per_s == 60
    assert report.metrics is not None
    assert report.metrics.e2e_from_schedule_s is not None


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    """Ten minutes are asked for; it ends when it is told to, and what had ended by then is in the report."""
    with running(ttft_ms=10) as server:
        flags = ("--concurrency", "3", "--seconds", "600", "--token-ids", "10:900", "--json", str(tmp_path / "r.json"))
        process = subprocess.Popen(argv(server.port, *flags), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(server.stamps()) > 20)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted with" in said
    report = report_of(tmp_path / "r.json")
    assert report.interrupted
    assert report.abandoned <= 3
    assert report.metrics is not None
    assert report.metrics.requests_ok > 5
    assert report.metrics.requests_failed == 0


def test_ctrl_c_before_anything_was_measured_says_so(tmp_path: Path) -> None:
    with running("stall", after=1) as server:
        process = subprocess.Popen(
            argv(server.port, "--token-ids", "10:900", "--seconds", "600"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: len(server.stamps()) > 0)
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in complaint
    assert said == ""


def wait_for(happened: Any) -> None:
    deadline_s = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_failed_requests_make_the_numbers_unbelievable(tmp_path: Path) -> None:
    """The server answers the probes, the warm-up and some more, and then dies."""
    with running("crash_after", after=40) as server:
        flags = ("--concurrency", "2", "--token-ids", "10:900", "--seconds", "20", "--json", str(tmp_path / "r.json"))
        done = bench(server.port, *flags, "--plot", str(tmp_path / "p.svg"))
    assert done.returncode == 4, done.stderr
    assert "do not believe these numbers: request_errors" in done.stdout
    report = report_of(tmp_path / "r.json")
    assert report.errors
    assert sum(report.errors.values()) == (report.metrics.requests_failed if report.metrics else 0)
    assert ET.parse(tmp_path / "p.svg").findall(".//{*}circle[@class='dot failed']")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--rate", "3", "--concurrency", "2"), "two kinds of load"),
        (("--arrival", "gamma"), "go with --rate"),
        (("--rate", "3", "--burstiness", "2"), "burstiness is for arrival"),
        (("--token-ids", "9"), "LOW:HIGH"),
        (("--token-ids", "1:9", "--chat"), "want text"),
        (("--slo-ttft-s", "0"), "more than 0"),
        (("--json", "/nowhere/r.json"), "there is no folder"),
    ],
)
def test_flags_that_make_no_sense_are_refused_before_anything_is_sent(flags: tuple[str, ...], complaint: str) -> None:
    done = bench(9, *flags)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_the_run_can_be_watched() -> None:
    ours, theirs = pty.openpty()
    with running(ttft_ms=20, itl_ms=2) as server:
        flags = ("--concurrency", "2", "--token-ids", "10:900", "--seconds", "2")
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
        process = subprocess.Popen(
            argv(server.port, *flags), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=theirs, env=environment
        )
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # how a terminal says that its last writer is gone
                break
        process.wait(10)
    os.close(ours)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode()
    assert process.returncode in {0, 4}  # a busy machine may honestly saturate the client
    for word in ("measuring", "time left", "TTFT p50 / p99", "output tok/s", "errors"):
        assert word in text
    assert re.search(r"\d+\.\d / \d+\.\d ms", text)


TRACE = str(ROOT / "tests" / "data" / "traces" / "six-sessions.jsonl")


def test_sessions_of_a_trace_are_replayed_as_they_arrived(tmp_path: Path) -> None:
    with running(tokenizer="vllm", cache_block=16) as server:
        load = ("--trace", TRACE, "--arrival", "recorded", "--rate", "10", "--longest-gap-s", "0.05")
        done = bench(server.port, *load, "--requests", "40", "--json", str(tmp_path / "r.json"))
    assert done.returncode in (0, 4), done.stderr  # a busy machine may be late
    assert "10 sessions/s, recorded" in done.stdout
    assert "six sessions for tests" in done.stdout
    report = report_of(tmp_path / "r.json")
    assert report.metrics is not None
    assert report.metrics.sessions is not None
    assert report.metrics.sessions.turns_ok == report.metrics.requests_ok >= 40
    assert report.metrics.cached_tokens
    assert [one.turn for one in report.turns] == list(range(len(report.turns)))
    assert report.turns[1].cached_tokens


def test_made_up_conversations_are_held_with_text_too(tmp_path: Path) -> None:
    with running(tokenizer="vllm", refuses="ids") as server:
        said = "turns=3,isl=20,added=6,osl=8,shared=10,gap_s=0.02"
        done = bench(
            server.port, "--conversation", said, "--concurrency", "2", "--requests", "12", "--json", str(tmp_path / "r")
        )
    assert done.returncode in (0, 4), done.stderr
    assert (
        "sessions of 3 turns, 10 shared and 20 tokens in, then 6 more, and 8 out, 0.02 s between turns" in done.stdout
    )
    report = report_of(tmp_path / "r")
    assert report.metrics is not None
    means = [one.input_tokens / one.requests for one in report.turns]
    assert means == [30, 30 + 8 + 6, 30 + 2 * (8 + 6)]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--conversation", "turns=2,isl=4,added=4,osl=4,gaps=2"), "did you mean 'gap_s'?"),
        (("--conversation", "turns=2,isl=4,added=4"), "missing required field `osl`"),
        (("--conversation", "turns=2,isl=4,added=4,osl=4", "--trace", TRACE), "give one"),
        (("--longest-gap-s", "3"), "of a --trace"),
        (("--arrival", "recorded", "--rate", "2"), "is for a --trace"),
        (("--trace", "nowhere.jsonl"), "cannot be read"),
    ],
)
def test_what_cannot_be_held_is_said_before_anything_is_sent(flags: tuple[str, ...], said: str) -> None:
    done = bench(1, *flags)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_ramp_alone_finds_where_a_server_breaks(tmp_path: Path) -> None:
    with running(tokenizer="vllm", itl_ms=15, capacity=8) as server:
        flags = ("--search", "ramp", "--up-to", "64", "--concurrency", "2", "--seconds", "2.5")
        done = bench(server.port, *flags, "--json", str(tmp_path / "r.json"))
    assert done.returncode == 0, done.stderr + done.stdout
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes(), type=SearchReport)
    assert report.finding.stop is Stop.THROUGHPUT_FELL
    assert report.finding.size in (4, 8, 16)
    assert [one.load.streams for one in report.measurements] == [2 * 2**n for n in range(len(report.measurements))]
    assert report.text in done.stdout
    assert "concurrency 4: " in done.stdout
    assert len({one.seed for one in report.measurements}) == len(report.measurements)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--search", "slo"), "wants a limit"),
        (("--search", "ramp", "--plot", "x.svg"), "show one load"),
        (("--search", "ramp", "--conversation", "turns=2,isl=4,added=4,osl=4"), "sessions are held at one load"),
        (("--search", "ramp", "--concurrency", "9", "--up-to", "4"), "below the first load"),
        (("--up-to", "4"), "bounds a --search"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_before_anything_is_asked(flags: tuple[str, ...], words: str) -> None:
    done = bench(1, *flags)
    assert done.returncode == 1
    assert words in done.stderr


def test_ctrl_c_in_a_search_keeps_what_was_found() -> None:
    with running(tokenizer="vllm", itl_ms=5) as server:
        flags = ("--search", "ramp", "--seconds", "1.5")
        process = subprocess.Popen(argv(server.port, *flags), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        process.stdout.close()
        assert process.wait(30) == 130
    assert first.startswith("concurrency 1: ")
    assert "unfinished after 1 measurements" in rest


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--prefix-groups", "4"), "--prefix-groups goes with --shared-prefix-share"),
        (("--reference", "README.md"), "is no set of reference prompts"),
        (("--reference", "README.md", "--ratio", "0.5"), "leave out --ratio"),
        (("--reference", "README.md", "--token-ids", "10:900"), "leave out --ratio and --token-ids"),
    ],
)
def test_prompts_that_contradict_themselves_are_refused_before_a_server_is_asked(
    flags: tuple[str, ...], why: str
) -> None:
    done = bench(9, *flags)
    assert done.returncode == 1
    assert why in done.stderr


def test_a_share_of_every_prompt_can_be_common(tmp_path: Path) -> None:
    with running(tokenizer="vllm") as server:
        load = ("--requests", "20", "--json", str(tmp_path / "r.json"), "--shared-prefix-share", "0.5")
        done = bench(server.port, *load, "--prefix-groups", "2")
    assert done.returncode in (0, 4), done.stderr
    assert "16 tokens in and 8 out, the first 50% shared in 2 groups" in done.stdout
    workload = report_of(tmp_path / "r.json").workload
    assert isinstance(workload, RandomWorkload)
    assert workload.prefix_groups == 2
