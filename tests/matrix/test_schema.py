from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from matrix.fleet import DATA, load_fleet
from matrix.schema import KINDS, schemas
from matrix.yamlfile import parse_yaml, read_yaml
from tests.fleets import RECIPE

FLEET = load_fleet(DATA)
SCHEMAS: dict[str, Any] = {name.partition(".")[0]: json.loads(text) for name, text in schemas(FLEET).items()}
OURS = (
    RECIPE.replace("model: tiny", "model: smollm2-135m-instruct")
    .replace("short:", "16-64:")
    .replace("long:", "128-16:")
)


def mistakes(kind: str, data: object) -> list[str]:
    found = jsonschema.Draft202012Validator(SCHEMAS[kind]).iter_errors(data)
    return [leaf.message for error in found for leaf in _leaves(error)]


def _leaves(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    return [leaf for inner in error.context for leaf in _leaves(inner)] if error.context else [error]


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_file_is_valid_and_every_folder_has_a_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[kind])
    files = sorted((DATA / kind).rglob("*.yaml"))
    assert files
    assert {path.name: mistakes(kind, read_yaml(path).value) for path in files} == {path.name: [] for path in files}


def test_every_folder_of_data_has_a_schema() -> None:
    assert {folder.name for folder in DATA.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("precision:", "precison:", "'precison' was unexpected"),
        ("gpu: cpu", "gpu: h2000", "'h2000' is not one of"),
        ("model: smoll", "model: smol", "is not one of"),
        ("16-64:", "16-65:", "'16-65' is not one of"),
        ("{parallel: 2}", "{paralel: 2}", "'paralel' was unexpected"),
        ("{parallel: 2}", "{parallel: 0}", "0 is less than the minimum of 1"),
        ("{parallel: 2}", "{flash-attn: maybe}", "'maybe' is not one of"),
        ("{parallel: 2}", "{ubatch-size: concurrency}", "'concurrency' is not of type 'integer'"),
        ("{parallel: 2}", "{max-num-seqs: 2}", "'max-num-seqs' was unexpected"),
        ("  source: a test\n", "", "'source' is a required property"),
    ],
)
def test_an_editor_marks_what_check_refuses(old: str, new: str, words: str) -> None:
    assert mistakes("recipes", parse_yaml(OURS.encode(), "f").value) == []
    assert old in OURS
    said = mistakes("recipes", parse_yaml(OURS.replace(old, new).encode(), "f").value)
    assert [message for message in said if words in message]


def test_a_flag_offers_its_help_and_the_word_concurrency() -> None:
    (llamacpp,) = (
        rule["then"] for rule in SCHEMAS["recipes"]["$defs"]["Recipe"]["allOf"]
        if rule["if"]["properties"]["engine"]["const"] == "llamacpp"
    )  # fmt: skip
    flag = llamacpp["properties"]["flags"]["properties"]["parallel"]
    assert flag["description"].startswith("slots:")
    assert {"const": "concurrency"} in flag["anyOf"]


def test_steps_are_allowed_where_a_flag_has_them(tmp_path: Path) -> None:
    stepped = """\
r:
  model: gpt-oss-120b
  gpu: h200
  engine: vllm
  precision: mxfp4
  flags: {max-num-batched-tokens: {steps: [[16, 4096], [64, 8192]]}}
  layouts: [{tp: 8, points: {1k1k: [4]}}]
  source: s
"""
    assert mistakes("recipes", parse_yaml(stepped.encode(), "f").value) == []
    assert mistakes("recipes", parse_yaml(stepped.replace("[16, 4096]", "[4096]").encode(), "f").value)
