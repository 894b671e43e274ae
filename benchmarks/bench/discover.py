"""Finding out how a server wants to be asked: small requests, from the most exact spelling to the plainest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import msgspec

from benchmarks.bench.ask import Server, address_of
from benchmarks.bench.words import single_tokens, untested_words, word_prompts
from benchmarks.client import run_load
from benchmarks.prompts import Numbered, Seeds, prefixed_random_prompts
from benchmarks.records import RequestError, StopRule, Target
from benchmarks.reference.draw import Cuts, reference_prompts
from benchmarks.reference.draw import word_prompts as set_words
from benchmarks.reference.encoders import fingerprint
from benchmarks.reference.sets import read_set
from benchmarks.requests import CHAT, auth_headers
from matrix.dialect import Dialect
from matrix.errors import FleetError, nearest
from matrix.point import Concurrency
from matrix.workload import RandomWorkload, ReferenceWorkload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.bench.ask import Tokenize
    from benchmarks.bench.options import BenchOptions
    from benchmarks.bench.words import Word
    from benchmarks.records import Prompt, RequestRecord
    from matrix.dialect import Scalar
    from matrix.workload import SizedWorkload

PROBE_S = 300.0
"""A server may compile or load on its first request."""
PROBE_TOKENS = 8
KEPT_REQUESTS = 10
_HOPELESS = {RequestError.REFUSED, RequestError.TIMEOUT, RequestError.STALLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSource:
    """Token ids of a range, or words, or a set of reference prompts.

    `rough`: nobody has counted the words' tokens. `unproven`: nobody compared the set's tokenizer with the server's.
    """

    token_ids: tuple[int, int] | None = None
    words: tuple[Word, ...] = ()
    reference: Cuts | None = None
    rough: bool = False
    unproven: bool = False
    template_tokens: int = 0

    def prompts(self, workload: SizedWorkload, seeds: Seeds) -> Numbered:
        """Endless; other seeds, other prompts."""
        if isinstance(workload, ReferenceWorkload):
            drawn = reference_prompts(workload, self._cuts(), seeds)
        elif self.token_ids is None:
            return word_prompts(self.words, workload, seeds, self.template_tokens)
        else:
            drawn = prefixed_random_prompts(workload, self.token_ids, seeds)
        return Numbered(partial(_in_template, drawn.at, self.template_tokens))

    def small(self, osl: int, seed: str) -> Numbered:
        """Short questions, to find out how the server wants to be asked."""
        if self.reference is not None:
            return set_words(self.reference, PROBE_TOKENS, osl, seed)
        return self.prompts(RandomWorkload(name="probe", isl=PROBE_TOKENS, osl=osl, ratio=1.0), Seeds(seed, seed))

    def _cuts(self) -> Cuts:
        if self.reference is None:
            raise TypeError("a reference workload comes with the file of its set")
        return self.reference


def _in_template(drawn: Callable[[int], Prompt], template_tokens: int, number: int) -> Prompt:
    return msgspec.structs.replace(drawn(number), template_tokens=template_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server that has answered once. `notes` say what it would not take, in sentences."""

    target: Target
    source: PromptSource
    notes: tuple[str, ...]


def discover(options: BenchOptions) -> Found:
    """Asks the server until it answers a small request. Raises FleetError with what it said if it never does."""
    address = address_of(options.url)
    server = Server(address=address, headers=auth_headers(options.api_key_env))
    model = _choose_model(server.models(), options)
    source = _source(server, model, options)
    target = Target(
        host=address.host,
        port=address.port,
        model=model,
        dialect=Dialect(),
        api_key_env=options.api_key_env,
        tls=address.tls,
    )
    refusals: list[str] = []
    for dialect in _spellings(options, source):
        tried = msgspec.structs.replace(target, dialect=dialect)
        record = _probe(tried, source, options.seed)
        if record.error is None:
            return _found(_with_connections(tried, source, options), source, record)
        refusals.append(f"{_said(dialect)}: {record.error} {record.status or ''} {record.detail}".rstrip())
        if record.error in _HOPELESS:
            break
    raise FleetError(f"{options.url} answered none of these requests:\n  " + "\n  ".join(refusals))


def _choose_model(served: tuple[str, ...], options: BenchOptions) -> str:
    wanted = options.model
    if wanted is not None and served and wanted not in served:
        raise FleetError(f"{options.url} serves no model {wanted!r}: {nearest(wanted, served)}")
    if wanted is None and not served:
        raise FleetError(f"{options.url} lists no model: name one with `--model`")
    return wanted or served[0]


