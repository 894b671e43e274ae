"""The data that ships: every fact has a source, every flag vendors tuned has an answer, every GPU has its recipes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix.blocked import why_blocked
from matrix.check import check
from matrix.expand import Dropped, expand
from matrix.facts import HubWeights
from matrix.fleet import DATA, Fleet, load_fleet
from matrix.point import Point
from matrix.workload import RandomWorkload
from matrix.yamlfile import Value, read_yaml

ROOT = Path(__file__).parents[2]
NAMES = ROOT / "tests" / "data" / "inferencex_flag_names.json"
SOURCE = re.compile(r"https?://[\w.-]+\.\w+|AMD, .+ \(https://")
OURS = {"gpus/cpu.yaml", "recipes/community/smollm2-135m-cpu-llamacpp.yaml", "hosts/this-machine.yaml"}
LAUNCH_GPUS = {"h100", "h200", "b200", "b300", "gb200", "gb300", "mi300x", "mi325x", "mi355x"}


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return load_fleet(DATA)


def sources(value: Value) -> Iterator[str]:
    """Every `source`, and every value of a `sources`, anywhere in a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "source":
                yield str(inner)
            elif key == "sources" and isinstance(inner, dict):
                yield from map(str, inner.values())
            else:
                yield from sources(inner)


FILES = sorted(path.relative_to(DATA).as_posix() for path in DATA.rglob("*.yaml"))


@pytest.mark.parametrize("file", [name for name in FILES if name not in OURS])
def test_every_source_is_an_address_or_a_named_document(file: str) -> None:
    value = read_yaml(DATA / file).value
    assert isinstance(value, dict)
    own = file.startswith("workloads/") and not file.endswith("traces.yaml")
    assert own or all(any(True for _ in sources(record)) for record in value.values()), "a record without a source"
    assert [source for source in sources(value) if not SOURCE.search(source)] == []


def test_the_shipped_data_checks(fleet: Fleet) -> None:
    assert check(fleet) == []


def test_every_accelerator_of_the_field_is_there_and_a_tpu_and_a_trainium(fleet: Fleet) -> None:
    assert fleet.gpus.keys() >= LAUNCH_GPUS
    assert {gpu.device for gpu in fleet.gpus.values()} == {"cpu", "nvidia", "amd", "tpu", "trainium"}


def test_memory_is_in_bytes_never_a_decimal_gigabyte_of_a_data_sheet(fleet: Fleet) -> None:
    sizes = {name: gpu.memory_bytes for name, gpu in fleet.gpus.items() if gpu.memory_bytes}
    assert sizes["h100"] == 80 * 2**30
    assert sizes["mi300x"] == 192 * 2**30
    assert [name for name, size in sizes.items() if size % 10**9 == 0] == []


def test_dense_rates_double_as_formats_halve_where_the_device_says_so(fleet: Fleet) -> None:
    for name in LAUNCH_GPUS:
        rates = fleet.gpus[name].dense_tflops
        assert rates["fp8"] == pytest.approx(2 * rates["bf16"], rel=0.001), f"{name}: a sparse figure got in"
    assert "fp4" not in fleet.gpus["h200"].dense_tflops


def test_the_three_shapes_and_the_grid_are_there(fleet: Fleet) -> None:
    shapes = {name: work for name, work in fleet.workloads.items() if isinstance(work, RandomWorkload)}
    assert [(shapes[n].isl, shapes[n].osl, shapes[n].ratio) for n in ("1k1k", "1k8k", "8k1k")] == [
        (1024, 1024, 0.8),
        (1024, 8192, 0.8),
        (8192, 1024, 0.8),
    ]
    lengths = (128, 512, 1024, 2048)
    for isl in lengths:
        for osl in lengths:
            assert (shapes[f"{isl}-{osl}"].isl, shapes[f"{isl}-{osl}"].osl) == (isl, osl)
    assert [name for name in fleet.workloads if name not in shapes and "reference" not in name] == ["agentic-coding"]


def test_every_name_that_vendors_set_is_allowed_set_by_the_fleet_or_refused_with_a_reason(fleet: Fleet) -> None:
    for engine_id, kinds in json.loads(NAMES.read_text()).items():
        engine = fleet.engines[engine_id]
        known = engine.flags.keys() | engine.env.keys() | engine.fleet_sets.keys() | engine.refused.keys()
        assert [name for names in kinds.values() for name in names if name not in known] == []


@pytest.mark.parametrize("name", ["trust-remote-code", "trust_remote_code", "chat-template", "host", "model"])
def test_no_engine_lets_a_recipe_load_code_or_choose_what_is_served(fleet: Fleet, name: str) -> None:
    assert [engine for engine, facts in fleet.engines.items() if name in facts.flags] == []


def test_no_shipped_model_runs_its_repositorys_code(fleet: Fleet) -> None:
    assert [name for name, model in fleet.models.items() if model.trust_remote_code] == []


def test_a_pinned_revision_names_the_page_where_it_was_read(fleet: Fleet) -> None:
    pinned = {
        name: model.sources["weights.revision"]
        for name, model in fleet.models.items()
        if isinstance(model.weights, HubWeights) and model.weights.revision is not None
    }
    assert pinned.keys() == {"llama-3.3-70b-instruct", "deepseek-r1-0528", "gpt-oss-120b"}
    for name, source in pinned.items():
        weights = fleet.models[name].weights
        assert isinstance(weights, HubWeights)
        assert weights.revision is not None
        assert weights.revision in source


def test_the_launch_models_have_tuned_recipes_that_nothing_blocks(fleet: Fleet) -> None:
    points = [item for item in expand(fleet) if isinstance(item, Point)]
    assert [item.id for item in expand(fleet) if isinstance(item, Dropped)] == []
    assert {why_blocked(fleet, point) for point in points} == {None}
    families = {fleet.models[recipe.model].family for recipe in fleet.recipes.values()}
    assert families >= {"llama-3.3-70b", "dsr1", "gptoss"}
    tuned = {recipe.gpu for recipe in fleet.recipes.values()}
    assert tuned >= LAUNCH_GPUS - {"gb200", "gb300"}, "those two are measured over several nodes only"


def test_every_vendor_folder_has_an_owner() -> None:
    owners = (ROOT / ".github" / "CODEOWNERS").read_text()
    for folder in (DATA / "recipes").iterdir():
        assert f"/matrix/data/recipes/{folder.name}/ " in owners
