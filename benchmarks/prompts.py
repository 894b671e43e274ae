"""Random-token prompts. Real random ids: consecutive ones share prefixes between prompts, and a cache would notice."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from benchmarks.records import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from matrix.workload import RandomWorkload

Purpose = Literal["measure", "warmup"]
_Range = tuple[int, int]


def point_seed(night_seed: int, point_key: str, purpose: Purpose) -> str:
    """Hex sha256: no point of a night, and no warm-up, shares a prompt with another."""
    return hashlib.sha256(f"{night_seed}/{point_key}/{purpose}".encode()).hexdigest()


class Seeds(NamedTuple):
    """`own` is for what no other prompt has, `shared` for what all prompts of a point have in common."""

    own: str
    shared: str
    purpose: Purpose = "measure"


def point_seeds(night_seed: int, point_key: str, purpose: Purpose) -> Seeds:
    """The prefix of a point's prompts is that of its warm-up, too: in service it is in the cache."""
    shared = hashlib.sha256(f"{night_seed}/{point_key}/shared".encode()).hexdigest()
    return Seeds(point_seed(night_seed, point_key, purpose), shared, purpose)


@dataclass(slots=True)
class Numbered:
    """Endless prompts that can be had by number: worker processes share them out without talking to each other."""

    at: Callable[[int], Prompt]
    number: int = 0
    step: int = 1

    def __iter__(self) -> Numbered:
        return self

    def __next__(self) -> Prompt:
        prompt = self.at(self.number)
        self.number += self.step
        return prompt

    def share(self, part: int, of: int) -> Numbered:
        """Every `of`-th of what is left, from number `part` of it on."""
        return Numbered(self.at, self.number + part * self.step, self.step * of)


def prefixed_random_prompts(workload: RandomWorkload, token_range: _Range, seeds: Seeds) -> Numbered:
    """`random_prompts`, of which those of a group begin with the same ids, where the workload says so."""
    drawn = random_prompts(workload, token_range, seeds.own)
    if not workload.shared_prefix_share:
        return drawn
    key = int.from_bytes(hashlib.sha256(seeds.shared.encode()).digest()[:16])
    longest = shared_tokens(workload.shared_prefix_share, workload.isl)
    heads = [
        tuple(_philox(key, group).integers(*token_range, size=longest).tolist())
        for group in range(workload.prefix_groups)
    ]
    group_key = int.from_bytes(hashlib.sha256(f"{seeds.own}/group".encode()).digest()[:16])
    return Numbered(partial(_prefixed, drawn.at, heads, workload.shared_prefix_share, group_key))


def _prefixed(
    drawn: Callable[[int], Prompt], heads: list[tuple[int, ...]], share: float, group_key: int, number: int
) -> Prompt:
    prompt = drawn(number)
    shared = shared_tokens(share, len(prompt.token_ids))
    head = heads[int(_philox(group_key, number).integers(len(heads)))]
    return msgspec.structs.replace(prompt, token_ids=head[:shared] + prompt.token_ids[shared:])


def random_prompts(workload: RandomWorkload, token_range: tuple[int, int], seed: str | int) -> Numbered:
    """Endless. Prompt number i depends on the arguments and i alone, not on how many were drawn before it.

    Lengths are uniform integers on [ceil(ratio x length), length], ids uniform on the half-open `token_range`.
    """
    key = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:16])
    isl = shortest(workload.isl, workload.ratio), workload.isl
    osl = shortest(workload.osl, workload.ratio), workload.osl
    return Numbered(partial(_random_prompt, key, isl, osl, token_range))


def _random_prompt(key: int, isl: _Range, osl: _Range, token_range: _Range, number: int) -> Prompt:
    rng = _philox(key, number)
    length = int(rng.integers(*isl, endpoint=True))
    output_tokens = int(rng.integers(*osl, endpoint=True))
    return Prompt(token_ids=tuple(rng.integers(*token_range, size=length).tolist()), output_tokens=output_tokens)


def _philox(key: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key, counter=number << 128))


def shared_tokens(share: float, length: int) -> int:
    """floor(share x length) of the decimal number somebody wrote."""
    return math.floor(Decimal(str(share)) * length)


def shortest(length: int, ratio: float) -> int:
    """ceil(ratio x length) of the decimal number somebody wrote: in binary, 0.55 x 100 is more than 55."""
    return math.ceil(Decimal(str(ratio)) * length)
