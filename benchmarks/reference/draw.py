"""Drawing prompts from a set: which passages, in which order, under which first words, all from a seed.

A prompt begins with a few words drawn from the text, then reads a passage from its beginning. The words make every
prompt new, however small the set: no cache has seen it, in this point, in another or in last night's. The cut is at
the end of a word and the words before it make the tokens come out exactly, so its text has as many tokens as its ids.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.prompts import Numbered, Seeds, shared_tokens
from benchmarks.records import Prompt
from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.reference.sets import ReferenceSet
    from matrix.workload import ReferenceWorkload

SALT_TOKENS = 6
"""At least so many tokens of random words stand before a passage."""
MAX_WORD_TOKENS = 8
MAX_FILL = 4096
WARMUP_PART = 8
"""One passage in so many is the warm-up's."""


class Span(NamedTuple):
    """So many `tokens` of the set's text, from token `first` on."""

    first: int
    tokens: int


@dataclass(frozen=True, eq=False)
class Cuts:
    """A set's text with every place where it can be cut between two words.

    `ends`: for each token, the character it ends before. `passages`: as in the set.
    """

    text: str
    ids: np.ndarray
    ends: np.ndarray
    passages: Mapping[int, tuple[int, ...]]

    @classmethod
    def of(cls, made: ReferenceSet) -> Cuts:
        return cls(made.text, np.array(made.ids, dtype=np.int32), np.cumsum(made.lengths), made.passages)

    @cached_property
    def word_starts(self) -> np.ndarray:
        """For each token, and the end: whether it begins with a space that a letter follows."""
        at = np.concatenate(([0], self.ends))
        text = np.frombuffer(self.text.encode() + b"\0\0", dtype=np.uint8)
        letters = text[1:] | 0x20
        begins = (text[:-1] == ord(" ")) & (letters >= ord("a")) & (letters <= ord("z"))
        found: np.ndarray = begins[at]
        found[-1] = True
        return found

    @cached_property
    def words(self) -> Mapping[int, Sequence[Span]]:
        """Words of the text that are letters only, each once, by how many tokens they are.

        Not the last one, which may be the beginning of a longer word.
        """
        starts, at = np.flatnonzero(self.word_starts).tolist(), [0, *self.ends.tolist()]
        seen: dict[str, Span] = {}
        for first, after in pairwise(starts[:-1]):
            word = self.text[at[first] : at[after]]
            if after - first <= MAX_WORD_TOKENS and word[1:].isalpha():
                seen.setdefault(word, Span(first, after - first))
        found: dict[int, list[Span]] = defaultdict(list)
        for span in seen.values():
            found[span.tokens].append(span)
        return found

    @cached_property
    def fillable(self) -> Sequence[bool]:
        """For each number of tokens, whether words can make exactly so many."""
        can = [True]
        for tokens in range(1, MAX_FILL + 1):
            can.append(any(can[tokens - size] for size in self.words if size <= tokens))
        return can

    def text_of(self, span: Span) -> str:
        begin = int(self.ends[span.first - 1]) if span.first else 0
        return self.text[begin : int(self.ends[span.first + span.tokens - 1])] if span.tokens else ""

    def prompt(self, spans: Sequence[Span], output_tokens: int) -> Prompt:
        ids = np.concatenate([self.ids[span.first : span.first + span.tokens] for span in spans])
        text = "".join(self.text_of(span) for span in spans)
        return Prompt(token_ids=tuple(ids.tolist()), output_tokens=output_tokens, text=text)

    def fill(self, tokens: int, random: np.random.Generator) -> list[Span]:
        """Random words of exactly so many tokens. Raises FleetError where the text has none such."""
        if tokens > MAX_FILL or not self.fillable[tokens]:
            raise FleetError(f"no words of this set's text make exactly {tokens} tokens: use a longer text")
        spans: list[Span] = []
        while tokens:
            sizes = [size for size in self.words if size <= tokens and self.fillable[tokens - size]]
            weights = np.array([len(self.words[size]) for size in sizes], dtype=float)
            size = sizes[int(random.choice(len(sizes), p=weights / weights.sum()))]
            spans.append(self.words[size][int(random.integers(len(self.words[size])))])
            tokens -= size
        return spans

    def passage(self, start: int, tokens: int, random: np.random.Generator) -> list[Span]:
        """Random words, then the text from token `start` on to the end of a word: exactly so many tokens together."""
        most = max(0, tokens - SALT_TOKENS)
        cuts = start + np.flatnonzero(self.word_starts[start : start + most + 1])[::-1]
        fitting = (int(cut) - start for cut in cuts if self.fillable[min(tokens - (int(cut) - start), MAX_FILL)])
        count = next(fitting, 0)
        return [*self.fill(tokens - count, random), Span(start, count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a point's prompts are drawn from: `heads` are whole prefixes to share, `starts` passages of its own."""

    cuts: Cuts
    heads: tuple[tuple[Span, ...], ...]
    starts: tuple[int, ...]
    own_tokens: int
    output_tokens: int
    seed: str


def reference_prompts(workload: ReferenceWorkload, cuts: Cuts, seeds: Seeds) -> Numbered:
    """Endless. The passages of a warm-up are others than those of a measurement; they come again when all have been
    used, in another order and under other words. Raises FleetError where the set has too few passages of this length.
    """
    starts = _passages(workload, cuts)
    order = _random(seeds.shared, "order").permutation(len(starts)).tolist()
    shuffled = [starts[place] for place in order]
    shared = shared_tokens(workload.shared_prefix_share, workload.isl)
    heads, rest = (workload.prefix_groups, shuffled[workload.prefix_groups :]) if shared else (0, shuffled)
    reserved = max(1, len(rest) // WARMUP_PART)
    drawn = Drawn(
        cuts=cuts,
        heads=tuple(
            tuple(cuts.passage(start, shared, _random(seeds.shared, "head", number)))
            for number, start in enumerate(shuffled[:heads])
        ),
        starts=tuple(rest[:reserved] if seeds.purpose == "warmup" else rest[reserved:]),
        own_tokens=workload.isl - shared,
        output_tokens=workload.osl,
        seed=seeds.own,
    )
    return Numbered(partial(_prompt, drawn))


def _passages(workload: ReferenceWorkload, cuts: Cuts) -> tuple[int, ...]:
    starts = cuts.passages.get(workload.isl)
    if starts is None:
        known = ", ".join(str(isl) for isl in sorted(cuts.passages))
        remedy = f"`inferfleet prompts build --isl {workload.isl}` makes one"
        raise FleetError(f"the set has passages of {known} tokens, none of {workload.isl}: {remedy}")
    needed = 2 + (workload.prefix_groups if workload.shared_prefix_share else 0)
    if len(starts) < needed:
        raise FleetError(f"the set has {len(starts)} passages of {workload.isl} tokens, and {needed} are needed")
    return starts


def _prompt(drawn: Drawn, number: int) -> Prompt:
    turn, place = divmod(number, len(drawn.starts))
    start = drawn.starts[int(_random(drawn.seed, "turn", turn).permutation(len(drawn.starts))[place])]
    random = _random(drawn.seed, "prompt", number)
    head = drawn.heads[int(random.integers(len(drawn.heads)))] if drawn.heads else ()
    return drawn.cuts.prompt([*head, *drawn.cuts.passage(start, drawn.own_tokens, random)], drawn.output_tokens)


def word_prompts(cuts: Cuts, tokens: int, output_tokens: int, seed: str) -> Numbered:
    """Random words of the set's text, for a few small questions to a server."""
    return Numbered(partial(_words, cuts, tokens, output_tokens, seed))


def _words(cuts: Cuts, tokens: int, output_tokens: int, seed: str, number: int) -> Prompt:
    return cuts.prompt(cuts.fill(tokens, _random(seed, "words", number)), output_tokens)


def _random(seed: str, what: str, number: int = 0) -> np.random.Generator:
    key = int.from_bytes(hashlib.sha256(f"{seed}/{what}".encode()).digest()[:16])
    return np.random.Generator(np.random.Philox(key=key, counter=number << 128))
