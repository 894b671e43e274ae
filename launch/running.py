"""What a backend hands back once a server is ready: enough to measure it, watch it and end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from launch.process import StopOutcome


class Running(Protocol):
    """A ready server, wherever it runs. `pid` is None where there is no process of this host (Slurm).

    `start_s` is seconds from the start of the process to ready; `model` is the id that requests must name.
    """

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def start_s(self) -> float: ...
    @property
    def engine_version(self) -> str: ...

    def alive(self) -> bool: ...

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        ...

    def age_s(self) -> float:
        """Seconds since the server was started."""
        ...

    def stop(self) -> StopOutcome:
        """End it in order: seconds when it is well behaved, bounded when it is not. Safe to call again."""
        ...

    def kill(self) -> StopOutcome:
        """End it now, without asking: the job is being cancelled."""
        ...

    def log_tail(self) -> str:
        """The end of the server's own log. Untrusted text."""
        ...
