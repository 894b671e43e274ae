"""What `inferfleet plan --night` and `inferfleet simulate` do, as text in and text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from matrix.candidates import ordinal
from matrix.check import check
from matrix.commands import tonight
from matrix.errors import DataProblems
from matrix.explain import explain
from matrix.fleet import DATA, load_fleet
from matrix.history import NO_HISTORY, read_history
from matrix.nightplan import Asked, build_night
from matrix.nighttext import night_text
from matrix.planfile import write_plan
from matrix.rota import Policy
from matrix.select import EVERYTHING
from matrix.simulate.report import study_text
from matrix.simulate.study import Question, study
from matrix.simulate.world import MEASURED, PERFECT

if TYPE_CHECKING:
    from pathlib import Path

    from matrix.options import NightOptions
    from matrix.select import Selector


def asked_for(options: NightOptions, selector: Selector) -> Asked:
    """The options of a night, with the history they name."""
    return Asked(
        policy=Policy(window_minutes=options.window_minutes, gpu_hours=options.gpu_hours, stale_nights=options.max_age),
        history=NO_HISTORY if options.history is None else read_history(options.history),
        selector=selector,
        even_blocked=options.even_blocked,
        even_unpinned=options.unpinned,
    )


def make_night(root: Path | None, night: str, seed: int | None, asked: Asked, out: Path) -> str:
    """Write the plan of a whole night and say what is in it."""
    plan = build_night(load_fleet(root or DATA), tonight(night, seed), asked)
    write_plan(plan, out)
    return f"{out}: {night_text(plan)}"


def explain_night(root: Path | None, night: str, seed: int | None, asked: Asked, name: str) -> str:
    """Why a point or recipe is in that night, or when it will be. Writes nothing."""
    fleet = load_fleet(root or DATA)
    plan = build_night(fleet, tonight(night, seed or 0), asked)
    return explain(fleet, name, plan=plan, to_split=asked.history.to_split)


def simulate(root: Path | None, nights: int, options: NightOptions, *, perfect: bool, as_json: bool) -> str:
    """Play the plan for many nights beside its alternatives; tables, or everything as JSON."""
    fleet = load_fleet(root or DATA)
    if problems := check(fleet):
        raise DataProblems(problems)
    asked = asked_for(options, EVERYTHING)
    found = study(
        Question(
            fleet=fleet,
            history=asked.history,
            policy=asked.policy,
            world=PERFECT if perfect else MEASURED,
            nights=nights,
            first=ordinal(asked.history.until or "2026-01-01") + 1,
            seed=options.seed or 0,
            even_blocked=asked.even_blocked,
            even_unpinned=asked.even_unpinned,
        )
    )
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode() if as_json else study_text(found)
