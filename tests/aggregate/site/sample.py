"""A made-up night for tests of the page. None of these numbers was measured; they never leave the tests."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from aggregate.site.build import published_rows
from aggregate.site.page import PageModel, page_model
from aggregate.site.records import AxisX, AxisY, DeviceKind, Figures, Frontier, Gap, Group, Measurement, Night, Origin

RUN = "2026-11-21-demo.1"
CPU = Group(
    id="smollm2-135m/short-64-32",
    model="smollm2-135m",
    workload="short-64-32",
    shape="Random prompts of up to 64 tokens in, 32 out (uniform from 80 %)",
    devices=(DeviceKind(kind="cpu", name="CPU host"),),
)
GPU = Group(
    id="llama-3.1-8b/1k1k",
    model="llama-3.1-8b-instruct",
    workload="1k1k",
    shape="Random prompts of up to 1,024 tokens in, 1,024 out (uniform from 80 %)",
    devices=(DeviceKind(kind="nvidia", name="NVIDIA H200"),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A saturating server: `top` tok/s per device at most, `alone` tok/s for a lone user."""

    label: str
    alone: float
    top: float
    ttft_ms: float
    ratio: float = 2.0


CPU_CURVES = (
    Curve(label="smollm2-135m-q4-1-cpu-llamacpp.tp1", alone=96, top=410, ttft_ms=46, ratio=3.0),
    Curve(label="smollm2-135m-q4-1-cpu-llamacpp-batched.tp1", alone=84, top=560, ttft_ms=71, ratio=3.0),
    Curve(label="smollm2-135m-q8-0-cpu-llamacpp.tp1", alone=118, top=360, ttft_ms=58, ratio=3.0),
)
GPU_CURVES = (
    Curve(label="llama-3.1-8b-bf16-h200-vllm.tp1", alone=148, top=6900, ttft_ms=24),
    Curve(label="llama-3.1-8b-fp8-h200-vllm.tp1", alone=213, top=9100, ttft_ms=21),
    Curve(label="llama-3.1-8b-fp8-h200-sglang.tp1", alone=226, top=8700, ttft_ms=19),
    Curve(label="llama-3.1-8b-fp8-h200-trtllm.tp2", alone=331, top=5400, ttft_ms=17),
    Curve(label="llama-3.1-8b-bf16-h200-sglang.tp1", alone=151, top=7300, ttft_ms=22),
)


RATES = Curve(label="llama-3.1-8b-fp8-h200-vllm.tp1 · poisson arrivals", alone=213, top=9100, ttft_ms=21)
LIMITS = "ttft <= 0.5 s, tpot <= 0.05 s"


def at_rate(rate_per_s: float) -> Measurement:
    """A dot of an open loop, with limits on what a request may take."""
    mean_in_flight = round(rate_per_s * 5)
    dot = measurement(GPU, RATES, mean_in_flight)
    goodput = {"goodput_requests_per_s": rate_per_s * 0.98, "goodput_share": 0.98}
    return msgspec.structs.replace(
        dot,
        concurrency=256,
        rate_per_s=rate_per_s,
        figures=msgspec.structs.replace(dot.figures, **goodput),
        origin=msgspec.structs.replace(dot.origin, goodput_limits=LIMITS, client_workers=2),
    )


def measurement(group: Group, curve: Curve, concurrency: int, nights: int = 3) -> Measurement:
    """One dot of a curve: less for each user, more for all, as concurrency grows."""
    knee = curve.top / curve.alone
    each = curve.alone / (1 + (concurrency - 1) / knee)
    output = each * concurrency * 0.965
    ttft_s = curve.ttft_ms * (1 + 1.6 * concurrency / knee) / 1e3
    osl = 32 if group is CPU else 922
    return Measurement(
        id=f"{curve.label}.{group.workload}.c{concurrency}",
        group=group.id,
        series=curve.label,
        label=curve.label.replace(".", " · ") if group is CPU else curve.label.replace(".tp", " · tp"),
        concurrency=concurrency,
        figures=Figures(
            interactivity_tok_per_s=each,
            ttft_p50_s=ttft_s,
            e2e_p50_s=ttft_s + (osl - 1) / each,
            output_tok_per_s_per_device=output,
            total_tok_per_s_per_device=output * curve.ratio,
            requests=nights * max(32, 4 * concurrency),
            nights=nights,
            spread=0.004 + 0.0007 * concurrency % 0.03 if nights > 1 else None,
        ),
        origin=_origin(curve, group, concurrency),
    )


