"""One entry of their search space as one layout of ours: sizes, pools, what is served beside the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from matrix.importers.names import gpu_id, slug
from matrix.importers.report import Kind
from matrix.point import digest
from matrix.serving import KvOffload, Layout, Pool, Router, Serving, Sizes, Speculation, layout_slug

if TYPE_CHECKING:
    from matrix.importers.report import Findings
    from matrix.importers.theirs import Config, Entry, Hardware, Named, Side

SizesT = TypeVar("SizesT", bound=Sizes)

NAME_LENGTH = 24
MIB = 1024 * 1024
DRAM_CAP_MIB = 2_861_022
"""3 TB: their generator gives no point more host memory, however much a machine has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an entry's meaning depends on beside itself. `per_node` is null where no file says it."""

    key: str
    config: Config
    hardware: Hardware | None
    per_node: int | None
    dram_utilization: float | None
    findings: Findings

    def note(self, kind: Kind, what: str) -> None:
        self.findings.add(kind, what, self.key)


def layout_of(entry: Entry, context: Context) -> Layout:
    """The servers of an entry. An aggregated entry of several nodes is one layout of equal workers."""
    if entry.prefill is None or entry.decode is None:
        return _sized(Layout, entry.worker or entry.prefill or entry.decode or entry, context)
    if entry.decode.num_worker and entry.prefill.num_worker:
        return Layout(prefill=_sized(Pool, entry.prefill, context), decode=_sized(Pool, entry.decode, context))
    context.note(Kind.LOST, "the sizes of a pool without workers")
    if context.config.disagg:
        context.note(Kind.LOST, "`disagg: true` on an entry with one pool only")
    return _sized(Layout, working_side(entry.prefill, entry.decode), context)


def working_side(prefill: Side, decode: Side) -> Side:
    """The pool that has workers, with the settings of both."""
    used, unused = (prefill, decode) if prefill.num_worker else (decode, prefill)
    settings = (*(used.additional_settings or ()), *(unused.additional_settings or ()))
    return msgspec.structs.replace(used, additional_settings=settings)


def _sized(kind: type[SizesT], side: Side, context: Context) -> SizesT:
    settings = side.additional_settings or ()
    if settings:
        context.note(Kind.OPAQUE, "settings of their launcher (KEY=VALUE)")
    gpu: dict[str, object] = {"gpu": gpu_id(side.hardware)} if kind is Pool and side.hardware else {}
    if side.hardware and kind is not Pool:
        context.note(Kind.LOST, f"hardware {side.hardware!r} on a layout that is no pool")
    return kind(
        workers=side.num_worker,
        tp=side.tp,
        pp=side.pp,
        pcp=side.pcp_size,
        dcp=side.dcp_size,
        dp=_data_parallel(side, context),
        ep=side.ep or 1,
        dp_attention=side.dp_attn or False,
        devices=_stated_devices(side, context),
        settings=settings,
        **gpu,
    )


def _data_parallel(side: Side, context: Context) -> int:
    """Experts over more devices than the other axes give: the rest of them is data parallel replicas.

    Unless the experts span several workers, which then are those replicas already.
    """
    own, experts = _axes(side), side.ep or 1
    if experts <= own or experts <= own * side.num_worker or experts % own:
        return 1
    context.note(Kind.DERIVED, "dp = ep / (tp x pp x pcp), as the experts need that many devices")
    return experts // own


def _axes(side: Side) -> int:
    return side.tp * side.pp * side.pcp_size


def _stated_devices(side: Side, context: Context) -> int | None:
    """Devices by their launcher's node count, where the axes would leave whole nodes empty."""
    stated = dict(setting.split("=", 1) for setting in side.additional_settings or () if "=" in setting)
    nodes = next((int(stated[key]) for key in ("PREFILL_NODES", "DECODE_NODES") if stated.get(key, "").isdecimal()), 0)
    per_node = int(stated["GPUS_PER_NODE"]) if stated.get("GPUS_PER_NODE", "").isdecimal() else context.per_node
    devices = max(_axes(side), side.ep or 1) * side.num_worker
    if not nodes or devices >= nodes * (per_node or 1):
        return None
    if per_node is None:
        context.note(Kind.UNKNOWN, "devices of a pool: its node count is given, the devices of a node are not")
        return None
    context.note(Kind.DERIVED, "devices of a pool = its nodes x devices per node, as its axes say fewer")
    return nodes * per_node


