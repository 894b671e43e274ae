"""Workloads: what is sent to a server, and how long it is measured."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from matrix.facts import Amount, Fact, Id, Positive, Seconds, Sha256
from matrix.slo import Slo

Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
PrefixGroups = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class SearchLimits(Fact, frozen=True, kw_only=True):
    """What one search may cost and how often it is made. `max_load` is streams, or requests per second."""

    max_load: Amount = 1024.0
    max_measurements: Positive = 24
    max_minutes: Seconds = 120.0
    every_nights: Positive = 14


class RunLength(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """When a measurement may stop, and how often it is made. Set by the fleet per workload, never by a recipe.

    It ends at the first request boundary where both minima are reached, or at `max_s`. It is made once in
    `every_nights` nights, unless the rota of the fleet is slower; 1 lets the sentinels of a frontier run every night.
    `repeat_first`: the first of several points on a server is measured once more as the last, so that what order does
    is seen. Off where a window is so short, or a host so busy, that two runs would differ without any cause.
    `search` bounds the searches that recipes ask for.
    """

    min_s: Seconds = 60.0
    max_s: Seconds = 600.0
    min_requests: Positive = 32
    warmup_requests_per_stream: Positive = 1
    every_nights: Positive = 1
    search: SearchLimits = SearchLimits()
    repeat_first: bool = True


class RandomWorkload(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="random", tag_field="kind"):
    """Random token prompts. Lengths are uniform on [ratio x length, length], both ends included.

    The first `shared_prefix_share` of each prompt's tokens is the same in all prompts of one of `prefix_groups` groups.
    `slo`, the fleet's policy like the run length, is what its goodput is counted by.
    """

    name: str
    isl: Positive
    osl: Positive
    ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    shared_prefix_share: Share = 0.0
    prefix_groups: PrefixGroups = 1
    run_length: RunLength = RunLength()
    slo: Slo | None = None


class ReferenceWorkload(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="reference", tag_field="kind"):
    """Natural text of exactly `isl` tokens, from the set of reference prompts with the sha256 `set`.

    `tokenizer` is the fingerprint of the one the set was made with: a model with another cannot use it. Of a shared
    prefix, as in `RandomWorkload`.
    """

    name: str
    set: Sha256
    tokenizer: Sha256
    isl: Positive
    osl: Positive
    shared_prefix_share: Share = 0.0
    prefix_groups: PrefixGroups = 1
    run_length: RunLength = RunLength()
    slo: Slo | None = None

    @property
    def ratio(self) -> float:
        """Lengths are exact."""
        return 1.0


class TraceWorkload(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="trace", tag_field="kind"):
    """Recorded requests replayed: each stream works through whole conversations of the trace.

    `digest` pins the recording; null means unpinned. `longest_tokens` is its longest request, prompt and answer.
    Waits longer than `longest_gap_s` are cut to that.
    """

    name: str
    trace: Id
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")] | None = None
    longest_tokens: Positive | None = None
    longest_gap_s: Seconds | None = None
    run_length: RunLength = RunLength()
    slo: Slo | None = None
    source: str = ""


class ConversationWorkload(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="conversation", tag_field="kind"):
    """Made-up conversations of `turns` requests: `isl` tokens first, then all that was said and `added` more.

    `shared` tokens stand before them, the same in all sessions. Lengths are uniform on [ratio x length, length]. Each
    later turn is due `gap_s` after the last answer in the mean, which a person's thinking takes, or an agent's `tool`.
    """

    name: str
    turns: Positive
    isl: Positive
    added: Positive
    osl: Positive
    shared: Annotated[int, msgspec.Meta(ge=0)] = 0
    ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    gap_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    gap_shape: Literal["exponential", "constant"] = "exponential"
    waits_for: Literal["person", "tool"] = "person"
    slo: Slo | None = None
    run_length: RunLength = RunLength()

    @property
    def longest_tokens(self) -> int:
        """Of the last request of a session, prompt and answer."""
        return self.shared + self.isl + (self.turns - 1) * (self.added + self.osl) + self.osl


SizedWorkload = RandomWorkload | ReferenceWorkload
"""Requests that know nothing of each other, of stated lengths."""
SessionWorkload = TraceWorkload | ConversationWorkload
Workload = RandomWorkload | ReferenceWorkload | TraceWorkload | ConversationWorkload


def expects_cache_hits(workload: Workload) -> bool:
    """Whether prompts share tokens on purpose, so that hits of a prefix cache are what is measured, not a mistake."""
    return not isinstance(workload, SizedWorkload) or workload.shared_prefix_share > 0
