"""What published tools say of a server that knows the truth, beside ours: `make perf-tools`.

Each tool as its users run it, with all its processes on one core and the server on another. Requests that a tool sends
to try the server out are in the truth, as they are in none of its figures. CPU is of a tool's whole run, start-up
included.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.truth import Told, latencies
from tests.perf.client_truth import Bench
from tests.perf.pacing import Pace, cores, pacer, pinned
from tests.perf.running import installed
from tests.perf.tools.tools import TOOLS
from tests.perf.tools.words import Ask, Said
from tests.perf.truth import in_flight

if TYPE_CHECKING:
    from benchmarks.truth import Latencies, Pair
    from tests.perf.tools.words import Tool

STREAMS = (16, 64, 256, 1024)
TOKENS = 100
LEAST_REQUESTS = 64
_LIMIT_S = 600.0


class Line(NamedTuple):
    name: str
    true: Latencies
    said: Said
    in_flight: float
    cpu_s: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--tool", choices=[tool.name for tool in TOOLS], action="append")
    options = parser.parse_args()
    tools = [tool for tool in TOOLS if tool.installed and (not options.tool or tool.name in options.tool)]
    missing = [tool.name for tool in TOOLS if not tool.installed]
    print(f"load average {os.getloadavg()[0]:.1f}; not installed: {', '.join(missing) or 'none'}")
    for streams in options.streams:
        print(f"\n{streams} streams in lockstep, 20 ms, {TOKENS} tokens; true > said, ms")
        print(f"  {'':15}{'TTFT p50':>18}{'TTFT p99':>19}{'ICL p50':>17}{'ICL p99':>17}{'TPOT p50':>17}{'E2E p50':>19}")
        with tempfile.TemporaryDirectory() as folder:
            print(f"  {show(ours(streams, Path(folder)))}", flush=True)
        for tool in tools:
            with tempfile.TemporaryDirectory() as folder:
                print(f"  {measured(tool, streams, Path(folder))}", flush=True)
    return 0


def ours(streams: int, folder: Path) -> Line:
    one = Bench(folder, realtime=False).paced(installed(realtime=False)[0], streams, Pace())
    true, said = one.found.comparison.true, one.found.comparison.reported
    return Line("inferfleet", true, Said(said.ttft, said.icl, said.tpot, said.e2e), one.found.in_flight, one.run.cpu_s)


def measured(tool: Tool, streams: int, folder: Path) -> str:
    """A tool's line, or what it said when it failed."""
    truth = folder / "truth"
    with pacer(Pace(), truth, cores()[0]) as server:
        requests = max(2 * streams, LEAST_REQUESTS)
        ask = Ask(f"http://127.0.0.1:{server.port}", streams, requests, TOKENS, folder)
        before_s = _children_cpu_s()
        argv = pinned(cores()[1], (str(tool.python), *tool.argv(ask)), realtime=False)
        environment = {**os.environ, "VLLM_TARGET_DEVICE": "cpu"}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT_S, check=False, env=environment)
        cpu_s = _children_cpu_s() - before_s
        time.sleep(0.2)
    if done.returncode:
        return f"{tool.name:14} ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}"
    whole = [one for one in server.served.values() if one.sent_ns[-1]]
    true = latencies([Told(one.arrived_ns, one.sent_ns.tolist()) for one in whole])
    return show(Line(tool.name, true, tool.read(folder), in_flight(whole, streams), cpu_s))


def show(line: Line) -> str:
    true, said = line.true, line.said
    columns = (
        *(_arrow(true.ttft, said.ttft, at) for at in (0, 1)),
        *(_arrow(true.icl, said.icl, at) for at in (0, 1)),
        _arrow(true.tpot, said.tpot, 0),
        _arrow(true.e2e, said.e2e, 0),
    )
    return f"{line.name:14}{' '.join(columns)}   in flight {line.in_flight:7.1f}   CPU {line.cpu_s:6.1f} s"


def _arrow(true: Pair, said: Pair | None, at: int) -> str:
    return f"{true[at]:8.2f} >{f'{said[at]:8.2f}' if said else 'not said':>8}"


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
