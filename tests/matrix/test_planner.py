from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from matrix.errors import DataProblems, FleetError
from matrix.facts import Flag
from matrix.fleet import load_fleet
from matrix.identity import recipe_digest
from matrix.jobs import Night
from matrix.plan import Plan, planned_points
from matrix.planfile import find_job, read_plan, write_plan
from matrix.planner import build_plan
from matrix.point import digest
from matrix.select import parse_selector
from tests.fleets import RECIPE, write_fleet

NIGHT = Night(run_id="r1", date="2026-01-31", seed=7, git_sha="unknown")


def plan_of(root: Path, recipe: str = RECIPE, night: Night = NIGHT) -> Plan:
    return build_plan(load_fleet(write_fleet(root, recipe=recipe)), "this-machine", night)


def test_a_plan_holds_every_point_once_and_reads_back_equal(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert sorted(planned_points(plan)) == [
        "tiny-cpu.batched.short.c1", "tiny-cpu.batched.short.c4", "tiny-cpu.slots2.long.c2", "tiny-cpu.slots2.short.c1",
    ]  # fmt: skip
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def test_the_order_of_points_is_drawn_from_the_seed(tmp_path: Path) -> None:
    recipe = RECIPE.replace("[1, 4]", "[1, 2, 3, 4, 5, 6, 7, 8]")
    orders = set()
    for seed in range(5):
        night = Night(run_id="r1", date="2026-01-31", seed=seed, git_sha="unknown")
        plan, again = plan_of(tmp_path, recipe, night), plan_of(tmp_path, recipe, night)
        assert plan == again
        orders.add(tuple(point.id for point in plan.jobs[0].points))
    assert len(orders) > 1


def test_a_recipe_for_another_gpu_is_left_out_and_named(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "gpus" / "h.yaml").write_text("h1:\n  name: H\n  device: cpu\n  source: a test\n")
    other = RECIPE.replace("tiny-cpu:", "tiny-h1:").replace("gpu: cpu", "gpu: h1")
    (root / "recipes" / "h.yaml").write_text(other)
    plan = build_plan(load_fleet(root), "this-machine", NIGHT)
    assert {left.id.split(".")[0] for left in plan.left_out} == {"tiny-h1"}
    assert "needs h1; host this-machine has cpu" in plan.left_out[0].why


def test_a_fleet_that_does_not_check_is_not_planned(tmp_path: Path) -> None:
    with pytest.raises(DataProblems, match="unknown flag"):
        plan_of(tmp_path, RECIPE.replace("parallel: 2", "paralel: 2"))


def test_unknown_names_get_the_nearest(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    with pytest.raises(FleetError, match="did you mean 'this-machine'"):
        build_plan(fleet, "this-machin", NIGHT)
    with pytest.raises(FleetError, match="did you mean 'tiny-cpu'"):
        build_plan(fleet, "this-machine", NIGHT, parse_selector({"recipe": ["tiny-cpus"]}))
    with pytest.raises(FleetError, match=r"did you mean 'tiny-cpu\.batched"):
        find_job(plan_of(tmp_path), "tiny-cpu.batched")


def test_the_recipe_digest_ignores_the_list_of_points_and_the_image(tmp_path: Path) -> None:
    plain = load_fleet(write_fleet(tmp_path / "a"))
    more = load_fleet(write_fleet(tmp_path / "b", recipe=RECIPE.replace("[1, 4]", "[1, 4, 16]")))
    image = load_fleet(write_fleet(tmp_path / "c", recipe=RECIPE.replace("  layouts:", "  image: x\n  layouts:")))
    assert recipe_digest(plain, "tiny-cpu") == recipe_digest(more, "tiny-cpu")
    assert recipe_digest(plain, "tiny-cpu") == recipe_digest(image, "tiny-cpu")


def test_what_joins_the_servers_begins_another_history(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    joined = msgspec.structs.replace(fleet.recipes["tiny-cpu"], orchestrator="dynamo")
    assert recipe_digest(fleet, "tiny-cpu") != recipe_digest(replace(fleet, recipes={"tiny-cpu": joined}), "tiny-cpu")


def test_a_recipes_variables_are_in_the_plan_and_begin_another_history(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    engine = msgspec.structs.replace(
        fleet.engines["llamacpp"], env={"FAST": Flag(type="str", choices=("0", "1"), help="a test", source="a test")}
    )
    recipe = msgspec.structs.replace(fleet.recipes["tiny-cpu"], env={"FAST": "1"})
    set_one = replace(fleet, engines={**fleet.engines, "llamacpp": engine}, recipes={"tiny-cpu": recipe})
    plain, with_env = (build_plan(one, "this-machine", NIGHT).jobs[0].server for one in (fleet, set_one))
    assert (plain.env, with_env.env) == ({}, {"FAST": "1"})
    assert plain.args == with_env.args
    assert plain.args_digest == digest(plain.args) != with_env.args_digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a plan"),
        ('{"schema_version": 1}', "missing required field"),
        ('{"schema_version": 99}', "plan again"),
        ("[]", "is not a plan"),
    ],
)
def test_a_file_that_is_not_a_plan_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(FleetError, match=words):
        read_plan(tmp_path / "plan.json")


FOREIGN = """\
pod:
  label: pod
  gpu: tpu-v6e
  devices: 8
  machines: 2
  linked: true
instance:
  label: instance
  gpu: trainium2
  devices: 16
"""


def test_a_host_of_another_kind_of_device_is_a_line_of_data(tmp_path: Path) -> None:
    """No branch on a vendor: a TPU pod and a Trainium instance plan what asks for them, once an engine runs there."""
    root = write_fleet(tmp_path)
    (root / "hosts" / "foreign.yaml").write_text(FOREIGN)
    for gpu, device in (("tpu-v6e", "tpu"), ("trainium2", "trainium")):
        engine = f"e-{device}:\n  name: E\n  source: a test\n  devices: [{device}]\n  dialect: {{}}\n"
        (root / "engines" / f"{device}.yaml").write_text(engine + "  flags: {parallel: {type: int, min: 1, max: 9}}\n")
        recipe = RECIPE.replace("tiny-cpu:", f"tiny-{device}:").replace("gpu: cpu", f"gpu: {gpu}")
        recipe = recipe.replace("llamacpp", f"e-{device}").replace("concurrency", "4")
        (root / "recipes" / f"{device}.yaml").write_text(recipe)
    fleet = load_fleet(root)
    for host, recipe_id in (("pod", "tiny-tpu"), ("instance", "tiny-trainium")):
        plan = build_plan(fleet, host, NIGHT)
        assert {job.recipe for job in plan.jobs} == {recipe_id}
        assert len(planned_points(plan)) == 4
        assert all(left.elsewhere for left in plan.left_out)


def test_a_selection_never_changes_what_a_server_is_started_with(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, recipe=RECIPE.replace("[1, 4]", "[1, 4, 16]")))
    whole = {job.id: job for job in build_plan(fleet, "this-machine", NIGHT).jobs}
    (some,) = build_plan(fleet, "this-machine", NIGHT, parse_selector({"layout": ["batched"], "conc": ["1"]})).jobs
    assert some.server == whole[some.id].server
    assert some.server.args[some.server.args.index("--parallel") + 1] == "16"
    assert (len(some.points), some.of_points) == (1, 3)
    assert some.expected_minutes < whole[some.id].expected_minutes
