from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import FleetError
from matrix.importers.names import (
    device_of,
    engine_and_orchestrator,
    gpu_id,
    host_id,
    image_reference,
    slug,
    workload_id,
)


@given(st.text())
def test_a_slug_is_an_id_or_an_error(text: str) -> None:
    try:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,119}", slug(text))
    except FleetError:
        assert not re.search("[a-z0-9]", text.lower())


def test_a_runner_names_its_machines_and_its_accelerator() -> None:
    assert (host_id("cluster:gb300-nv"), gpu_id("cluster:gb300-nv")) == ("cluster.gb300-nv", "gb300")
    assert gpu_id("rtx6000pro-lat") == "rtx6000pro"


@pytest.mark.parametrize(
    ("gpu", "device"), [("mi355x", "amd"), ("gb200", "nvidia"), ("rtx6000pro", "nvidia"), ("chips", None)]
)
def test_a_vendor_is_known_by_its_names_only(gpu: str, device: str | None) -> None:
    assert device_of(gpu) == device


@pytest.mark.parametrize(
    ("framework", "engine", "orchestrator"),
    [
        ("vllm", "vllm", None),
        ("trt", "trtllm", None),
        ("dynamo-trt", "trtllm", "dynamo"),
        ("llmd-vllm", "vllm", "llmd"),
        ("sglang-disagg", "sglang", "disagg"),
        ("tilert", "tilert", None),
    ],
)
def test_a_framework_is_an_engine_and_what_joins_its_servers(
    framework: str, engine: str, orchestrator: str | None
) -> None:
    assert engine_and_orchestrator(framework) == (engine, orchestrator)


def test_one_runtimes_spelling_of_an_image_is_undone() -> None:
    assert image_reference("nvcr.io#nvidia/x:1") == "nvcr.io/nvidia/x:1"


def test_lengths_in_thousands_read_as_people_say_them() -> None:
    assert (workload_id(1024, 8192), workload_id(1500, 300)) == ("1k8k", "1500-300")
