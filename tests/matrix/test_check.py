from __future__ import annotations

from pathlib import Path

import pytest

from matrix.check import check
from matrix.fleet import DATA, load_fleet
from tests.fleets import MODEL, RECIPE, WORKLOADS, write_fleet


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


TEXT = """\
short:
  kind: reference
  name: text
  set: "{0}"
  tokenizer: "{0}"
  isl: 64
  osl: 8
long:
  kind: random
  name: random
  isl: 8
  osl: 8
""".format("a" * 64)


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        ("a" * 64, None),
        ("b" * 64, "short has prompts for another tokenizer than that of tiny"),
        (None, "short has prompts for one tokenizer, and tiny does not say which is its own"),
    ],
)
def test_reference_prompts_of_another_tokenizer_are_refused(
    tmp_path: Path, tokenizer: str | None, words: str | None
) -> None:
    model = MODEL if tokenizer is None else f'{MODEL}  tokenizer: "{tokenizer}"\n'
    problems = check(load_fleet(write_fleet(tmp_path, model=model, workloads=TEXT)))
    said = "\n".join(str(problem) for problem in problems)
    assert (words or "") in said
    assert bool(problems) is (words is not None)
    assert not problems or ("recipes/test.yaml:10" in said and "inferfleet prompts build" in said)


def test_groups_that_share_nothing_are_a_mistake(tmp_path: Path) -> None:
    workloads = WORKLOADS.replace("  osl: 64\n", "  osl: 64\n  prefix_groups: 4\n")
    (problem,) = check(load_fleet(write_fleet(tmp_path, workloads=workloads)))
    assert "workloads/test.yaml:6: workloads/short: `prefix_groups` without `shared_prefix_share`" in str(problem)


def test_a_host_that_names_its_machines_names_all_of_them(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "hosts" / "pool.yaml").write_text("pool:\n  label: pool\n  gpu: cpu\n  machines: 3\n  devices: 1\n"
                                              "  runners: [m_0, m_1]\n")  # fmt: skip
    (problem,) = check(load_fleet(root))
    assert "pool.yaml:4: hosts/pool: `machines` is 3, and `runners` names 2" in str(problem)
