"""Servers as plain processes of this host: no container, the engine installed in our own environment."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psutil

from launch import capped_log
from launch import process as processes
from launch.command import server_command
from launch.engines import ENGINES
from launch.ready import Awaited, NotReady, PortOwner, Ready, wait_ready
from launch.weights import WeightsMissing, hub_cache_folder, resolve
from matrix.facts import token_range
from matrix.words import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from matrix.plan import Server

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProcess:
    """A ready server process of this host; see `launch.running.Running`."""

    process: processes.ServerProcess
    host: str
    port: int
    model: str
    start_s: float
    engine_version: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.exit_code() is None

    def exit_code(self) -> int | None:
        return processes.exit_code(self.process)

    def age_s(self) -> float:
        return time.monotonic() - self.process.started_s

    def stop(self) -> processes.StopOutcome:
        return processes.stop(self.process)

    def kill(self) -> processes.StopOutcome:
        return processes.kill_now(self.process)

    def log_tail(self) -> str:
        return capped_log.read_tail(self.process.log)


def launch(
    server: Server, *, log: Path, label: str, host_threads: int, ready_deadline_s: float
) -> RunningProcess | NotReady:
    engine = ENGINES[server.engine]
    version = engine.version()
    if version is None:
        return NotReady(reason=Reason.ENGINE_MISSING, detail=f"engine {server.engine} is not installed")
    weights = resolve(server.model.weights, hub_cache_folder(os.environ))
    if isinstance(weights, WeightsMissing):
        return NotReady(reason=weights.reason, detail=weights.detail)
    port = free_port(HOST)
    command = server_command(engine, server, str(weights), HOST, port, host_threads, os.environ)
    process = processes.start(command, log, label)
    awaited = Awaited(
        host=HOST,
        port=port,
        model=engine.served_name(server),
        dialect=server.dialect,
        prompt=token_range(server.model)[:1],
        exit_code=lambda: processes.exit_code(process),
        port_owner=lambda: port_owner(process, port),
    )
    verdict = _wait_or_kill(process, awaited, ready_deadline_s)
    if isinstance(verdict, NotReady):
        return verdict
    return RunningProcess(
        process=process,
        host=HOST,
        port=port,
        model=awaited.model,
        start_s=verdict.seconds,
        engine_version=version,
    )


def free_port(host: str) -> int:
    """A port nobody holds now. Somebody may take it before the server does; readiness then says so."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_owner(process: processes.ServerProcess, port: int) -> PortOwner:
    """Whose listening socket this is. Another user's has no process id here, and is not ours."""
    listeners = {
        connection.pid
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
    }
    if not listeners:
        return PortOwner.NOBODY
    return PortOwner.OURS if listeners <= processes.pids(process) else PortOwner.OTHER


def _wait_or_kill(process: processes.ServerProcess, awaited: Awaited, deadline_s: float) -> Ready | NotReady:
    """Wait for ready; leave nothing behind otherwise, a cancelled job included."""
    try:
        verdict = wait_ready(awaited, deadline_s)
    except BaseException:  # whoever interrupts us has seconds: the signal is sent now, the wait is left to them
        processes.abandon(process)
        raise
    if isinstance(verdict, Ready):
        return verdict
    processes.stop(process)
    return replace(verdict, log_tail=capped_log.read_tail(process.log))
