from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from matrix.blocked import why_blocked
from matrix.check import check
from matrix.expand import expand
from matrix.fleet import Fleet, load_fleet
from matrix.importers.files import empty_fleet, import_inferencex
from matrix.importers.inferencex import Imported, import_masters
from matrix.importers.report import Kind
from matrix.importers.theirs import Runners, runners
from matrix.pack import yard_of
from matrix.point import Point, point_id, point_key
from matrix.rota import Policy
from matrix.serving import device_count
from matrix.yamlfile import Value, parse_yaml
from tests.matrix.importers.inferencex_rows import context_margins, our_points, their_points

DATA = Path(__file__).parents[2] / "data" / "inferencex"
DECEMBER = (DATA / "2025-12-nvidia-master.yaml", DATA / "2025-12-amd-master.yaml")
AUGUST = (DATA / "2026-08-nvidia-slice.yaml",)
FLAGS = DATA / "server-flags-slice.json"


@cache
def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def december(out: Path) -> tuple[Imported, Fleet]:
    return import_inferencex(DECEMBER, DATA / "2025-12-runners.yaml", FLAGS, out), load_fleet(out)


def august(out: Path) -> tuple[Imported, Fleet]:
    return import_inferencex(AUGUST, DATA / "2026-08-runners-slice.yaml", FLAGS, out), load_fleet(out)


def imported(text: str, labels: str = "h200: [h200-a_0]") -> Imported:
    """An import without any known fact, of one master written in a test."""
    machines = runners(parse_yaml(labels.encode(), "runners.yaml").value)
    return import_masters({"m.yaml": parse_yaml(text.encode(), "m.yaml").value}, machines, (), empty_fleet())


def said(found: Imported, kind: Kind) -> list[str]:
    return [finding.what for finding in found.report.findings if finding.kind is kind]


MASTER = """\
dsr1-fp8-h200-sglang:
  image: lmsysorg/sglang:v0.5.5
  model: deepseek-ai/DeepSeek-R1-0528
  model-prefix: dsr1
  runner: h200
  precision: fp8
  framework: sglang
  multinode: false
  seq-len-configs:
  - isl: 1024
    osl: 1024
    search-space:
    - { tp: 8, conc-start: 4, conc-end: 24 }
"""


def test_december_2025_expands_to_exactly_their_points(tmp_path: Path) -> None:
    found, fleet = december(tmp_path)
    theirs, ours = list(their_points(rows("2025-12-oracle.jsonl"))), list(our_points(fleet))
    assert set(ours) == set(theirs)
    assert (len(theirs), len(ours), found.report.points) == (638, 638, 638)
    assert context_margins(rows("2025-12-oracle.jsonl")) == {200}


def test_august_2026_expands_to_exactly_their_points_less_their_exact_duplicates(tmp_path: Path) -> None:
    found, fleet = august(tmp_path)
    theirs, ours = list(their_points(rows("2026-08-oracle-slice.jsonl"))), list(our_points(fleet))
    assert set(ours) == set(theirs)
    assert len(ours) == len(set(ours))
    assert len(theirs) - len(ours) == found.report.asked - found.report.points == 3
    assert "a point of qwen3.5-fp8-b300-sglang-agentic-mtp" in said(found, Kind.DUPLICATE)


@pytest.mark.parametrize("era", [december, august])
def test_an_imported_fleet_checks_and_no_two_points_share_a_key_or_an_id(era: Any, tmp_path: Path) -> None:
    _, fleet = era(tmp_path)
    assert check(fleet) == []
    points = [item for item in expand(fleet) if isinstance(item, Point)]
    assert len({point_key(point) for point in points}) == len({point_id(point) for point in points}) == len(points)