def serving_of(entry: Entry, context: Context) -> Serving:
    """An entry's own router and transfer win over its configuration's."""
    return Serving(
        speculation=_speculation(entry),
        kv_offload=_kv_offload(entry, context),
        router=_router(entry.router or context.config.router),
        kv_transfer=_id(entry.kv_p2p_transfer or context.config.kv_p2p_transfer),
    )


def _id(text: str | None) -> str | None:
    return None if text is None else slug(text)


def _router(named: Named | None) -> Router | None:
    return None if named is None else Router(name=slug(named.name), version=_version(named))


def _version(named: Named) -> str | None:
    return None if named.version is None else str(named.version)


def _speculation(entry: Entry) -> Speculation | None:
    if entry.spec_decoding == "none":
        return None
    sides = [side for side in (entry, entry.worker, entry.prefill, entry.decode) if side is not None]
    settings = dict(text.split("=", 1) for side in sides for text in side.additional_settings or () if "=" in text)
    pretended = settings.get("SYNTHETIC_ACCEPTANCE") == "true"
    return Speculation(
        method="mtp" if entry.spec_decoding == "mtp" else "draft-model",
        synthetic_acceptance=float(settings["SYNTHETIC_ACCEPTANCE_LENGTH"]) if pretended else None,
    )


def _kv_offload(entry: Entry, context: Context) -> KvOffload | None:
    if entry.kv_offloading == "none":
        return None
    backend = entry.kv_offload_backend
    if backend is None:
        context.note(Kind.UNKNOWN, "the backend of a KV offload")
        return KvOffload(backend="unknown", gb=_dram_gb(entry, context))
    return KvOffload(backend=slug(backend.name), version=_version(backend), gb=_dram_gb(entry, context))


def _dram_gb(entry: Entry, context: Context) -> int | None:
    """Host memory for KV blocks: the share of a node's devices that one worker uses on it, in 10^9 bytes."""
    hardware, share = context.hardware, context.dram_utilization
    if share is None or hardware is None or not hardware.available_cpu_dram_mib or not hardware.gpus_per_node:
        context.note(Kind.UNKNOWN, "the size of a KV offload: no utilisation, or no hardware facts of its runner")
        return None
    side = entry.worker or entry.prefill or entry
    used = min(_axes(side), hardware.gpus_per_node)
    mib = min(hardware.available_cpu_dram_mib, DRAM_CAP_MIB)
    return int(mib * MIB * share * used / hardware.gpus_per_node / 1e9) or None


def name_layouts(layouts: list[tuple[Layout, Serving]]) -> list[str]:
    """A readable name each; where two would be equal or too long, with a digest of what it stands for."""
    readable = [_readable(layout, serving) for layout, serving in layouts]
    return [
        name if readable.count(name) == 1 and len(name) <= NAME_LENGTH else _with_digest(name, one)
        for name, one in zip(readable, layouts, strict=True)
    ]


def _with_digest(name: str, one: tuple[Layout, Serving]) -> str:
    suffix = digest(one)[:6]
    return f"{name[: NAME_LENGTH - len(suffix) - 1].rstrip('-')}-{suffix}"


def _readable(layout: Layout, serving: Serving) -> str:
    """`tp8-ep8-dpa-mtp-hicache`, `2p1d-tp4-tp8-mtp`."""
    parts = [layout_slug(layout)]
    if layout.prefill is not None and layout.decode is not None:
        prefill, decode = layout.prefill, layout.decode
        parts = [f"{prefill.workers}p{decode.workers}d", f"tp{prefill.tp}", f"tp{decode.tp}"]
    if serving.speculation is not None:
        parts.append(serving.speculation.method)
    if serving.kv_offload is not None:
        parts.append(serving.kv_offload.backend)
    return "-".join(parts).replace(".", "-")
