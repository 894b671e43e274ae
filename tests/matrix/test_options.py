from __future__ import annotations

import click
from click.testing import CliRunner

from inferfleet import cli
from matrix.options import selection
from matrix.select import EVERYTHING, NAMES, NUMBERS, Selector, parse_selector


def test_a_command_receives_one_selector() -> None:
    seen: list[Selector] = []

    @click.command()
    @click.option("--other")
    @selection
    def command(other: str, selector: Selector) -> None:
        seen.append(selector)

    runner = CliRunner()
    runner.invoke(command, ["--other", "x"], catch_exceptions=False)
    runner.invoke(command, ["--gpu", "h100,h200", "--gpu", "mi3*", "--conc", "4..64"], catch_exceptions=False)
    assert seen == [EVERYTHING, parse_selector({"gpu": ["h100", "h200", "mi3*"], "conc": ["4..64"]})]


def test_list_plan_and_run_speak_the_same_words() -> None:
    spoken = {
        name: {option for parameter in cli.commands[name].params for option in parameter.opts}
        for name in ("list", "plan", "run")
    }
    words = {f"--{field}" for field in (*NAMES, *NUMBERS)}
    assert {name: words - options for name, options in spoken.items()} == {"list": set(), "plan": set(), "run": set()}
