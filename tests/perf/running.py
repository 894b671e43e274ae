"""Clients as processes of their own: ours, and the peers that are installed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.perf.pacing import BUILT, cores, pinned

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
PEER_PYTHON = BUILT / "peers" / "bin" / "python"
_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    name: str
    argv: tuple[str, ...]
    realtime: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a client did and what it took. `ready_s`: its code was loaded; `start_s`: the first request left."""

    client: str
    cpu_s: float
    wall_s: float
    rss_bytes: int
    chunks: int
    requests: int
    ready_s: float
    start_s: float
    note: str


def installed(*, realtime: bool) -> tuple[Client, ...]:
    """Ours first."""
    ours = Client(name="inferfleet", argv=(sys.executable, "-m", "tests.perf.load_once"), realtime=realtime)
    if not PEER_PYTHON.exists():
        return (ours,)
    peers = [
        Client(name=path.stem.replace("_", " "), argv=(str(PEER_PYTHON), str(path)), realtime=realtime)
        for path in sorted(PEERS.glob("*_lines.py"))
    ]
    return (ours, *peers)


def run_once(client: Client, port: int, streams: int, requests: int, tokens: int, out: Path) -> Run:
    """One load on the client's core. Raises CalledProcessError if the client fails."""
    argv = (*client.argv, *map(str, (port, streams, requests, tokens)), str(out))
    begin_ns = time.monotonic_ns()
    done = subprocess.run(
        pinned(cores()[1], argv, realtime=client.realtime),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=_LIMIT_S,
    )
    said = json.loads(done.stdout)
    ready_ns, start_ns = said.pop("ready_ns"), said.pop("start_ns")
    return Run(client=client.name, ready_s=(ready_ns - begin_ns) / 1e9, start_s=(start_ns - begin_ns) / 1e9, **said)
