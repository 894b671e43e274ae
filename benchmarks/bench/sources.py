"""What a person's workload sends to the server that was found: requests, or sessions in whatever it takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import accumulate, repeat
from typing import TYPE_CHECKING

import msgspec

from benchmarks.bench.words import worded
from benchmarks.client import run_load
from benchmarks.records import Prompt, StopRule
from benchmarks.requests import CHAT
from benchmarks.sessions import made_up, recorded
from matrix.errors import FleetError
from matrix.point import Concurrency
from matrix.trace import read_trace
from matrix.workload import ConversationWorkload, TraceWorkload

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench.discover import Found
    from benchmarks.bench.options import BenchOptions
    from benchmarks.bench.words import Word
    from benchmarks.prompts import Numbered, Seeds
    from benchmarks.sessions import Ids, Sessions

ASK_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Makes a session's prompts: of ids, of words, or of words in messages by turns from the user and the assistant.

    A template adds `template_tokens` to the first message and `pair_tokens` to every two that follow.
    """

    words: tuple[Word, ...] = ()
    chat: bool = False
    template_tokens: int = 0
    pair_tokens: int = 0

    def __call__(self, drawn: Ids, output_tokens: int, messages: tuple[int, ...]) -> Prompt:
        prompt = Prompt(
            token_ids=tuple(drawn.tolist()), output_tokens=output_tokens, template_tokens=self.template_tokens
        )
        if not self.words:
            return prompt
        said = worded(self.words, prompt)
        if not self.chat:
            return said
        ends = list(accumulate(messages))
        stretches = zip([0, *ends], ends, strict=False)
        texts = tuple("".join(self.words[place].text for place in drawn[begin:end]) for begin, end in stretches)
        added = self.template_tokens + (len(messages) - 1) // 2 * self.pair_tokens
        return msgspec.structs.replace(said, messages=texts, template_tokens=added)


def source_of(options: BenchOptions, found: Found) -> Callable[[Seeds], Numbered | Sessions]:
    """By its seeds. Raises FleetError for a trace that cannot be read, or a chat server that cannot be asked."""
    workload, source = options.workload, found.source
    if not isinstance(workload, TraceWorkload | ConversationWorkload):
        return partial(source.prompts, workload)
    chat = found.target.dialect.path == CHAT
    speaker = Speaker(
        words=() if source.token_ids is not None else source.words,
        chat=chat,
        template_tokens=source.template_tokens,
        pair_tokens=_pair_tokens(found) if chat and not source.rough else 0,
    )
    ids = source.token_ids or (0, len(source.words))
    if isinstance(workload, ConversationWorkload):
        talk = partial(made_up, workload, ids, speak=speaker)
        return lambda seeds: talk(seeds.own)
    if options.trace is None:
        raise FleetError(f"{workload.name}: where is its recording?")
    trace = read_trace(options.trace, workload.digest)
    replay = partial(recorded, trace, ids, longest_gap_s=workload.longest_gap_s, speak=speaker)
    return lambda seeds: replay(seeds.own)


def _pair_tokens(found: Found) -> int:
    """What the template adds for an answer and another question: three messages of a word each are asked."""
    words = found.source.words[:3]
    prompt = Prompt(
        token_ids=tuple(word.token_id for word in words),
        output_tokens=1,
        text="".join(word.text for word in words),
        messages=tuple(word.text for word in words),
    )
    stop = StopRule(min_s=0.0, max_s=ASK_S, min_requests=1, max_requests=1, request_timeout_s=ASK_S, stall_s=ASK_S)
    (record,) = run_load(found.target, repeat(prompt), Concurrency(streams=1), stop).records
    if record.error is not None:
        raise FleetError(f"the server answers no conversation of three messages: {record.error} {record.detail}")
    counted = record.input_tokens or len(words) + found.source.template_tokens
    return max(0, counted - len(words) - found.source.template_tokens)
