"""Random points over every field, from small domains: near twins are common, so a forgotten field would collide."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

import msgspec

from matrix.point import Concurrency, Load, Point, Rate
from matrix.serving import KvOffload, Layout, Pool, Router, Serving, Speculation
from matrix.workload import ConversationWorkload, RandomWorkload, ReferenceWorkload, RunLength, TraceWorkload, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (1, 1, 2, 4, 8)
ARRIVALS: tuple[Literal["poisson", "constant", "recorded"], ...] = ("poisson", "constant", "recorded")
FULL = Point(
    recipe="r",
    layout_name="l",
    layout=Layout(
        tp=2, pp=2, pcp=2, dcp=2, dp=2, ep=2, dp_attention=True, workers=2, devices=2, settings=("A=1",),
        prefill=Pool(tp=2, pp=2, pcp=2, dcp=2, dp=2, ep=2, dp_attention=True, workers=2, devices=2,
                     settings=("A=1",), gpu="g"),
        decode=Pool(tp=2, pp=2, pcp=2, dcp=2, dp=2, ep=2, dp_attention=True, workers=2, devices=2,
                    settings=("A=1",), gpu="g"),
    ),
    serving=Serving(
        speculation=Speculation(method="mtp", tokens=2, draft_model="d", synthetic_acceptance=2.5),
        kv_offload=KvOffload(backend="b", version="1", gb=2),
        router=Router(name="n", version="1"),
        kv_transfer="nixl",
    ),
    workload_id="w",
    workload=RandomWorkload(name="w", isl=2, osl=2, ratio=0.5, shared_prefix_share=0.5, prefix_groups=2),
    load=Concurrency(streams=2),
    power_cap_w=300,
    isolation="strict",
    alone=True,
    repeat=True,
)  # fmt: skip
"""Every field differs from its default."""


def random_points(seed: int, count: int) -> Iterator[Point]:
    """Every second point is the one before with one of its fields drawn anew."""
    rng = random.Random(seed)
    point = FULL
    for index in range(count):
        drawn = _drawn(rng)
        if index % 2:
            name = rng.choice(Point.__struct_fields__)
            point = msgspec.structs.replace(point, **{name: getattr(drawn, name)})
        else:
            point = drawn
        yield point


def _drawn(rng: random.Random) -> Point:
    return Point(
        recipe=rng.choice("rst"),
        layout_name=rng.choice("ab"),
        layout=_layout(rng),
        serving=_serving(rng) if rng.random() < 0.5 else Serving(),
        workload_id=rng.choice("wv"),
        workload=_workload(rng),
        load=_load(rng),
        power_cap_w=rng.choice((None, None, 300, 400)),
        isolation=rng.choice(("none", "strict", "cluster")),
    )


def _load(rng: random.Random) -> Load:
    if rng.random() < 0.7:
        return Concurrency(streams=rng.choice((1, 2, 4, 8, 16, 32, 64)))
    rate, streams = rng.choice(SIZES), rng.choice((8, 256))
    if rng.random() < 0.3:
        return Rate(requests_per_s=rate, arrival="gamma", burstiness=rng.choice((0.5, 2.0)), streams=streams)
    return Rate(requests_per_s=rate, arrival=rng.choice(ARRIVALS), streams=streams)


def unlabelled(point: Point) -> Point:
    """The point without what is no part of its identity: names, sources, and how long it is measured."""
    changes: dict[str, object] = {"name": "", "run_length": RunLength()}
    if isinstance(point.workload, TraceWorkload):
        changes["source"] = ""
    if isinstance(point.workload, ReferenceWorkload):
        changes["tokenizer"] = ""
    return msgspec.structs.replace(point, workload=msgspec.structs.replace(point.workload, **changes))


def _sizes(rng: random.Random) -> dict[str, object]:
    return {
        **{axis: rng.choice(SIZES) for axis in ("tp", "pp", "pcp", "dcp", "dp", "ep", "workers")},
        "dp_attention": rng.random() < 0.3,
        "devices": rng.choice((None, None, 8, 16)),
        "settings": rng.choice(((), (), ("A=1",), ("A=2",), ("A=1", "B=1"), ("B=1", "A=1"))),
    }


def _pool(rng: random.Random) -> Pool:
    return msgspec.convert({**_sizes(rng), "gpu": rng.choice((None, "g", "h"))}, Pool)


def _layout(rng: random.Random) -> Layout:
    layout = msgspec.convert(_sizes(rng), Layout)
    if rng.random() < 0.6:
        return layout
    return msgspec.structs.replace(layout, prefill=_pool(rng), decode=_pool(rng) if rng.random() < 0.8 else None)


def _serving(rng: random.Random) -> Serving:
    speculation = Speculation(
        method=rng.choice(("none", "mtp", "draft-model")),
        tokens=rng.choice((None, 1, 3)),
        draft_model=rng.choice((None, "d", "e")),
        synthetic_acceptance=rng.choice((None, 2.5, 2.49)),
    )
    offload = KvOffload(
        backend=rng.choice("bc"), version=rng.choice((None, "1", "1.0")), gb=rng.choice((None, 100, 200))
    )
    router = Router(name=rng.choice("nm"), version=rng.choice((None, "1", "1.0")))
    return Serving(
        speculation=rng.choice((None, speculation)),
        kv_offload=rng.choice((None, offload)),
        router=rng.choice((None, router)),
        kv_transfer=rng.choice((None, "nixl", "ucx")),
    )


def _workload(rng: random.Random) -> Workload:
    length = RunLength(min_s=rng.choice((60.0, 61.0)))
    if rng.random() < 0.1:
        return ConversationWorkload(
            name=rng.choice("xy"),
            turns=rng.choice((1, 8)),
            isl=rng.choice((1, 128)),
            added=rng.choice((1, 128)),
            osl=1,
            shared=rng.choice((0, 64)),
            gap_s=rng.choice((0.0, 0.5)),
            gap_shape=rng.choice(("exponential", "constant")),
            waits_for=rng.choice(("person", "tool")),
            run_length=length,
        )
    if rng.random() < 0.2:
        return TraceWorkload(
            name=rng.choice("xy"),
            trace=rng.choice("tu"),
            digest=rng.choice((None, "0" * 64, "1" * 64)),
            longest_tokens=rng.choice((None, 100, 200)),
            longest_gap_s=rng.choice((None, 60.0)),
            run_length=length,
            source=rng.choice("pq"),
        )
    shared = (rng.choice((0.0, 0.0, 0.5)), rng.choice((1, 1, 2)))
    if rng.random() < 0.2:
        return ReferenceWorkload(
            name=rng.choice("xy"),
            set=rng.choice("ab") * 64,
            tokenizer=rng.choice("ab") * 64,
            isl=rng.choice((1, 128)),
            osl=rng.choice((1, 128)),
            shared_prefix_share=shared[0],
            prefix_groups=shared[1],
            run_length=length,
        )
    return RandomWorkload(
        name=rng.choice("xy"),
        isl=rng.choice((1, 128)),
        osl=rng.choice((1, 128)),
        ratio=rng.choice((0.8, float("0.8"), 1.0, 0.81)),
        shared_prefix_share=shared[0],
        prefix_groups=shared[1],
        run_length=length,
    )
