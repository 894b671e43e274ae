"""The one place that knows which prompts a workload means."""

from __future__ import annotations

import http.client
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from benchmarks.bench.ask import Address, Server
from benchmarks.prompts import prefixed_random_prompts
from benchmarks.reference.draw import Cuts, reference_prompts
from benchmarks.reference.encoders import fingerprint
from benchmarks.reference.sets import find_set
from benchmarks.requests import auth_headers
from matrix.errors import UNDECODABLE, FleetError
from matrix.facts import token_range
from matrix.words import Reason
from matrix.workload import RandomWorkload, expects_cache_hits

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.prompts import Numbered, Seeds
    from benchmarks.records import Target
    from matrix.facts import Model
    from matrix.workload import ReferenceWorkload, SizedWorkload, Workload


class NoPrompts(FleetError):
    """A workload's prompts cannot be had, or not for this server: `reason` says which."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def prompts_of(workload: SizedWorkload, model: Model, seeds: Seeds, sets: Path) -> Numbered:
    """Endless prompts, by number. `sets` is the folder of reference sets. Raises NoPrompts where a set is not there,
    not what it says it is, or too small.
    """
    if isinstance(workload, RandomWorkload):
        return prefixed_random_prompts(workload, token_range(model), seeds)
    try:
        return reference_prompts(workload, cuts_of(workload, sets), seeds)
    except FleetError as error:
        raise NoPrompts(Reason.PROMPTS_MISSING, str(error)) from None


def target_for(workload: Workload, target: Target) -> Target:
    """The same server, asked to use its prefix cache where that is what the workload is about, and else not to."""
    if not expects_cache_hits(workload):
        return target
    dialect = msgspec.structs.replace(target.dialect, no_cache=target.dialect.cache)
    return msgspec.structs.replace(target, dialect=dialect)


def require_tokenizer(workload: ReferenceWorkload, target: Target) -> None:
    """Raises NoPrompts if the server says that it tokenizes in another way than the workload's set was made in.

    A server without `/tokenize` says nothing: then the facts of its model, which `check` compared, have to do.
    """
    server = Server(address=Address(target.host, target.port, target.tls), headers=auth_headers(target.api_key_env))
    tokenize = server.tokenizer(target.model)
    try:
        found = workload.tokenizer if tokenize is None else fingerprint(tokenize)
    except (OSError, http.client.HTTPException, *UNDECODABLE):
        return  # it broke off: if it is gone, the measurement will say so
    if found != workload.tokenizer:
        detail = f"the server's tokenizer is {found}, the reference prompts are for {workload.tokenizer}"
        raise NoPrompts(Reason.MODEL_MISMATCH, detail)


def cuts_of(workload: ReferenceWorkload, sets: Path) -> Cuts:
    """The workload's set, ready to draw from. Points of one job draw from the same: it is read once."""
    return _cuts(sets, workload.set, workload.tokenizer)


@lru_cache(maxsize=2)
def _cuts(sets: Path, digest: str, tokenizer: str) -> Cuts:
    made = find_set(sets, digest)
    if made.tokenizer.fingerprint != tokenizer:
        raise FleetError(
            f"the set {digest} was made with the tokenizer {made.tokenizer.fingerprint}, and the workload says "
            f"{tokenizer}: correct `tokenizer:`, or make a set for it with `inferfleet prompts build`"
        )
    return Cuts.of(made)
