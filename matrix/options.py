"""Options of the front door that several commands share, so that they all speak the same words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from matrix.errors import FleetError
from matrix.select import NAMES, NUMBERS, parse_selector

if TYPE_CHECKING:
    from collections.abc import Callable

    Shown = TypeVar("Shown")


class Finite(click.FloatRange):
    """A number in a range; click's own lets `nan` through, which is neither below a minimum nor above a maximum."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click's, for a finite number."""
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a number to count with.", param, ctx)
        return found


class Token(click.ParamType[str]):
    """A secret that goes into a header. What is wrong with it is said without it."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As given, if a header can hold it."""
        text = str(value)
        if not is_token(text):
            self.fail(UNSENDABLE, param, ctx)
        return text


UNSENDABLE = "is not one line of printable ASCII, as every token is"


def is_token(text: str) -> bool:
    return text.isascii() and text.isprintable()


FLEET = click.option(
    "--fleet",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder of fleet data. Default: matrix/data.",
)


PLAN = click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The plan.json of this run.",
)


def selection(command: Callable[..., Shown]) -> Callable[..., Shown]:
    """Add `--model`, `--gpu`, `--conc` and the others to a command, which receives them as one `selector`."""
    texts = {**NAMES, **NUMBERS}

    @wraps(command)
    def with_selector(**options: object) -> Shown:
        asked = {field: cast("tuple[str, ...]", options.pop(f"only_{field}")) for field in texts}
        return command(selector=parse_selector(asked), **options)

    decorated: Callable[..., Shown] = with_selector
    for field, text in reversed(texts.items()):
        kind = "GLOB,.." if field in NAMES else "N,A..B,.."
        decorated = click.option(f"--{field}", f"only_{field}", multiple=True, metavar=kind, help=text)(decorated)
    return decorated


@dataclass(frozen=True, slots=True, kw_only=True)
class NightOptions:
    """What a night has to work with.

    `even_blocked` counts jobs in that must not be launched, `unpinned` those whose image or model could change.
    """

    window_minutes: float
    gpu_hours: float | None
    history: Path | None
    even_blocked: bool
    unpinned: bool
    seed: int | None
    max_age: int


def night_options(command: Callable[..., Shown]) -> Callable[..., Shown]:
    """Add `--window`, `--gpu-hours` and what else makes a night; a command gets them as `options`."""

    @wraps(command)
    def with_options(
        window: str,
        gpu_hours: float | None,
        history: Path | None,
        seed: int | None,
        max_age: int,
        *,
        even_blocked: bool,
        unpinned: bool,
        **others: object,
    ) -> Shown:
        options = NightOptions(
            window_minutes=minutes_of(window),
            gpu_hours=gpu_hours,
            history=history,
            even_blocked=even_blocked,
            unpinned=unpinned,
            seed=seed,
            max_age=max_age,
        )
        return command(options=options, **others)

    decorated: Callable[..., Shown] = with_options
    for option in reversed(_NIGHT):
        decorated = option(decorated)
    return decorated


_NIGHT = (
    click.option("--window", default="12h", show_default=True, help="Length of the night: 12h, 90m."),
    click.option(
        "--gpu-hours",
        type=Finite(min=0, min_open=True),
        default=None,
        help="GPU-hours a night may hold. Default: all of the window.",
    ),
    click.option(
        "--history",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        help="history.json of the dataset: what was measured when, and how long it took.",
    ),
    click.option(
        "--max-age",
        type=click.IntRange(1, 365),
        default=7,
        show_default=True,
        help="Measure every point at least once in so many nights.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, (1 << 63) - 1),
        default=None,
        help="Seed of all that is drawn. Default: random.",
    ),
    click.option("--unpinned", is_flag=True, help="Plan what has no digest or revision, too: for `run --unpinned`."),
    click.option("--even-blocked", is_flag=True, help="Count in what must not be launched, to see what it would take."),
)

_DURATION = re.compile(r"(?P<number>\d{1,4}(\.\d{1,3})?)(?P<unit>[hm])", re.ASCII)


def minutes_of(text: str) -> float:
    """`12h`, `90m` or `1.5h`, at most a day."""
    match = _DURATION.fullmatch(text)
    minutes = float(match["number"]) * (60 if match["unit"] == "h" else 1) if match else 0.0
    if not 0 < minutes <= 24 * 60:
        raise FleetError(f"{text!r} is not a length of time up to 24 hours: write it as 12h or 90m")
    return minutes
