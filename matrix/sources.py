"""No invented facts: what is from outside says where from, what is null says why, what is pinned can be traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec

from matrix.errors import nearest
from matrix.facts import Arithmetic, HubWeights
from matrix.workload import TraceWorkload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matrix.errors import Problem
    from matrix.facts import Fact, Gpu, Model
    from matrix.fleet import Fleet

_ABSENT = object()


def unsourced(fleet: Fleet) -> Iterator[Problem]:
    """Every fact without a source, every null without a reason, and every note about a field there is not."""
    for kind, facts in _with_source(fleet):
        for name, fact in facts.items():
            if not getattr(fact, "source", "").strip():
                yield fleet.fact_problem(kind, name, ("source",), "has no source", "say where these facts come from")
    for name, model in fleet.models.items():
        yield from _notes(fleet, "models", name, model)
        yield from _model(fleet, name, model)
    for name, gpu in fleet.gpus.items():
        yield from _notes(fleet, "gpus", name, gpu)
        yield from _nulls(fleet, "gpus", name, gpu, () if gpu.device == "cpu" else _of_an_accelerator(gpu))
    for name, price in fleet.prices.items():
        yield from _notes(fleet, "prices", name, price)
        yield from _nulls(fleet, "prices", name, price, ("kw_per_gpu",))
    for name, host in fleet.hosts.items():
        yield from _notes(fleet, "hosts", name, host)
        yield from _nulls(fleet, "hosts", name, host, ("devices",))
    yield from _traces(fleet)


def _with_source(fleet: Fleet) -> tuple[tuple[str, Mapping[str, Fact]], ...]:
    return (
        ("models", fleet.models),
        ("gpus", fleet.gpus),
        ("engines", fleet.engines),
        ("prices", fleet.prices),
    )


def _model(fleet: Fleet, name: str, model: Model) -> Iterator[Problem]:
    weights = model.weights
    pinned = isinstance(weights, HubWeights) and weights.revision is not None
    if isinstance(weights, HubWeights):
        fields = ("weights.revision", "vocab_size", "prompt_token_ids", "max_context", "dimensions")
        yield from _nulls(fleet, "models", name, model, fields)
    if model.dimensions is not None and not model.dimensions.source.strip():
        where = ("dimensions", "source")
        yield fleet.fact_problem("models", name, where, "its dimensions have no source", "say whose they are")
    if model.trust_remote_code and not pinned:
        message = "lets a model repository's code run, at a revision nobody has read"
        yield fleet.fact_problem("models", name, ("trust_remote_code",), message, "pin `weights.revision` first")
    claims = (
        ("weights.revision", pinned),
        ("prompt_token_ids", isinstance(weights, HubWeights) and model.prompt_token_ids is not None),
        ("tokenizer", isinstance(weights, HubWeights) and model.tokenizer is not None),
        ("trust_remote_code", model.trust_remote_code),
    )
    for field, claimed in claims:
        if claimed and not model.sources.get(field, "").strip():
            remedy = f"add `sources: {{{field}: ...}}`"
            yield fleet.fact_problem("models", name, tuple(field.split(".")), f"{field} has no source", remedy)


def _of_an_accelerator(gpu: Gpu) -> tuple[str, ...]:
    link = ("link.bytes_per_s", "link.domain_devices") if gpu.link is not None else ("link",)
    return ("memory_bytes", "memory_bytes_per_s", "tdp_w", "dense_tflops", *link)


def _nulls(fleet: Fleet, kind: str, name: str, fact: Fact, fields: tuple[str, ...]) -> Iterator[Problem]:
    """Fields that a reader will look for and that are empty without a reason."""
    unknown: Mapping[str, str] = getattr(fact, "unknown", {})
    for field in fields:
        if _value(fact, field) in (None, {}) and not unknown.get(field, "").strip():
            message = f"{field} is null and nothing says why"
            remedy = f"add `unknown: {{{field}: ...}}`, or the fact with its source"
            yield fleet.fact_problem(kind, name, (field.split(".")[0],), message, remedy)


def _notes(fleet: Fleet, kind: str, name: str, fact: Fact) -> Iterator[Problem]:
    """`unknown` is about nulls only, `weak` and `sources` about values only, and all about fields there are."""
    for note, wants_value in (("unknown", False), ("weak", True), ("sources", True)):
        for field, text in getattr(fact, note, {}).items():
            value, where = _value(fact, field), (note, field)
            if value is _ABSENT:
                remedy = nearest(field, _fields(fact))
                yield fleet.fact_problem(kind, name, where, f"`{note}` speaks of {field!r}, which is no field", remedy)
            elif (value not in (None, {})) is not wants_value:
                message = f"`{note}` speaks of {field}, which {'is null' if wants_value else 'has a value'}"
                yield fleet.fact_problem(kind, name, where, message, "remove one of the two")
            elif not text.strip():
                message = f"`{note}` says nothing about {field}"
                yield fleet.fact_problem(kind, name, where, message, "say it in a few words")


def _value(fact: object, field: str) -> object:
    """The value at a dotted path; None for null or a format a device lacks; `_ABSENT` where there is no such field."""
    value: object = fact
    for part in field.split("."):
        if value is None:
            return None
        if isinstance(value, dict):
            value = value.get(part) if part in get_args(Arithmetic) else _ABSENT
        else:
            value = getattr(value, part, _ABSENT) if part in getattr(value, "__struct_fields__", ()) else _ABSENT
        if value is _ABSENT:
            return _ABSENT
    return value


def _fields(fact: Fact) -> Iterator[str]:
    """Dotted names of a record's fields, one level into records and formats."""
    for name in fact.__struct_fields__:
        value = getattr(fact, name)
        yield name
        if isinstance(value, msgspec.Struct):
            yield from (f"{name}.{inner}" for inner in value.__struct_fields__)
    if "dense_tflops" in fact.__struct_fields__:
        yield from (f"dense_tflops.{arithmetic}" for arithmetic in get_args(Arithmetic))


def _traces(fleet: Fleet) -> Iterator[Problem]:
    for name, workload in fleet.workloads.items():
        if isinstance(workload, TraceWorkload) and not workload.source.strip():
            yield fleet.fact_problem("workloads", name, ("source",), "has no source", "say whose recording it is")
