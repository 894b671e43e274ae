from __future__ import annotations

from pathlib import Path

import pytest

from matrix.check import check
from matrix.fleet import load_fleet
from tests.fleets import write_fleet

ENGINE = """\
engine-x:
  name: Engine X
  source: its manual
  devices: [cpu]
  dialect: {}
  flags:
    batch: {type: int, min: 1, max: 64}
    share: {type: float, min: 0.1, max: 0.9}
    format: {type: str, choices: [auto, fp8]}
    eager: {type: switch}
    log-file: {type: str, choices: [none], reads_path: true}
  env:
    X_THREADS: {type: int, min: 1, max: 8, source: its manual}
    X_MODE: {type: str, choices: ["0", "1"], source: its manual}
  fleet_sets: {host: the launcher binds to loopback}
  refused: {plugin: loads code, LD_PRELOAD: loads code}
"""


def said(root: Path, old: str = "", new: str = "", recipe: str = "") -> str:
    assert old in ENGINE
    fleet = write_fleet(root)
    (fleet / "engines" / "x.yaml").write_text(ENGINE.replace(old, new, 1) if old else ENGINE)
    if recipe:
        (fleet / "recipes" / "x.yaml").write_text(recipe)
    return "\n".join(str(problem) for problem in check(load_fleet(fleet)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{type: int, min: 1, max: 64}", "{type: int, min: 1}", "'batch' is not bounded"),
        ("max: 0.9", 'help: "a share"', "'share' is not bounded"),
        ("{type: str, choices: [auto, fp8]}", "{type: str}", "'format' takes any text"),
        ("    eager:", "    trust-remote-code:", "the core's to set, per model"),
        ("    eager:", "    trust_remote_code:", "the core's to set, per model"),
        ("    eager:", "    host: {type: switch}\n    eager:", "'host' is allowed and in `fleet_sets`"),
        ("    eager:", "    plugin: {type: switch}\n    eager:", "'plugin' is allowed and in `refused`"),
        ("refused: {plugin: loads code", "refused: {host: loads code", "'host' is in two lists"),
        ("plugin: loads code", "plugin: ''", "'plugin' has no reason"),
        ('choices: ["0", "1"], source: its manual', 'choices: ["0", "1"]', "X_MODE has no source"),
        ('type: str, choices: ["0", "1"]', "type: switch", "X_MODE cannot be a switch"),
        ("max: 8, source", "max: 8, depends_on_concurrency: scale, source", "X_THREADS cannot follow anything"),
    ],
)
def test_a_loose_allow_list_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in said(tmp_path, old, new)


RECIPE = """\
with-x:
  model: tiny
  gpu: cpu
  engine: engine-x
  precision: q8_0
  flags: FLAGS
  env: ENV
  layouts:
    - points: {short: [1]}
  source: a test
"""


@pytest.mark.parametrize(
    ("flags", "env", "words"),
    [
        ("{host: loopback}", "{}", "'host' is not a recipe's to set: the launcher binds to loopback"),
        ("{plugin: mine}", "{}", "'plugin' is refused for Engine X: loads code"),
        ("{log-file: none}", "{}", "names a file, which no recipe may"),
        ("{}", '{X_MODE: "2"}', "known: 0, 1"),
        ("{}", '{X_THREADS: "9"}', "9 is above 8"),
        ("{}", '{X_THREADS: "many"}', "'many' is not a whole number"),
        ("{}", '{X_THREADS: "1.5"}', "1.5 is not a whole number"),
        ("{}", '{X_THREAD: "1"}', "did you mean 'X_THREADS'?"),
        ("{}", '{LD_PRELOAD: "1"}', "variable 'LD_PRELOAD' is refused for Engine X: loads code"),
        ("{}", '{PYTHONPATH: "1"}', "unknown variable 'PYTHONPATH'"),
    ],
)
def test_a_recipe_can_set_only_what_is_listed(tmp_path: Path, flags: str, env: str, words: str) -> None:
    assert words in said(tmp_path, recipe=RECIPE.replace("FLAGS", flags).replace("ENV", env))


def test_a_tight_list_and_a_recipe_within_it_have_no_problem(tmp_path: Path) -> None:
    recipe = RECIPE.replace("FLAGS", "{batch: 4, format: fp8}").replace("ENV", '{X_MODE: "1", X_THREADS: "8"}')
    assert said(tmp_path, recipe=recipe) == ""
