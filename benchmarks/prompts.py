"""Random-token prompts. Real random ids: consecutive ones share prefixes between prompts, and a cache would notice."""

from __future__ import annotations

import hashlib
import math
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks.records import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.facts import RandomWorkload

Purpose = Literal["measure", "warmup"]


def point_seed(night_seed: int, point_key: str, purpose: Purpose) -> str:
    """Hex sha256: no point of a night, and no warm-up, shares a prompt with another."""
    return hashlib.sha256(f"{night_seed}/{point_key}/{purpose}".encode()).hexdigest()


def random_prompts(workload: RandomWorkload, token_range: tuple[int, int], seed: str | int) -> Iterator[Prompt]:
    """Endless. Prompt number i depends on the arguments and i alone, not on how many were drawn before it.

    Lengths are uniform integers on [ceil(ratio x length), length], ids uniform on the half-open `token_range`.
    """
    key = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:16])
    first, end = token_range
    for index in count():
        rng = np.random.Generator(np.random.Philox(key=key, counter=index << 128))
        isl = int(rng.integers(shortest(workload.isl, workload.ratio), workload.isl, endpoint=True))
        osl = int(rng.integers(shortest(workload.osl, workload.ratio), workload.osl, endpoint=True))
        yield Prompt(token_ids=tuple(rng.integers(first, end, size=isl).tolist()), output_tokens=osl)


def shortest(length: int, ratio: float) -> int:
    """ceil(ratio x length) of the decimal number somebody wrote: in binary, 0.55 x 100 is more than 55."""
    return math.ceil(Decimal(str(ratio)) * length)
