"""Their names as our ids. Each function is the only place of its rule, so that both directions agree."""

from __future__ import annotations

import re

from matrix.errors import FleetError

_NOT_ID = re.compile(r"[^a-z0-9.-]+")
_ENGINES = {"trt": "trtllm", "trtllm": "trtllm"}
_MODIFIERS = frozenset({"dynamo", "llmd", "disagg", "mori"})
_AMD = re.compile(r"mi\d")
_NVIDIA = re.compile(r"(gb|b|h|a|l|rtx)\d")


def slug(text: str) -> str:
    """`[a-z0-9.-]`, beginning with a letter or digit."""
    found = _NOT_ID.sub("-", text.lower()).strip(".-")
    if not found:
        raise FleetError(f"{text!r} has no letter or digit to make an id of")
    return found[:120]


def image_reference(image: str) -> str:
    """`nvcr.io#org/name:tag` is one container runtime's spelling of `nvcr.io/org/name:tag`."""
    return image.replace("#", "/", 1)


def host_id(runner: str) -> str:
    """`cluster:b200-dgxc` -> `cluster.b200-dgxc`."""
    return slug(runner.replace(":", "."))


def gpu_id(runner: str) -> str:
    """The accelerator is the first word of a runner's label: `cluster:gb300-nv` -> `gb300`."""
    return slug(runner.removeprefix("cluster:").split("-")[0])


def device_of(gpu: str) -> str | None:
    """`nvidia`, `amd`, or null for a name that says neither."""
    if _AMD.match(gpu):
        return "amd"
    return "nvidia" if _NVIDIA.match(gpu) else None


def engine_and_orchestrator(framework: str) -> tuple[str, str | None]:
    """`dynamo-trt` -> (trtllm, dynamo); `sglang-disagg` -> (sglang, disagg); `vllm` -> (vllm, null)."""
    words = slug(framework).split("-")
    modifiers = [word for word in words if word in _MODIFIERS]
    engine = "-".join(word for word in words if word not in _MODIFIERS) or words[0]
    return _ENGINES.get(engine, engine), "-".join(modifiers) or None


def workload_id(isl: int, osl: int) -> str:
    """`1k1k`, `8k1k`; `1500-300` where a length is no multiple of 1024."""
    if isl % 1024 or osl % 1024:
        return f"{isl}-{osl}"
    return f"{isl // 1024}k{osl // 1024}k"
