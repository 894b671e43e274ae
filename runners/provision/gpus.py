"""The GPUs of this machine as its driver's own tool tells them: are all there, free, and as they came?

Verified on: see `runners/HOSTS.md`. Other makers' GPUs have no adapter yet; that is said, not passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from launch.tool import NoAnswer, ask

if TYPE_CHECKING:
    from matrix.facts import Gpu

FREE_BYTES = 2 << 30
"""An idle data-centre GPU reports some hundred MiB as used: the driver's own."""

_FIELDS = (
    "index",
    "memory.used",
    "power.limit",
    "power.default_limit",
    "clocks.applications.graphics",
    "clocks.default_applications.graphics",
    "mig.mode.current",
    "ecc.errors.uncorrected.volatile.total",
    "name",
)
QUERY = ("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")
PROCESSES = ("nvidia-smi", "--query-compute-apps=pid,process_name", "--format=csv,noheader")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuNow:
    """One GPU. Null: this kind of GPU has no such thing."""

    index: str
    name: str
    used_mib: float
    power_limit_w: float | None
    default_limit_w: float | None
    clock_mhz: float | None
    default_clock_mhz: float | None
    mig: bool
    uncorrected_errors: int


def what_is_wrong(gpu_id: str, known: Gpu, count: int | None) -> list[str]:
    """Everything that makes this machine's GPUs unfit to be measured on; empty when they are fit.

    `count` GPUs of the kind `gpu_id`, which is `known`, are expected; null: this machine has none of its own.
    """
    if count is None or known.device != "nvidia":  # other makers have no adapter yet: nothing is known of theirs
        return []
    found = look(count)
    if isinstance(found, str):
        return [found]
    wrong = [] if len(found) == count else [f"{len(found)} GPUs are here, the fleet says {count}"]
    wrong += [
        f"GPU {gpu.index} calls itself {gpu.name[:60]}, no {gpu_id}"
        for gpu in found
        if not _is(gpu.name, gpu_id, known)
    ]
    wrong += [problem for gpu in found for problem in problems(gpu)]
    return wrong + _busy() if any(gpu.used_mib * (1 << 20) > FREE_BYTES for gpu in found) else wrong


def look(count: int) -> tuple[GpuNow, ...] | str:
    """The GPUs; or, in words, why the driver's tool does not tell."""
    answer = ask(QUERY)
    if answer is None:
        return f"{count} GPUs are expected, and there is no nvidia-smi"
    if isinstance(answer, NoAnswer):
        return f"the driver hangs: nvidia-smi gave no answer in {answer.limit_s:.0f} s"
    if answer.code != 0:
        return f"nvidia-smi failed ({answer.code}): {(answer.err or answer.out).strip()[:200]}"
    return parse(answer.out)


def parse(text: str) -> tuple[GpuNow, ...] | str:
    """`nvidia-smi`'s lines; or, as words, why they cannot be read."""
    found = []
    for line in text.splitlines():
        values = [value.strip() for value in line.split(",", len(_FIELDS) - 1)]
        if len(values) != len(_FIELDS):
            return f"nvidia-smi's answer is not as documented: {line[:100]}"
        index, used, limit, default, clock, default_clock, mig, errors, name = values
        try:
            gpu = GpuNow(
                index=index,
                name=name,
                used_mib=float(used),
                power_limit_w=_number(limit),
                default_limit_w=_number(default),
                clock_mhz=_number(clock),
                default_clock_mhz=_number(default_clock),
                mig=mig == "Enabled",
                uncorrected_errors=int(_number(errors) or 0),
            )
        except ValueError:
            return f"nvidia-smi's answer is not as documented: {line[:100]}"
        found.append(gpu)
    return tuple(found)


def problems(gpu: GpuNow) -> list[str]:
    """What somebody left behind on one GPU."""
    found = []
    if gpu.used_mib * (1 << 20) > FREE_BYTES:
        found.append(f"GPU {gpu.index} is in use: {gpu.used_mib:.0f} MiB are taken")
    if gpu.power_limit_w != gpu.default_limit_w:
        found.append(f"GPU {gpu.index} has a power limit of {gpu.power_limit_w} W, by default {gpu.default_limit_w} W")
    if gpu.clock_mhz != gpu.default_clock_mhz:
        found.append(f"GPU {gpu.index} is set to {gpu.clock_mhz} MHz, by default {gpu.default_clock_mhz} MHz")
    if gpu.mig:
        found.append(f"GPU {gpu.index} is cut up (MIG)")
    if gpu.uncorrected_errors:
        found.append(f"GPU {gpu.index} has {gpu.uncorrected_errors} uncorrected memory errors since the driver started")
    return found


def _is(name: str, gpu_id: str, known: Gpu) -> bool:
    """Whether our id is a word of the driver's name (`h200` of `NVIDIA H200`, not of `GH200`), or ours is the name."""
    return gpu_id in name.lower().split() or name == known.name


def _busy() -> list[str]:
    """Who has them. Foreign processes are named, and never killed."""
    answer = ask(PROCESSES)
    if answer is None or isinstance(answer, NoAnswer) or answer.code != 0 or not answer.out.strip():
        return []
    return [f"on the GPUs: {'; '.join(line.strip() for line in answer.out.splitlines())[:200]}"]


def _number(text: str) -> float | None:
    """Null where this kind of GPU has no such thing, which is said in words of many kinds: `[N/A]`, `[Deprecated]`."""
    return None if text.startswith("[") or text in ("N/A", "") else float(text)
