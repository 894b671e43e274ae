"""The YAML facts: models, accelerators, engines, hosts. One record per kind of file.

Every record that came from outside carries a `source`, and `sources` where a field came from elsewhere. What is
unknown is null, with the reason beside it in `unknown`. What is known badly says so in `weak`. All three go by the
field's name, dotted inside a record: `weights.revision`, `dense_tflops.fp4`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from matrix.dialect import Dialect

# A lone `$` also matches before a newline at the end, hence `(?!\n)` in every pattern.
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,119}$(?!\n)")]
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
RunnerName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$(?!\n)")]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]  # beyond that a float no longer counts in ones
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Amount = Annotated[float, msgspec.Meta(gt=0)]
Precision = Literal[
    "fp32", "bf16", "fp16", "fp8", "mxfp8", "fp6", "mxfp6", "fp4", "mxfp4", "nvfp4", "int8", "int4", "q8_0", "q4_1"
]  # fmt: skip
Arithmetic = Literal["fp32", "bf16", "fp8", "fp6", "fp4", "int8"]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
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

    repo: Annotated[str, msgspec.Meta(pattern=rf"^{_NAME}/{_NAME}$(?!\n)")]
    revision: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}$(?!\n)")] | None = None


class FileWeights(Fact, frozen=True, kw_only=True, tag="file", tag_field="kind"):
    """Weights in a file or folder of this machine (tests, private models)."""

    path: str


class NamedWeights(Fact, frozen=True, kw_only=True, tag="named", tag_field="kind"):
    """Weights known only by somebody's name for them: they plan, and cannot be fetched or run."""

    called: str


Weights = PackageWeights | HubWeights | FileWeights | NamedWeights


class Dimensions(Fact, frozen=True, kw_only=True):
    """What arithmetic needs of a transformer. Null or empty: the model has no such part, unless `unknown` says why.

    `kv_bytes_per_token_bf16` is over all layers. `ffn` is of a dense layer, `expert_ffn` of one expert.
    """

    kind: Literal["dense", "moe"]
    attention: Literal["mha", "gqa", "mqa", "mla", "hybrid"] | None = None
    layers: Positive | None = None
    hidden: Positive | None = None
    heads: Positive | None = None
    kv_heads: Positive | None = None
    head_dim: Positive | None = None
    ffn: Positive | None = None
    experts: Positive | None = None
    experts_per_token: Positive | None = None
    expert_ffn: Positive | None = None
    shared_experts: int | None = None
    shared_ffn: int | None = None
    dense_layers: int | None = None
    sliding_window_layers: int | None = None
    sliding_window: Positive | None = None
    q_lora: Positive | None = None
    kv_lora: Positive | None = None
    qk_nope: Positive | None = None
    qk_rope: Positive | None = None
    v_dim: Positive | None = None
    mtp_layers: int | None = None
    params_total: Positive | None = None
    params_active: Positive | None = None
    kv_bytes_per_token_bf16: Positive | None = None
    source: str


class Model(Fact, frozen=True, kw_only=True):
    """`family` groups variants of one model (dsr1). `trust_remote_code` is the core's to set, never a recipe's.

    `prompt_token_ids` is the half-open range of ordinary (non-special) token ids a random prompt may use; while it
    is null nothing can be measured with random prompts. `tokenizer` is its fingerprint (`benchmarks.reference`), for
    reference prompts.
    """

    name: str
    family: Id | None = None
    weights: Weights
    vocab_size: Positive | None = None
    prompt_token_ids: tuple[int, int] | None = None
    tokenizer: Sha256 | None = None
    max_context: Positive | None = None
    dimensions: Dimensions | None = None
    trust_remote_code: bool = False
    unknown: dict[str, str] = {}
    weak: dict[str, str] = {}
    sources: dict[str, str] = {}
    source: str


def token_range(model: Model) -> tuple[int, int]:
    """`prompt_token_ids` of a model whose jobs may be launched: the planner blocks those without."""
    if model.prompt_token_ids is None:
        raise ValueError(f"{model.name}: nobody may launch this, its token ids are unknown")
    return model.prompt_token_ids


