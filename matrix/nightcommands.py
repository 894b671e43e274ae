"""What `inferfleet plan --night` does, as text in and text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.commands import tonight
from matrix.explain import explain
from matrix.fleet import DATA, load_fleet
from matrix.history import NO_HISTORY, read_history
from matrix.nightplan import Asked, build_night
from matrix.nighttext import night_text
from matrix.planfile import write_plan
from matrix.rota import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from matrix.options import NightOptions
    from matrix.select import Selector


def asked_for(options: NightOptions, selector: Selector) -> Asked:
    """The options of a night, with the history they name."""
    return Asked(
        policy=Policy(window_minutes=options.window_minutes, gpu_hours=options.gpu_hours),
        history=NO_HISTORY if options.history is None else read_history(options.history),
        selector=selector,
        even_blocked=options.even_blocked,
    )


def make_night(root: Path | None, night: str, seed: int | None, asked: Asked, out: Path) -> str:
    """Write the plan of a whole night and say what is in it."""
    plan = build_night(load_fleet(root or DATA), tonight(night, seed), asked)
    write_plan(plan, out)
    return f"{out}: {night_text(plan)}"


def explain_night(root: Path | None, night: str, seed: int | None, asked: Asked, name: str) -> str:
    """Why a point or recipe is in that night, or when it will be. Writes nothing."""
    fleet = load_fleet(root or DATA)
    return explain(fleet, name, plan=build_night(fleet, tonight(night, seed or 0), asked))
