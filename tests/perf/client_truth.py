"""The load client against a server that knows the truth, beside peers: `make perf`.

Server and client have a core each. CPU is a multiple of what a minimal C reader needs for the same answers, measured
in turn with it. Numbers of one run on a busy machine say little: the load average is printed, and `--repeat` gives
medians.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.perf.pacing import Pace, cores, pacer, read_with_c
from tests.perf.running import Client, installed, run_once
from tests.perf.table import Flood, Paced, show_floods, show_goals, show_paced
from tests.perf.truth import find, read_seen

STREAMS = (16, 64, 256, 1024)
GOAL_STREAMS = 1024
TOKENS = 100
LEAST_REQUESTS = 64
FLOOD = Pace(ttft_us=0, itl_us=0)
FLOOD_STREAMS = 64
FLOODS = (("chunks/s", 6000, 100), ("requests/s", 40_000, 1), ("requests/s in a burst", 6000, 1))
"""What is counted, requests, tokens each. The burst's answers fit in memory and are read through after it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--repeat", type=int, default=3, help="runs of the case the goals are about (default 3)")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--realtime", action="store_true", help="all under SCHED_RR: quieter, and rude to others")
    options = parser.parse_args()
    print(f"cores {cores()} of {os.cpu_count()} for server and client; load average {os.getloadavg()[0]:.1f} before")
    ours, *peers = installed(realtime=options.realtime)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), realtime=options.realtime)
        goal_runs = []
        for streams in options.streams:
            for pace in (Pace(), Pace(staggered=True)):
                is_goal = streams == GOAL_STREAMS and not pace.staggered
                runs = [bench.paced(ours, streams, pace) for _ in range(options.repeat if is_goal else 1)]
                goal_runs += runs if is_goal else []
                beside = [] if options.no_peers or pace.staggered else peers
                show_paced(streams, pace, [*runs, *(bench.paced(peer, streams, pace) for peer in beside)])
        floods = [bench.flood(ours, *flood, options.repeat) for flood in FLOODS]
    show_floods(FLOOD_STREAMS, floods)
    show_goals(f"{GOAL_STREAMS} streams in lockstep", goal_runs, floods)
    print(f"\nload average {os.getloadavg()[0]:.1f} after")
    return 0


class Bench:
    """Runs clients, each against a fresh server."""

    def __init__(self, folder: Path, *, realtime: bool) -> None:
        self._truth, self._seen = folder / "truth", folder / "seen"
        self._realtime = realtime

    def paced(self, client: Client, streams: int, pace: Pace) -> Paced:
        requests = max(2 * streams, LEAST_REQUESTS)
        with pacer(pace, self._truth, cores()[0], realtime=self._realtime) as server:
            run = run_once(client, server.port, streams, requests, TOKENS, self._seen)
        found = find(server.served, read_seen(self._seen), streams)
        with pacer(pace, self._truth, cores()[0], realtime=self._realtime) as server:
            floor = read_with_c(server.port, streams, requests, TOKENS, core=cores()[1], realtime=self._realtime)
        return Paced(run, found, floor.us_per_chunk)

    def flood(self, client: Client, what: str, requests: int, tokens: int, repeat: int) -> Flood:
        rates, floors, us = [], [], []
        for _ in range(repeat):
            with pacer(FLOOD, self._truth, cores()[0], realtime=self._realtime) as server:
                run = run_once(client, server.port, FLOOD_STREAMS, requests, tokens, self._seen)
            with pacer(FLOOD, self._truth, cores()[0], realtime=self._realtime) as server:
                floor = read_with_c(
                    server.port, FLOOD_STREAMS, requests, tokens, core=cores()[1], realtime=self._realtime
                )
            rates.append(run.chunks / run.wall_s)
            floors.append(floor.chunks_per_s)
            us.append(run.cpu_s / run.chunks * 1e6)
        return Flood(what, median(rates), median(us), median(floors))


if __name__ == "__main__":
    sys.exit(main())
