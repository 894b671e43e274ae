"""Real engines, one load, two clients in turn: `make parity`.

Both clients put the same number of requests of the same shape on the same server, one after the other, in an order
that turns round each repeat. A figure agrees where the medians differ by no more than the larger of the two tools' own
ranges. What the engine itself counted stands beside what each tool says it counted. Exits 1 where something differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.perf.parity.clients import CLIENTS, Load
from tests.perf.parity.servers import ENGINES, serving
from tests.perf.parity.table import compare, show

if TYPE_CHECKING:
    from tests.perf.parity.clients import Result
    from tests.perf.parity.servers import Engine, Served


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--isl", type=int, default=64)
    parser.add_argument("--osl", type=int, default=32)
    parser.add_argument("--engine", choices=[engine.name for engine in ENGINES], action="append")
    options = parser.parse_args()
    load = Load(streams=options.streams, requests=options.requests, isl=options.isl, osl=options.osl)
    print(f"{load}; {options.repeat} repeats; load average {os.getloadavg()[0]:.1f}")
    chosen = [engine for engine in ENGINES if not options.engine or engine.name in options.engine]
    with tempfile.TemporaryDirectory() as folder:
        agree = [run(engine, load, options.repeat, Path(folder)) for engine in chosen]
    return 0 if all(agree) else 1


def run(engine: Engine, load: Load, repeat: int, folder: Path) -> bool:
    results: dict[str, list[Result]] = {name: [] for name in CLIENTS}
    with serving(engine, folder / "server.log") as served:
        warm(served, load, folder)
        for number in range(repeat):
            for name in list(CLIENTS)[:: 1 if number % 2 else -1]:
                out = folder / f"{name.split()[0]}-{number}.json"
                results[name].append(CLIENTS[name](served, load, out, number))
                print(f"  {engine.name}: repeat {number + 1} of {repeat}, {name}: done", file=sys.stderr)
    print(f"\n{engine.name}")
    rows = compare(*([result.figures for result in each] for each in results.values()))
    print(show(rows))
    for name, each in results.items():
        said = [round(result.figures["total_output_tokens"]) for result in each]
        print(f"  output tokens, {name}: {said}; the engine's own counter: {[result.server_tokens for result in each]}")
    return all(row.agrees for row in rows)


def warm(served: Served, load: Load, folder: Path) -> None:
    """The first requests of a fresh engine pay for what no later one does."""
    CLIENTS["inferfleet"](served, Load(streams=2, requests=4, isl=load.isl, osl=load.osl), folder / "warm.json", 0)


if __name__ == "__main__":
    sys.exit(main())