def _source(server: Server, model: str, options: BenchOptions) -> PromptSource:
    if options.token_ids is not None:
        return PromptSource(token_ids=options.token_ids)
    tokenize = server.tokenizer(model)
    if options.reference is not None:
        return _reference(options.reference, options.url, tokenize)
    words = single_tokens(tokenize) if tokenize else ()
    if words:
        return PromptSource(words=words)
    if options.text:
        return PromptSource(words=untested_words(), rough=True)
    raise FleetError(
        f"{options.url} has no /tokenize to make prompts of an exact length with. Say which token ids are ordinary "
        "ones with `--token-ids LOW:HIGH`, or use `--text` for words of about one token each"
    )


def _reference(path: Path, url: str, tokenize: Tokenize | None) -> PromptSource:
    made, _ = read_set(path)
    if tokenize is not None and fingerprint(tokenize) != made.tokenizer.fingerprint:
        remedy = f"make one for it: `inferfleet prompts build --tokenizer {url} --isl ...`"
        raise FleetError(f"{path} was made with {made.tokenizer.made_with}, and {url} tokenizes otherwise: {remedy}")
    return PromptSource(reference=Cuts.of(made), unproven=tokenize is None)


def _spellings(options: BenchOptions, source: PromptSource) -> Iterator[Dialect]:
    """From the one that says most to the one every server takes."""
    text_only = options.chat or options.text or source.unproven  # the server counts the tokens of a text
    by_ids = [by_ids for by_ids in (True, False) if not (by_ids and text_only) and (by_ids or not source.token_ids)]
    exact: list[dict[str, Scalar]] = [{"ignore_eos": True}, {}]
    for ids, exact_length, usage in product(by_ids, exact, (True, False)):
        yield Dialect(
            path="/v1/chat/completions" if options.chat else "/v1/completions",
            prompt_token_ids=ids,
            exact_length=exact_length,
            usage_needs_stream_options=usage,
        )


def _probe(target: Target, source: PromptSource, seed: str) -> RequestRecord:
    return _small_load(target, source, f"{seed}/probe", requests=1, osl=PROBE_TOKENS)[0]


def _with_connections(target: Target, source: PromptSource, options: BenchOptions) -> Target:
    """A few requests on kept connections; if the server drops one as a request arrives, every request gets its own."""
    keep = options.keep_alive and all(
        record.error is not RequestError.RESET
        for record in _small_load(target, source, f"{options.seed}/kept", requests=KEPT_REQUESTS, osl=2)
    )
    return msgspec.structs.replace(target, dialect=msgspec.structs.replace(target.dialect, keep_alive=keep))


def _small_load(
    target: Target, source: PromptSource, seed: str, *, requests: int, osl: int
) -> tuple[RequestRecord, ...]:
    stop = StopRule(min_s=0.0, max_s=PROBE_S, min_requests=requests, request_timeout_s=PROBE_S, stall_s=PROBE_S)
    return run_load(target, source.small(osl, seed), Concurrency(streams=1), stop).records


def _found(target: Target, source: PromptSource, record: RequestRecord) -> Found:
    """What the server counts beyond the prompt (a template, a BOS) is part of what is asked of it from now on."""
    added = (record.input_tokens or 0) - record.asked_input_tokens
    known = replace(source, template_tokens=0 if source.rough else max(0, added))
    return Found(target=target, source=known, notes=_notes(record, target.dialect, source))


def _said(dialect: Dialect) -> str:
    prompt = "chat" if dialect.path == CHAT else "token ids" if dialect.prompt_token_ids else "text"
    extras = [*dialect.exact_length, *(["stream_options"] if dialect.usage_needs_stream_options else [])]
    return " with ".join([prompt, *([", ".join(extras)] if extras else [])])


def _notes(record: RequestRecord, dialect: Dialect, source: PromptSource) -> tuple[str, ...]:
    notes = []
    if source.unproven:
        notes.append("the server has no /tokenize: that the set is for its tokenizer is only known from `usage`")
    if source.rough:
        notes.append("prompts are as many words as tokens were asked for; what they came to is what `usage` says")
    if not dialect.exact_length:
        notes.append("the server takes no ignore_eos: answers may end before the asked length")
    elif record.output_tokens is not None and record.output_tokens < record.asked_output_tokens:
        notes.append("the server takes ignore_eos and stops early all the same")
    if not dialect.keep_alive:
        notes.append("every request has a connection of its own, opened off the clock")
    if record.output_tokens is None:
        notes.append("the server sends no usage: tokens are not counted, so there is no throughput in tokens")
    return tuple(notes)
