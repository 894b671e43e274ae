"""Is an engine's allow-list one? Every flag and variable typed and bounded, in one list only, with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.errors import Problem
    from matrix.facts import Engine, Flag
    from matrix.fleet import Fleet
    from matrix.yamlfile import Where

_CORE_ONLY = "trust-remote-code"


def loose_flags(fleet: Fleet) -> Iterator[Problem]:
    """Every flag of every engine that would let a recipe say more than a reviewer can see."""
    for name, engine in fleet.engines.items():
        for flag_name, flag in engine.flags.items():
            yield from _typed(fleet, name, ("flags", flag_name), flag)
            if flag_name.replace("_", "-") == _CORE_ONLY:
                message = f"lists {flag_name!r}, which is the core's to set, per model"
                yield fleet.fact_problem("engines", name, ("flags", flag_name), message, "remove it")
        for variable, flag in engine.env.items():
            yield from _typed(fleet, name, ("env", variable), flag)
            yield from _variable(fleet, name, variable, flag)
        yield from _one_list_each(fleet, name, engine)


def _typed(fleet: Fleet, engine: str, where: Where, flag: Flag) -> Iterator[Problem]:
    if flag.type in ("int", "float") and (flag.min is None or flag.max is None):
        yield fleet.fact_problem("engines", engine, where, f"{where[-1]!r} is not bounded", "add `min:` and `max:`")
    if flag.type == "str" and not flag.choices:
        message = f"{where[-1]!r} takes any text"
        yield fleet.fact_problem("engines", engine, where, message, "list its `choices:`, or refuse it")


def _variable(fleet: Fleet, engine: str, name: str, flag: Flag) -> Iterator[Problem]:
    """A variable's value is text, the same for a whole server; where it was read is never the flags' page."""
    where: Where = ("env", name)
    if not flag.source.strip():
        yield fleet.fact_problem("engines", engine, where, f"{name} has no source", "say where it is documented")
    if flag.type not in ("int", "float", "str"):
        yield fleet.fact_problem("engines", engine, where, f"{name} cannot be a {flag.type}", "list its `choices:`")
    if flag.depends_on_concurrency is not None or flag.reads_path:
        yield fleet.fact_problem("engines", engine, where, f"{name} cannot follow anything", "a variable is fixed")


def _one_list_each(fleet: Fleet, name: str, engine: Engine) -> Iterator[Problem]:
    allowed = engine.flags.keys() | engine.env.keys()
    for other, words in (("fleet_sets", engine.fleet_sets), ("refused", engine.refused)):
        for word, why in words.items():
            if word in allowed or (other == "refused" and word in engine.fleet_sets):
                message = f"{word!r} is allowed and in `{other}`" if word in allowed else f"{word!r} is in two lists"
                yield fleet.fact_problem("engines", name, (other, word), message, "keep it in one")
            if not why.strip():
                yield fleet.fact_problem("engines", name, (other, word), f"{word!r} has no reason", "say why")
