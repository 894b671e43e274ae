from __future__ import annotations

from pathlib import Path

import pytest

from matrix.check import check
from matrix.fleet import DATA, load_fleet
from tests.fleets import RECIPE, write_fleet


def said(root: Path, old: str, new: str) -> str:
    assert old in RECIPE
    problems = check(load_fleet(write_fleet(root, recipe=RECIPE.replace(old, new, 1))))
    return "\n".join(str(problem) for problem in problems)


def test_the_shipped_data_has_no_problem() -> None:
    assert check(load_fleet(DATA)) == []


def test_a_misspelt_flag_is_named_with_its_line_and_the_nearest_flag(tmp_path: Path) -> None:
    text = said(tmp_path, "{parallel: concurrency}", "{paralel: 4}")
    assert "recipes/test.yaml:8: recipe tiny-cpu: unknown flag 'paralel'" in text
    assert "did you mean 'parallel'?" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("model: tiny", "model: tinny", "did you mean 'tiny'?"),
        ("gpu: cpu", "gpu: abacus", "unknown gpu 'abacus'"),
        ("engine: llamacpp", "engine: lamacpp", "did you mean 'llamacpp'?"),
        ("engine: llamacpp", "engine: vllm", "unknown flag 'parallel'"),
        ("short: [1, 4]", "shrt: [1, 4]", "did you mean 'short'?"),
        ("short: [1, 4]", "short: [4, 4]", "missing or repeated"),
        ("short: [1, 4]", "short: []", "missing or repeated"),
        ("name: slots2", "name: batched", "two layouts are called 'batched'"),
        ("name: slots2", "name: slots2\n      tp: 2", "no flag for tp=2"),
        ("{parallel: 2}", "{parallel: 0}", "0 is below 1"),
        ("{parallel: 2}", "{parallel: 2.5}", "not a whole number"),
        ("{parallel: 2}", "{parallel: lots}", "not a whole number"),
        ("{parallel: 2}", "{flash-attn: maybe}", "known: auto, off, on"),
        ("{parallel: 2}", "{ubatch-size: concurrency}", "cannot follow the concurrency"),
        ("{parallel: 2}", "{ubatch-size: {steps: [[4, 64]]}}", "does not depend on concurrency"),
        ("{parallel: 2}", "{parallel: {steps: [[8, 2], [4, 1]]}}", "bounds do not rise"),
        ("{parallel: 2}", "{parallel: {steps: [[8, 0]]}}", "0 is below 1"),
        ("{parallel: 2}", "{kv-unified: 1}", "not true or false"),
        ("source: a test", 'source: " "', "has no source"),
    ],
)
def test_every_disagreement_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in said(tmp_path, old, new)


def test_a_recipe_without_layouts_measures_nothing(tmp_path: Path) -> None:
    recipe = RECIPE[: RECIPE.index("  layouts:")] + "  layouts: []\n  source: a test\n"
    problems = check(load_fleet(write_fleet(tmp_path, recipe=recipe)))
    assert "measures nothing" in str(problems[0])


def test_a_host_that_names_its_machines_names_all_of_them(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "hosts" / "pool.yaml").write_text("pool:\n  label: pool\n  gpu: cpu\n  machines: 3\n  devices: 1\n"
                                              "  runners: [m_0, m_1]\n")  # fmt: skip
    (problem,) = check(load_fleet(root))
    assert "pool.yaml:4: hosts/pool: `machines` is 3, and `runners` names 2" in str(problem)