def _origin(curve: Curve, group: Group, concurrency: int) -> Origin:
    return Origin(
        run_id=RUN,
        night="2026-11-21",
        attempt=1,
        job_id=f"{curve.label}.job",
        point_id=f"{curve.label}.{group.workload}.c{concurrency}",
        point_key="6f" * 32,
        outcome="ok",
        host="host-a",
        engine="llama-cpp" if group is CPU else "vllm",
        engine_version="b7012" if group is CPU else "0.18.0",
        image=None if group is CPU else "vllm/vllm-openai@sha256:" + "4c" * 32,
        precision="q4_1" if group is CPU else "fp8",
        recipe=curve.label.rsplit(".", 1)[0],
        recipe_digest="a1" * 32,
        server_args_digest="b2" * 32,
        git_sha="3f9c1d2e" * 5,
        seed=20261121,
        duration_s=61.4,
        client_cpu_share=0.031,
        client_achieved_concurrency=concurrency * 0.991,
        client_stamp_delay_p99_s=41e-6,
        length_ratio=1.0,
    )


def frontier(group: Group, dots: tuple[Measurement, ...], x: AxisX, y: AxisY) -> Frontier:
    """By the definition: nothing else is at least as good on both axes and better on one."""
    sign = 1 if x == "interactivity" else -1
    column = {"interactivity": "interactivity_tok_per_s", "ttft": "ttft_p50_s", "e2e": "e2e_p50_s"}[x]
    place = {
        dot.id: (sign * getattr(dot.figures, column), getattr(dot.figures, f"{y}_tok_per_s_per_device")) for dot in dots
    }
    members = [name for name, at in place.items() if not any(_beats(other, at) for other in place.values())]
    members.sort(key=lambda name: sign * place[name][0])
    return Frontier(group=group.id, x=x, y=y, members=tuple(members))


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one != other


GAPS = (
    Gap(
        point_id="llama-3.1-8b-fp8-h200-trtllm.tp2.1k1k.c256",
        job_id="llama-3.1-8b-fp8-h200-trtllm.tp2.1k1k",
        outcome="recipe_failed",
        reasons=("server_exited",),
        detail="the server ended with code 137 while loading weights; last log line: CUDA out of memory",
        attempt=2,
        host="host-b",
    ),
    Gap(
        point_id="smollm2-135m-q8-0-cpu-llamacpp.tp1.short-64-32.c16",
        job_id="smollm2-135m-q8-0-cpu-llamacpp.tp1.short-64-32",
        outcome="invalid",
        reasons=("client_saturated", "request_errors"),
        detail="3 of 64 requests failed: truncated_stream",
        attempt=1,
        host="host-a",
    ),
    Gap(
        point_id="llama-3.1-8b-bf16-h200-sglang.tp1.1k1k.c256",
        job_id="llama-3.1-8b-bf16-h200-sglang.tp1.1k1k",
        outcome="missing",
        reasons=("no_artifact",),
        detail="",
    ),
)


def dots_of(group: Group) -> tuple[Measurement, ...]:
    """All dots of a sample group."""
    curves, steps = (CPU_CURVES, (1, 2, 4, 8, 16)) if group is CPU else (GPU_CURVES, (1, 4, 8, 16, 32, 64, 128, 256))
    dots = [measurement(group, curve, step) for curve in curves for step in steps]
    if group is GPU:
        dots += [at_rate(rate_per_s) for rate_per_s in (2.5, 1.0, 5.0)]
    gone = {gap.point_id for gap in GAPS}
    return tuple(dot for dot in dots if dot.origin.point_id not in gone)


def sample_model() -> PageModel:
    """Two groups, a CPU host's and a GPU's, with gaps of each kind."""
    dots = {group.id: dots_of(group) for group in (CPU, GPU)}
    measured = tuple(dot for group in dots.values() for dot in group)
    x_axes: tuple[AxisX, ...] = ("interactivity", "ttft", "e2e")
    y_axes: tuple[AxisY, ...] = ("output", "total")
    axes = [(x, y) for x in x_axes for y in y_axes]
    return page_model(
        night=Night(
            night="2026-11-21",
            run_id=RUN,
            git_sha="3f9c1d2e" * 5,
            planned=len(measured) + len(GAPS),
            ok=len(measured),
            gaps=GAPS,
        ),
        groups=(GPU, CPU),
        measurements=measured,
        frontiers=tuple(frontier(group, dots[group.id], x, y) for group in (CPU, GPU) for x, y in axes),
        published=published_rows(),
    )
