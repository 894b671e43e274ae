from __future__ import annotations

import click
import pytest
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


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--gpu-hours", "nan"),
        ("plan", "--gpu-hours", "inf"),
        ("plan", "--seed", "-1"),
        ("plan", "--seed", str(1 << 63)),
        ("simulate", "--gpu-hours", "nan"),
        ("select", "--plan", "p", "--out", "o", "--hours", "nan"),
        ("select", "--plan", "p", "--out", "o", "--hours", "inf"),
        ("select", "--plan", "p", "--out", "o", "--hours", "1e18"),
        ("run", "--plan", "p", "--out", "o", "--attempt", "10000"),
        ("bench", "http://127.0.0.1:1", "--rate", "nan"),
        ("bench", "http://127.0.0.1:1", "--seconds", "inf"),
        ("bench", "http://127.0.0.1:1", "--slo-ttft-s", "nan"),
        ("bench", "http://127.0.0.1:1", "--slo-ttft-s", "-1"),
        ("bench", "http://127.0.0.1:1", "--ratio", "nan"),
        ("selftest", "--itl-ms", "nan"),
    ],
)
def test_a_number_nobody_can_count_with_is_a_mistake_of_usage(words: tuple[str, ...]) -> None:
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 2
    assert f"Invalid value for '{words[-2]}'" in found.output


@pytest.mark.parametrize("token", ["caf\u00e9", "a\nb", "a\x7f"])
def test_a_token_that_no_header_holds_is_a_mistake_that_does_not_repeat_it(token: str) -> None:
    github = ("github", "--repository", "a/b", "--token", token, "fetch-plan", "--run", "1", "--out", "p")
    for words in (github, ("pin", "--dry-run", "--hub-token", token)):
        found = CliRunner().invoke(cli, words)
        assert found.exit_code == 2
        assert ": is not one line of printable ASCII" in found.output
        assert token not in found.output


def test_list_plan_and_run_speak_the_same_words() -> None:
    spoken = {
        name: {option for parameter in cli.commands[name].params for option in parameter.opts}
        for name in ("list", "plan", "run")
    }
    words = {f"--{field}" for field in (*NAMES, *NUMBERS)}
    assert {name: words - options for name, options in spoken.items()} == {"list": set(), "plan": set(), "run": set()}
