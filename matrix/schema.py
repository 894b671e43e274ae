"""JSON Schemas of the data files, for editors: the records as they are, and what this fleet's facts allow in them.

An editor then completes a recipe's flags with their ranges and help. `check` stays the judge: a schema says less.
"""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any

import msgspec

from matrix.arguments import LARGEST
from matrix.facts import Engine, Gpu, Host, Id, Model
from matrix.price import Price
from matrix.recipe import Recipe, Steps
from matrix.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matrix.facts import Flag
    from matrix.fleet import Fleet

    Schema = dict[str, Any]  # JSON Schema has no shape that types would hold

KINDS: dict[str, object] = {
    "engines": Engine,
    "gpus": Gpu,
    "hosts": Host,
    "models": Model,
    "prices": Price,
    "recipes": Recipe,
    "workloads": Workload,
}
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "switch": "boolean"}


def schemas(fleet: Fleet) -> dict[str, bytes]:
    """File name to JSON, one for each folder of data."""
    return {f"{folder}.schema.json": _encode(schema) for folder, schema in _all(fleet).items()}


def _all(fleet: Fleet) -> dict[str, Schema]:
    found = {folder: _of(kind) for folder, kind in KINDS.items()}
    _narrow_recipes(found["recipes"]["$defs"], fleet)
    for folder, record in (("hosts", "Host"), ("prices", "Price")):
        found[folder]["$defs"][record]["properties"]["gpu"] = _one_of(fleet.gpus)
    return found


def _of(kind: object) -> Schema:
    return {"$schema": _DRAFT, **msgspec.json.schema(GenericAlias(dict, (Id, kind)))}


def _encode(schema: Schema) -> bytes:
    return msgspec.json.format(msgspec.json.encode(schema), indent=1) + b"\n"


def _narrow_recipes(records: Schema, fleet: Fleet) -> None:
    """Only ids there are; and for each engine, only its own flags and variables."""
    recipe, layout = records["Recipe"], records["RecipeLayout"]
    for key, known in (("model", fleet.models), ("gpu", fleet.gpus), ("engine", fleet.engines), ("host", fleet.hosts)):
        recipe["properties"][key] = _one_of(known)
    for asked in ("points", "searches"):
        layout["properties"][asked]["propertyNames"] = _one_of(fleet.workloads)
    recipe["allOf"] = [
        {"if": {"properties": {"engine": {"const": name}}, "required": ["engine"]}, "then": _settings_of(engine)}
        for name, engine in fleet.engines.items()
    ]


def _settings_of(engine: Engine) -> Schema:
    settings = {"flags": _table(engine.flags), "env": _table(engine.env, text=True)}
    return {"properties": {**settings, "layouts": {"items": {"properties": settings}}}}


def _table(flags: Mapping[str, Flag], *, text: bool = False) -> Schema:
    allowed = {name: _value(flag, text=text) for name, flag in flags.items() if not flag.reads_path}
    return {"properties": allowed, "additionalProperties": False}


def _value(flag: Flag, *, text: bool) -> Schema:
    """What may be written after a flag; a variable is text whatever it means."""
    scalar: Schema = {"type": "string" if text else _TYPES[flag.type]}
    if flag.choices:
        scalar["enum"] = list(flag.choices)
    if flag.type in ("int", "float") and not text:
        limits = {"minimum": flag.min, "maximum": flag.max}
        scalar |= {name: limit for name, limit in limits.items() if limit is not None}
    ways = [scalar]
    if flag.depends_on_concurrency == "scale":
        ways.append({"const": LARGEST})
    if flag.depends_on_concurrency == "steps":
        ways.append({"$ref": f"#/$defs/{Steps.__name__}"})
    described: Schema = {"description": flag.help} if flag.help else {}
    return {**described, **scalar} if len(ways) == 1 else {**described, "anyOf": ways}


def _one_of(ids: Iterable[str]) -> Schema:
    return {"enum": sorted(ids)}
