"""The selection options of the front door: one group, so that every command speaks the same words."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar, cast

import click

from matrix.select import NAMES, NUMBERS, parse_selector

if TYPE_CHECKING:
    from collections.abc import Callable

    Shown = TypeVar("Shown")


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
