"""The command: terminal, signals and files around `run`."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from benchmarks.bench.discover import discover
from benchmarks.bench.flags import read_flags
from benchmarks.bench.live import LiveView
from benchmarks.bench.run import run
from benchmarks.bench.searching import search
from benchmarks.bench.summary import print_finding, print_load, print_summary
from benchmarks.bench.svg import picture
from benchmarks.bench.vllm_json import vllm_result
from matrix.atomic import write_atomic
from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from benchmarks.bench.discover import Found
    from benchmarks.bench.options import BenchOptions, Outputs
    from benchmarks.bench.run import Benched

EXIT_NOT_BELIEVED = 4
EXIT_INTERRUPTED = 130


def bench(said: Mapping[str, object]) -> int:
    """Measure, show, write: `said` are the command line's flags.

    Exit code 0; 4 if the numbers are not to be believed; 130 if it was interrupted.
    """
    options, outputs = read_flags(said)
    _check_writable(outputs)
    console = Console(stderr=True)
    found = discover(options)
    for note in found.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    if options.search is not None:
        return _search(options, outputs, found, console)
    with _interruptible() as interrupt, LiveView(console, options) as live:
        benched = run(options, found, live, lambda: interrupt.asked)
    print_summary(Console(file=sys.stdout), benched.report)
    _write(benched, outputs)
    if benched.report.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_NOT_BELIEVED if benched.report.reasons else 0


def _search(options: BenchOptions, outputs: Outputs, found: Found, console: Console) -> int:
    """One line for each load, then what was found."""
    shown = Console(file=sys.stdout)
    with _interruptible() as interrupt, LiveView(console, options) as live:
        report = search(options, found, live, lambda: interrupt.asked, lambda one: print_load(shown, one))
    print_finding(shown, report)
    if outputs.json is not None:
        write_atomic(outputs.json, _indented(msgspec.json.encode(report)))
    if report.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_NOT_BELIEVED if report.doubt else 0


class Interrupt:
    """Ctrl-C once ends the load and keeps what was measured; twice ends the program."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def _interruptible() -> Iterator[Interrupt]:
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def _check_writable(outputs: Outputs) -> None:
    """Before the measurement, not after it."""
    for path in (outputs.json, outputs.vllm_json, outputs.plot):
        if path is not None and not path.parent.is_dir():
            raise FleetError(f"{path}: there is no folder {path.parent}")


def _write(benched: Benched, outputs: Outputs) -> None:
    if outputs.json is not None:
        write_atomic(outputs.json, _indented(msgspec.json.encode(benched.report)))
    if outputs.vllm_json is not None:
        write_atomic(outputs.vllm_json, _indented(msgspec.json.encode(vllm_result(benched))))
    if outputs.plot is not None:
        write_atomic(outputs.plot, picture(benched).encode())


def _indented(data: bytes) -> bytes:
    return msgspec.json.format(data, indent=1) + b"\n"