class Link(Fact, frozen=True, kw_only=True):
    """How devices of one domain talk: bytes per second each way per device, and how many devices the domain has."""

    kind: str
    bytes_per_s: Amount | None = None
    domain_devices: Positive | None = None


class Gpu(Fact, frozen=True, kw_only=True):
    """One kind of accelerator (or a CPU host, which counts as one device).

    `dense_tflops` is without sparsity, by the arithmetic's format; a format that is absent is not supported
    natively, unless `unknown` names it. Bandwidth is the data sheet's peak.
    """

    name: str
    device: Device
    memory_bytes: Positive | None = None
    memory_bytes_per_s: Amount | None = None
    dense_tflops: dict[Arithmetic, Amount] = {}
    tdp_w: Amount | None = None
    link: Link | None = None
    unknown: dict[str, str] = {}
    weak: dict[str, str] = {}
    sources: dict[str, str] = {}
    source: str


class Flag(Fact, frozen=True, kw_only=True):
    """One server flag a recipe may set. A flag that is not listed here cannot be set at all.

    `depends_on_concurrency`: `scale` takes the group's largest concurrency and may be shared by its points;
    `steps` picks a value by concurrency and splits the group. `reads_path`: its value names a file, so no recipe
    may set it.
    """

    type: Literal["int", "float", "str", "bool", "switch"]
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    depends_on_concurrency: Literal["scale", "steps"] | None = None
    changes_flops: bool = False
    reads_path: bool = False
    help: str = ""
    source: str = ""


class LayoutFlags(Fact, frozen=True, kw_only=True):
    """How an engine spells the sizes of a layout; null where it has no such flag.

    `dp_attention_size` takes tp when attention is data parallel, where an engine wants to be told so.
    """

    tp: str | None = None
    pp: str | None = None
    pcp: str | None = None
    dcp: str | None = None
    dp: str | None = None
    ep: str | None = None
    dp_attention: str | None = None
    dp_attention_size: str | None = None


class FleetFlags(Fact, frozen=True, kw_only=True):
    """Flags the fleet sets from the group itself, never the recipe: the longest request it must hold.

    `context` is tokens per request. `context_total` is tokens over all slots; `slots` names the flag that says how
    many there are (where a recipe does not set it: the group's largest concurrency).
    """

    context: str | None = None
    context_total: str | None = None
    slots: str | None = None


class Engine(Fact, frozen=True, kw_only=True):
    """An inference server: its flags, how it spells a layout, and what its request API accepts.

    `env` is the allow-list of environment variables a recipe may set, typed like flags. `fleet_sets` are flags and
    variables that the fleet or a layout sets, with where from; `refused` are those nobody may set, with why.
    """

    name: str
    source: str
    dialect: Dialect
    flags: dict[str, Flag]
    env: dict[str, Flag] = {}
    fleet_sets: dict[str, str] = {}
    refused: dict[str, str] = {}
    layout_flags: LayoutFlags = LayoutFlags()
    fleet_flags: FleetFlags = FleetFlags()
    devices: tuple[Device, ...]
    start_minutes: Seconds = 5.0


class Host(Fact, frozen=True, kw_only=True):
    """A machine (or a pool of equal machines) that takes jobs by runner label.

    `devices` and `memory_bytes` are of one machine. `linked` machines can serve one job together. `runners` names the
    machines: hosts that name the same one share it. `slots`: each is a place in another scheduler's queue (a runner
    on a Slurm login node), takes a job of any size, and says nothing about how many nodes are behind. `window_h` is
    how long a night it is ours, null for as long as the plan says. `by_hand`: it takes what somebody starts on it by
    name, and is no part of any night.
    """

    label: Id
    gpu: Id
    devices: Positive | None = None
    machines: Positive = 1
    runners: tuple[RunnerName, ...] = ()
    linked: bool = False
    slots: bool = False
    window_h: Annotated[float, msgspec.Meta(gt=0, le=24)] | None = None
    by_hand: bool = False
    memory_bytes: Positive | None = None
    backend: Id | None = "process"
    cores_for_server: Positive | None = None
    unknown: dict[str, str] = {}
    note: str = ""
    source: str = ""
