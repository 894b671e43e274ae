"""How a model is served beyond its flags: sizes, prefill/decode pools, speculation, KV offload, routing.

These are facts about a server that change its results, so each is part of a point's identity. Defaults are left
out of the canonical JSON and must therefore never change.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from matrix.facts import Fact, Id, Positive

Version = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$(?!\n)")]
Setting = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]{0,63}=[ -~]{0,500}$(?!\n)")]
Method = Literal["none", "mtp", "eagle3", "draft-model", "ngram"]


class Sizes(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """`workers` equal servers, each spread over tp x pp x pcp x dp devices.

    `ep` and `dcp` (decode context parallel) re-use the devices of the other axes, and so does `dp_attention`.
    `devices` is what all workers use together, stated only where a source gives no axes to multiply.
    `settings` are another project's launcher settings, kept word for word because they change results. We cannot
    carry them out: a layout that has any is planned and never launched.
    """

    tp: Positive = 1
    pp: Positive = 1
    pcp: Positive = 1
    dcp: Positive = 1
    dp: Positive = 1
    ep: Positive = 1
    dp_attention: bool = False
    workers: Positive = 1
    devices: Positive | None = None
    settings: tuple[Setting, ...] = ()


class Pool(Sizes, frozen=True, kw_only=True, omit_defaults=True):
    """The servers that only prefill, or only decode. `gpu` where it differs from the recipe's."""

    gpu: Id | None = None


class Layout(Sizes, frozen=True, kw_only=True, omit_defaults=True):
    """How a model is spread over devices. With pools, the layout's own sizes stay 1: the pools are the servers."""

    prefill: Pool | None = None
    decode: Pool | None = None


class Speculation(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Speculative decoding. `tokens` are drafted per step, null where unknown.

    `synthetic_acceptance` is the mean tokens per step the server is told to pretend; null means it really verifies.
    """

    method: Method
    tokens: Positive | None = None
    draft_model: Id | None = None
    synthetic_acceptance: float | None = None


class KvOffload(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """KV cache kept in host memory too: by which backend, in at most how many gigabytes (10^9) per node."""

    to: Literal["dram"] = "dram"
    backend: Id
    version: Version | None = None
    gb: Positive | None = None


class Router(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """What spreads requests over several servers."""

    name: Id
    version: Version | None = None


class Serving(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """`kv_transfer` is how KV blocks travel from prefill to decode servers (nixl, mooncake, ucx)."""

    speculation: Speculation | None = None
    kv_offload: KvOffload | None = None
    router: Router | None = None
    kv_transfer: Id | None = None


def pools(layout: Layout) -> tuple[Sizes, ...]:
    """Every group of equal servers that has devices: the prefill and decode pools, or the layout itself."""
    return tuple(pool for pool in (layout.prefill, layout.decode) if pool is not None) or (layout,)


def device_count(layout: Layout) -> int:
    """Devices of all servers of a layout. The only place this is computed: per-device figures divide by it."""
    return sum(_devices(sizes) for sizes in pools(layout))


def _devices(sizes: Sizes) -> int:
    return sizes.devices or sizes.workers * sizes.tp * sizes.pp * sizes.pcp * sizes.dp


def layout_slug(layout: Layout) -> str:
    """`tp8`, `tp4-dp2-ep8-dpa`, `p2xtp4-d1xtp8-dpa`: what differs from 1, tensor parallelism always."""
    if layout.prefill is None and layout.decode is None:
        return _slug(layout, f"{layout.workers}x" if layout.workers > 1 else "")
    named = (("p", layout.prefill), ("d", layout.decode))
    return "-".join(_slug(pool, f"{letter}{pool.workers}x") for letter, pool in named if pool is not None)


def _slug(sizes: Sizes, prefix: str) -> str:
    parts = [f"{prefix}tp{sizes.tp}"]
    for axis in ("pp", "pcp", "dcp", "dp", "ep"):
        size = getattr(sizes, axis)
        if size != 1:
            parts.append(f"{axis}{size}")
    if sizes.dp_attention:
        parts.append("dpa")
    return "-".join(parts)
