"""Options of the front door that several commands share, so that they all speak the same words."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from matrix.select import NAMES, NUMBERS, parse_selector

if TYPE_CHECKING:
    from collections.abc import Callable

    Shown = TypeVar("Shown")

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
