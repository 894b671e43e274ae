from __future__ import annotations

from pathlib import Path

import pytest

from matrix.diff import FleetDiff, diff, diff_text
from matrix.fleet import load_fleet
from tests.fleets import MODEL, RECIPE, WORKLOADS, write_fleet

VLLM = """\
tiny-cpu:
  model: tiny
  gpu: cpu
  engine: vllm
  precision: bf16
  layouts:
    - tp: 1
      points: {short: [1]}
  source: a test
"""


def compared(root: Path, recipe: str = RECIPE, model: str = MODEL, workloads: str = WORKLOADS) -> FleetDiff:
    before = load_fleet(write_fleet(root / "before"))
    after = load_fleet(write_fleet(root / "after", recipe=recipe, model=model, workloads=workloads))
    return diff(before, after)


def text(found: FleetDiff) -> str:
    return "\n".join(diff_text(found))


def test_the_same_data_differs_in_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert (found.recipes, found.points, found.starts) == ((), (4, 4), (2, 2))
    assert found.gpu_hours[0] == found.gpu_hours[1] > 0


def test_what_is_only_a_label_changes_nothing(tmp_path: Path) -> None:
    assert compared(tmp_path, RECIPE.replace("source: a test", "source: a better one")).recipes == ()
    assert compared(tmp_path, workloads=WORKLOADS.replace("max_s: 20", "max_s: 30")).recipes == ()


def test_one_more_concurrency_is_added_and_ends_the_histories_it_changes_the_server_of(tmp_path: Path) -> None:
    (recipe,) = compared(tmp_path, RECIPE.replace("[1, 4]", "[1, 4, 16]")).recipes
    assert (recipe.sign, recipe.added, recipe.removed) == ("~", ("tiny-cpu.batched.short.c16",), ())
    assert recipe.changed == dict.fromkeys(
        ("tiny-cpu.batched.short.c1", "tiny-cpu.batched.short.c4"),
        "server arguments --ctx-size 576 -> 2304, --parallel 4 -> 16",
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("precision: q8_0", "precision: q4_1", "precision q8_0 -> q4_1"),
        ("{parallel: 2}", "{parallel: 2, kv-unified: true}", "server arguments +--kv-unified"),
        ("    - name: slots2", "    - name: slots2\n      serving: {kv_transfer: nixl}", "its serving"),
    ],
)
def test_what_ends_a_history_says_why(tmp_path: Path, old: str, new: str, why: str) -> None:
    (recipe,) = compared(tmp_path, RECIPE.replace(old, new)).recipes
    assert not recipe.added
    assert not recipe.removed
    assert {reason for reason in recipe.changed.values() if why in reason}
    assert f"a new history begins: {why}" in text(compared(tmp_path, RECIPE.replace(old, new)))


def test_a_new_image_is_named_and_ends_no_history(tmp_path: Path) -> None:
    found = compared(tmp_path, RECIPE.replace("  layouts:", "  image: x:1\n  layouts:"))
    assert [(recipe.changed, recipe.image) for recipe in found.recipes] == [({}, "image none -> x:1")]
    assert "= image none -> x:1: measured anew at once" in text(found)
    assert "a new history begins" not in text(found)


def test_other_weights_under_the_same_name_end_every_history(tmp_path: Path) -> None:
    (recipe,) = compared(tmp_path, model=MODEL.replace("PATH", "OTHER")).recipes
    assert set(recipe.changed.values()) == {"the weights of tiny"}
    assert len(recipe.changed) == 4


def test_a_new_recipe_and_one_that_is_gone_are_signed(tmp_path: Path) -> None:
    found = compared(tmp_path, RECIPE.replace("tiny-cpu:", "tiny-other:"))
    assert [(one.sign, one.id) for one in found.recipes] == [("+", "tiny-other"), ("-", "tiny-cpu")]
    lines = text(found).splitlines()
    assert lines[0] == "+ tiny-other"
    assert lines[1] == "    + 4 points (batched.short c1 c4, slots2.long c2, slots2.short c1)"
    assert "points: 4 -> 4 (4 added, 4 removed, 0 changed)" in lines


def test_more_devices_cost_more_gpu_hours(tmp_path: Path) -> None:
    one = load_fleet(write_fleet(tmp_path / "1", recipe=VLLM))
    four = load_fleet(write_fleet(tmp_path / "4", recipe=VLLM.replace("tp: 1", "tp: 4")))
    found = diff(one, four)
    assert found.gpu_hours[1] == pytest.approx(4 * found.gpu_hours[0])
    (recipe,) = found.recipes
    assert (recipe.added, recipe.removed) == (("tiny-cpu.tp4.short.c1",), ("tiny-cpu.tp1.short.c1",))
