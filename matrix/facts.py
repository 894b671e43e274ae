"""The YAML facts: what is measured, on what, with what, and where. One record per kind of file.

Every record that came from outside carries a `source`. What is unknown is null, with the reason beside it.
Flag values: a scalar; the word `concurrency` (a `scale` flag: the group's largest concurrency); or `steps`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from matrix.dialect import Dialect, Scalar

Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,119}$")]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Precision = Literal["bf16", "fp16", "fp8", "fp4", "mxfp4", "nvfp4", "int8", "int4", "q8_0", "q4_1"]
Device = Literal["cpu", "nvidia", "amd", "tpu", "trainium"]


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every record at a boundary: frozen, and an unknown key is an error.

    msgspec does not hand `kw_only` down and type checkers do not hand `frozen` down: each record says both.
    """


class PackageWeights(Fact, frozen=True, kw_only=True, tag="python-package", tag_field="kind"):
    """Weights shipped inside an installed Python package: `path` is relative to the package."""

    package: str
    version: str
    path: str


class HubWeights(Fact, frozen=True, kw_only=True, tag="hub", tag_field="kind"):
    """Weights on a model hub. `revision` null means unpinned: it plans, and needs `--unpinned` to run."""

    repo: str
    revision: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}$")] | None = None


class FileWeights(Fact, frozen=True, kw_only=True, tag="file", tag_field="kind"):
    """Weights in a file or folder of this machine (tests, private models)."""

    path: str


Weights = PackageWeights | HubWeights | FileWeights


class Model(Fact, frozen=True, kw_only=True):
    """`prompt_token_ids` is the half-open range of ordinary (non-special) token ids a random prompt may use."""

    name: str
    weights: Weights
    vocab_size: Positive
    prompt_token_ids: tuple[int, int]
    source: str
    max_context: Positive | None = None
    trust_remote_code: bool = False


class Gpu(Fact, frozen=True, kw_only=True):
    """One kind of accelerator (or a CPU host, which counts as one device)."""

    name: str
    device: Device
    memory_bytes: Positive | None = None
    tdp_w: float | None = None
    source: str


class Flag(Fact, frozen=True, kw_only=True):
    """One server flag a recipe may set. A flag that is not listed here cannot be set at all.

    `depends_on_concurrency`: `scale` takes the group's largest concurrency and may be shared by its points;
    `steps` picks a value by concurrency and splits the group.
    """

    type: Literal["int", "float", "str", "bool", "switch"]
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    depends_on_concurrency: Literal["scale", "steps"] | None = None
    changes_flops: bool = False
    help: str = ""


class LayoutFlags(Fact, frozen=True, kw_only=True):
    """How an engine spells the sizes of a layout; null where it has no such flag."""

    tp: str | None = None
    pp: str | None = None
    pcp: str | None = None
    dp: str | None = None
    ep: str | None = None
    dp_attention: str | None = None


class FleetFlags(Fact, frozen=True, kw_only=True):
    """Flags the fleet sets from the group itself, never the recipe: the longest request it must hold.

    `context` is tokens per request. `context_total` is tokens over all slots; `slots` names the flag that says how
    many there are (where a recipe does not set it: the group's largest concurrency).
    """

    context: str | None = None
    context_total: str | None = None
    slots: str | None = None


class Engine(Fact, frozen=True, kw_only=True):
    """An inference server: its flags, how it spells a layout, and what its request API accepts."""

    name: str
    source: str
    dialect: Dialect
    flags: dict[str, Flag]
    layout_flags: LayoutFlags = LayoutFlags()
    fleet_flags: FleetFlags = FleetFlags()
    devices: tuple[Device, ...]
    start_minutes: Seconds = 5.0


class RunLength(Fact, frozen=True, kw_only=True):
    """When a measurement may stop. Set by the fleet per workload, never by a recipe.

    It ends at the first request boundary where both minima are reached, or at `max_s`.
    """

    min_s: Seconds = 60.0
    max_s: Seconds = 600.0
    min_requests: Positive = 32
    warmup_requests_per_stream: Positive = 1


class RandomWorkload(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="random", tag_field="kind"):
    """Random token prompts. Lengths are uniform on [ratio x length, length], both ends included."""

    name: str
    isl: Positive
    osl: Positive
    ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    run_length: RunLength = RunLength()


Workload = RandomWorkload

Step = tuple[Positive, Scalar]


class Steps(Fact, frozen=True, kw_only=True):
    """A value by concurrency: the first step whose bound is >= the concurrency, as `[[16, 256], [1024, 512]]`."""

    steps: tuple[Step, ...]


FlagValue = Scalar | Steps


class RecipeLayout(Fact, frozen=True, kw_only=True):
    """One server configuration of a recipe. `points` are the concurrencies wanted of each workload."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,24}$")] | None = None
    tp: Positive = 1
    pp: Positive = 1
    pcp: Positive = 1
    dp: Positive = 1
    ep: Positive = 1
    dp_attention: bool = False
    points: dict[Id, tuple[Positive, ...]]
    flags: dict[str, FlagValue] = {}


class Recipe(Fact, frozen=True, kw_only=True):
    """A vendor's tuned server: engine, image, flags, layouts. It cannot carry code, paths or expressions."""

    model: Id
    gpu: Id
    engine: Id
    precision: Precision
    image: str | None = None
    flags: dict[str, FlagValue] = {}
    layouts: tuple[RecipeLayout, ...]
    source: str


class Host(Fact, frozen=True, kw_only=True):
    """A machine (or a pool of equal machines) that takes jobs by runner label."""

    label: Id
    gpu: Id
    devices: Positive
    backend: Id = "process"
    cores_for_server: Positive | None = None
    note: str = ""
