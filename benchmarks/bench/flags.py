"""The command line's words, and what they mean."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from benchmarks.bench.options import BenchOptions, Outputs
from benchmarks.reference.sets import read_set
from matrix.errors import FleetError, listed, nearest
from matrix.facts import Fact
from matrix.point import Concurrency, Rate, size_of
from matrix.search import Bounds, Ramp, Reach, Refine, Seek
from matrix.slo import Slo
from matrix.trace import read_trace
from matrix.workload import ConversationWorkload, RandomWorkload, ReferenceWorkload, TraceWorkload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.point import Load
    from matrix.trace import Trace
    from matrix.workload import SizedWorkload, Workload

DEFAULT_CONCURRENCY = 8
LIKE_THIS = "turns=6,isl=400,added=100,osl=80,gap_s=2"
DEFAULT_UP_TO = 256.0


class Flags(Fact, frozen=True, kw_only=True):
    """One field per option of `inferfleet bench`, as click gives it."""

    url: str
    model: str | None
    concurrency: int | None
    rate: float | None
    arrival: Literal["poisson", "gamma", "constant", "recorded"]
    burstiness: float
    max_in_flight: int
    isl: int
    osl: int
    ratio: float
    trace: Path | None
    longest_gap_s: float | None
    conversation: str | None
    seconds: float
    requests: int | None
    warmup: int
    shared_prefix_share: float
    prefix_groups: int
    reference: Path | None
    token_ids: str | None
    text: bool
    chat: bool
    keep_alive: bool
    api_key_env: str | None
    seed: str | None
    slo_ttft_s: float | None
    slo_tpot_s: float | None
    slo_e2e_s: float | None
    search: Literal["ramp", "refine", "slo"] | None
    up_to: float | None
    measurements: int
    minutes: float
    json_path: Path | None
    vllm_json: Path | None
    plot: Path | None


def read_flags(said: Mapping[str, object]) -> tuple[BenchOptions, Outputs]:
    """Raises FleetError for flags that contradict one another."""
    flags = msgspec.convert(said, type=Flags)
    trace = read_trace(flags.trace) if flags.trace is not None else None
    options = BenchOptions(
        url=flags.url,
        load=_load(flags, trace),
        workload=_workload(flags, trace),
        trace=flags.trace,
        seconds=flags.seconds,
        requests=flags.requests,
        warmup_requests_per_stream=flags.warmup,
        model=flags.model,
        token_ids=_token_ids(flags),
        reference=flags.reference,
        text=flags.text,
        chat=flags.chat,
        keep_alive=flags.keep_alive,
        seed=flags.seed or secrets.token_hex(4),
        api_key_env=flags.api_key_env,
        slo=_slo(flags),
        search=_search(flags),
    )
    if options.search is not None and (flags.vllm_json or flags.plot):
        raise FleetError("--vllm-json and --plot show one load; --search makes many (--json has them all)")
    return options, Outputs(json=flags.json_path, vllm_json=flags.vllm_json, plot=flags.plot)


def _workload(flags: Flags, trace: Trace | None) -> Workload:
    if trace is not None and flags.conversation is not None:
        raise FleetError("--trace and --conversation are two kinds of sessions: give one")
    if flags.longest_gap_s is not None and trace is None:
        raise FleetError("--longest-gap-s cuts the waits of a --trace")
    if flags.conversation is not None:
        return conversation_of(flags.conversation)
    if trace is None:
        return _sized(flags)
    return TraceWorkload(
        name=trace.header.name,
        trace="recording",
        digest=trace.digest,
        longest_tokens=trace.longest_tokens,
        longest_gap_s=flags.longest_gap_s,
        source=trace.header.source,
    )


def conversation_of(said: str) -> ConversationWorkload:
    """Of `turns=6,isl=400,added=100,osl=80,gap_s=2`. Raises FleetError that says what is wrong with it."""
    pairs = [pair.partition("=") for pair in said.split(",")]
    known = tuple(name for name in ConversationWorkload.__struct_fields__ if name not in ("name", "run_length"))
    for name, _, _ in pairs:
        if name not in known:
            raise FleetError(f"--conversation knows no {name!r}: {nearest(name, known)}")
    values = {"kind": "conversation", "name": "made up", **{name: value for name, _, value in pairs}}
    try:
        return msgspec.convert(values, ConversationWorkload, strict=False)
    except msgspec.ValidationError as error:
        raise FleetError(f"--conversation {said}: {error}. Like this: {LIKE_THIS}") from None


def _load(flags: Flags, trace: Trace | None) -> Load:
    if flags.arrival == "recorded" and trace is None:
        raise FleetError("--arrival recorded is for a --trace: of nothing else were arrivals recorded")
    rate = flags.rate
    if rate is None and flags.arrival == "recorded" and trace is not None and flags.concurrency is None:
        rate = trace.sessions_per_s
    if rate is None:
        if flags.arrival != "poisson" or flags.burstiness != 1.0:
            raise FleetError("--arrival and --burstiness go with --rate: a fixed concurrency has no arrivals")
        return Concurrency(streams=flags.concurrency or (1 if flags.search else DEFAULT_CONCURRENCY))
    if flags.concurrency is not None:
        raise FleetError("--concurrency and --rate are two kinds of load: give one (--max-in-flight bounds a rate)")
    try:
        return Rate(
            requests_per_s=rate,
            arrival=flags.arrival,
            burstiness=flags.burstiness,
            streams=flags.max_in_flight,
        )
    except ValueError as error:
        raise FleetError(str(error)) from None


def _search(flags: Flags) -> Seek | None:
    """From the load given (by default one stream) upwards."""
    if flags.search is None:
        if flags.up_to is not None:
            raise FleetError("--up-to bounds a --search")
        return None
    slo = _slo(flags)
    if flags.search == "slo" and slo is None:
        raise FleetError("--search slo wants a limit: --slo-ttft-s, --slo-tpot-s or --slo-e2e-s")
    if flags.trace is not None or flags.conversation is not None:
        raise FleetError("--search is for requests: sessions are held at one load")
    first = size_of(_load(flags, None))
    try:
        bounds = Bounds(
            first_load=first,
            last_load=flags.up_to or max(first, DEFAULT_UP_TO),
            max_measurements=flags.measurements,
            max_minutes=flags.minutes,
        )
    except ValueError:
        raise FleetError(f"--up-to {flags.up_to:g} is below the first load, {first:g}") from None
    if slo is not None and flags.search == "slo":
        return Seek(method=Reach(slo=slo), bounds=bounds)
    return Seek(method=Ramp() if flags.search == "ramp" else Refine(), bounds=bounds)


def _sized(flags: Flags) -> SizedWorkload:
    if flags.prefix_groups > 1 and not flags.shared_prefix_share:
        raise FleetError("--prefix-groups goes with --shared-prefix-share: without it no prompt shares anything")
    if flags.reference is None:
        return RandomWorkload(
            name="bench",
            isl=flags.isl,
            osl=flags.osl,
            ratio=flags.ratio,
            shared_prefix_share=flags.shared_prefix_share,
            prefix_groups=flags.prefix_groups,
        )
    if flags.ratio != 1 or flags.token_ids is not None:
        raise FleetError("--reference has prompts of exactly --isl tokens: leave out --ratio and --token-ids")
    made, digest = read_set(flags.reference)
    if flags.isl not in made.passages:
        raise FleetError(f"{flags.reference} has passages of {listed(list(made.passages))} tokens: choose with --isl")
    return ReferenceWorkload(
        name="bench",
        set=digest,
        tokenizer=made.tokenizer.fingerprint,
        isl=flags.isl,
        osl=flags.osl,
        shared_prefix_share=flags.shared_prefix_share,
        prefix_groups=flags.prefix_groups,
    )


def _token_ids(flags: Flags) -> tuple[int, int] | None:
    if flags.token_ids is None:
        return None
    if flags.text or flags.chat:
        raise FleetError("--token-ids makes prompts of ids; --text and --chat want text")
    low, colon, high = flags.token_ids.partition(":")
    if not (colon and low.isdecimal() and high.isdecimal() and int(low) < int(high)):
        raise FleetError(f"--token-ids {flags.token_ids}: write LOW:HIGH, as 1000:30000 (HIGH itself is not used)")
    return int(low), int(high)


def _slo(flags: Flags) -> Slo | None:
    limits = (flags.slo_ttft_s, flags.slo_tpot_s, flags.slo_e2e_s)
    if all(limit is None for limit in limits):
        return None
    if any(limit is not None and limit <= 0 for limit in limits):
        raise FleetError("a limit of an SLO is more than 0 s")
    return Slo(ttft_s=flags.slo_ttft_s, tpot_s=flags.slo_tpot_s, e2e_s=flags.slo_e2e_s)