def test_importing_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    august(tmp_path)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")}
    august(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")} == first


def test_what_cannot_be_said_is_listed_and_counted(tmp_path: Path) -> None:
    found, _ = august(tmp_path)
    counted = {finding.what: len(finding.places) for finding in found.report.findings}
    assert counted["the sizes of a pool without workers"] == 14
    assert counted["`disagg: true` on an entry with one pool only"] == 2
    assert counted["server flags: their multi-node launcher keeps flags in files of its own"] == 8
    assert "14 x the sizes of a pool without workers: kimik3-fp4-h200-vllm-agentic" in found.report.text()


def test_only_recipes_with_every_flag_of_their_script_may_be_launched(tmp_path: Path) -> None:
    found, fleet = december(tmp_path)
    ready = {name for name, recipe in fleet.recipes.items() if recipe.flags_unknown is None}
    assert ready == {"dsr1-fp8-mi300x-sglang"}
    assert found.report.launchable == 1
    assert fleet.recipes["dsr1-fp8-mi300x-sglang"].flags["chunked-prefill-size"] == 196608
    assert fleet.recipes["dsr1-fp8-mi300x-sglang"].env["SGLANG_USE_AITER"] == "1"
    for item in expand(fleet):
        assert isinstance(item, Point)
        assert item.recipe in ready or "flags are unknown" in str(why_blocked(fleet, item))


def test_scripts_that_disagree_leave_the_flag_out_and_say_so(tmp_path: Path) -> None:
    _, fleet = december(tmp_path)
    recipe = fleet.recipes["dsr1-fp8-h200-sglang"]
    assert "cuda-graph-max-bs" not in recipe.flags
    assert "--cuda-graph-max-bs (scripts disagree: 512 or 256)" in str(recipe.flags_unknown)


def test_a_flag_that_follows_the_concurrency_is_scale_and_their_conditional_is_steps(tmp_path: Path) -> None:
    _, fleet = august(tmp_path)
    flags = fleet.recipes["qwen3.5-fp8-b200-sglang"].flags
    assert flags["cuda-graph-max-bs"] == "concurrency"
    assert msgspec.to_builtins(flags["scheduler-recv-interval"]) == {"steps": ((4, 10), (1_000_000, 30))}


def test_devices_of_a_pool_that_its_axes_hide_come_from_experts_or_nodes(tmp_path: Path) -> None:
    _, fleet = august(tmp_path)
    devices = {
        layout.name: device_count(layout)
        for name in ("dsv4-fp4-gb200-llmd-vllm", "kimik3-fp4-h200-vllm-agentic")
        for layout in fleet.recipes[name].layouts
    }
    assert set(devices.values()) == {16, 32}
    assert devices["3p1d-tp1-tp1"] == 32
    _, older = december(tmp_path / "older")
    sizes = [device_count(layout) for layout in older.recipes["dsr1-fp8-gb200-dynamo-sglang"].layouts]
    assert sizes == [48, 20, 72, 72]


def test_an_unknown_key_is_a_setting_so_that_two_entries_stay_two() -> None:
    text = MASTER.replace("conc-end: 24 }", "conc-end: 24 }\n    - { tp: 8, batch-size: 7, conc-list: [4] }")
    found = imported(text)
    assert found.report.points == 5
    assert said(found, Kind.OPAQUE) == ["settings of their launcher (KEY=VALUE)", "the entry's key `batch-size`"]
    assert found.recipes["dsr1-fp8-h200-sglang"].layouts[1].settings == ("BATCH_SIZE=7",)


def test_an_unknown_key_of_a_configuration_is_named() -> None:
    found = imported(MASTER.replace("  multinode: false\n", "  multinode: false\n  power: {watts: 700}\n"))
    assert "the key `power`" in said(found, Kind.LOST)
    assert found.report.points == 4


def test_a_range_doubles_and_ends_exactly_on_its_end() -> None:
    (layout,) = imported(MASTER).recipes["dsr1-fp8-h200-sglang"].layouts
    assert layout.points == {"1k1k": (4, 8, 16, 24)}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("tp: 8", "tp: many", "Expected `int`"),
        ("runner: h200", "runner: chips-r-us", "names no accelerator"),
        ("precision: fp8", "precision: fp7", "Invalid enum value"),
        ("conc-start: 4, conc-end: 24", "conc-list: []", "without concurrencies"),
        ("  image: lmsysorg/sglang:v0.5.5\n", "", "missing required field `image`"),
        ("  - isl: 1024\n", "  - 7\n  - isl: 1024\n", "expected a mapping"),
        ("v0.5.5", "v0.5.5; rm -rf /", "Expected `str` matching regex"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_a_finding_and_no_crash(old: str, new: str, why: str) -> None:
    found = imported(MASTER.replace(old, new))
    assert found.report.points == 0
    assert any(why in what for what in said(found, Kind.SKIPPED))


@pytest.mark.parametrize("master", [None, [1], "text", {"a": 1}, {"a": {"scenarios": 3}}])
def test_anything_but_a_master_is_a_finding(master: Value) -> None:
    found = import_masters({"m": master}, Runners({}, {}), (), empty_fleet())
    assert not found.recipes
    assert len(said(found, Kind.SKIPPED)) == 1


def test_both_generations_of_the_runners_file_are_read() -> None:
    new = runners(parse_yaml((DATA / "2026-08-runners-slice.yaml").read_bytes(), "r").value)
    assert new.hardware["cluster:gb200-nv" if "cluster:gb200-nv" in new.hardware else "cluster:b300-nv"].gpus_per_node
    assert new.hardware["cluster:b300-nv"].available_cpu_dram_mib == 2964436
    old = runners(parse_yaml((DATA / "2025-12-runners.yaml").read_bytes(), "r").value)
    assert old.labels["gb200"] == ("gb200-nv_0",)
    assert old.hardware == {}


def test_hosts_know_their_runners_by_name_and_which_of_them_are_places_in_a_queue() -> None:
    """One runner of theirs drives all nodes of a job, so where such jobs run it is no machine."""
    single = imported(MASTER, "h200: [h200-a_0, h200-b_1]").hosts["h200"]
    assert (single.machines, single.runners, single.slots) == (2, ("h200-a_0", "h200-b_1"), False)


def test_labels_over_the_same_runners_share_their_machines(tmp_path: Path) -> None:
    _, fleet = august(tmp_path)
    labels = yard_of(fleet.hosts.values(), Policy()).labels
    assert all(len(names) == fleet.hosts[label].machines for label, names in labels.items() if label in fleet.hosts)
    assert any(host.slots for host in fleet.hosts.values())
    assert any(set(labels[a]) & set(labels[b]) for a, b in itertools.combinations(labels, 2)), (
        "no two labels of the slice share a runner"
    )
