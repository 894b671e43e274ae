"""Rendering a server's own arguments from typed flags. Pure; host, port and the model's path are added at launch.

A recipe can only set a flag its engine lists, to a value of the listed type: what comes out is always
`--flag value` pairs (or a lone `--flag` for a switch), whatever text a recipe holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.errors import nearest
from matrix.recipe import Steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matrix.dialect import Scalar
    from matrix.facts import Engine, Flag
    from matrix.recipe import FlagValue
    from matrix.serving import Layout

CONTEXT_MARGIN_TOKENS = 64
"""Room beside ISL + OSL for what a server adds to a prompt (BOS, a template)."""

LARGEST = "concurrency"
"""The word a recipe writes as the value of a `scale` flag."""

_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:,=+-]{0,199}")
_OPEN = "*"  # stands for a value that is only known once the group is complete


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a group of points asks of its one server. `context_tokens` null: unknown, the server's own default."""

    largest_concurrency: int
    context_tokens: int | None


def flag_error(engine: Engine, name: str, value: FlagValue) -> tuple[str, str] | None:
    """What is wrong with setting `name` to `value`, and the remedy; None when it is fine."""
    flag = engine.flags.get(name)
    if flag is None:
        return _not_listed(engine, name, "flag", engine.flags)
    if flag.reads_path:
        return f"flag {name!r} names a file, which no recipe may", "remove it"
    if value == LARGEST:
        if flag.depends_on_concurrency == "scale":
            return None
        return f"flag {name!r} cannot follow the concurrency", "write a number, or `steps`"
    if isinstance(value, Steps):
        return _steps_error(flag, name, value)
    wrong = _scalar_error(flag, value)
    return (f"flag {name!r}: {wrong}", flag.help or "see the engine's file") if wrong else None


def variable_error(engine: Engine, name: str, value: str) -> tuple[str, str] | None:
    """The same of an environment variable, whose value is always text."""
    variable = engine.env.get(name)
    if variable is None:
        return _not_listed(engine, name, "variable", engine.env)
    wrong = _scalar_error(variable, _number(value) if variable.type in ("int", "float") else value)
    return (f"variable {name!r}: {wrong}", variable.help or "see the engine's file") if wrong else None


def _number(text: str) -> Scalar:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text


def _not_listed(engine: Engine, name: str, what: str, listed: Iterable[str]) -> tuple[str, str]:
    if why := engine.fleet_sets.get(name):
        return f"{what} {name!r} is not a recipe's to set: {why}", "remove it"
    if why := engine.refused.get(name):
        return f"{what} {name!r} is refused for {engine.name}: {why}", "remove it"
    return f"unknown {what} {name!r} for {engine.name}", nearest(name, listed)


def _steps_error(flag: Flag, name: str, value: Steps) -> tuple[str, str] | None:
    if flag.depends_on_concurrency is None:
        return f"flag {name!r} does not depend on concurrency", "write one value"
    bounds = [bound for bound, _ in value.steps]
    if not bounds or bounds != sorted(set(bounds)):
        return f"flag {name!r}: the steps' bounds do not rise", "write `steps: [[16, 256], [1024, 512]]`"
    for _, scalar in value.steps:
        if wrong := _scalar_error(flag, scalar):
            return f"flag {name!r}: {wrong}", flag.help or "see the engine's file"
    return None


def _scalar_error(flag: Flag, value: Scalar) -> str | None:
    if flag.type in ("bool", "switch"):
        return None if isinstance(value, bool) else f"{value!r} is not true or false"
    if flag.type == "str":
        return _text_error(flag, value)
    if isinstance(value, bool | str) or (flag.type == "int" and not isinstance(value, int)):
        return f"{value!r} is not {'a whole number' if flag.type == 'int' else 'a number'}"
    if flag.min is not None and value < flag.min:
        return f"{value} is below {flag.min:g}"
    if flag.max is not None and value > flag.max:
        return f"{value} is above {flag.max:g}"
    return None


def _text_error(flag: Flag, value: Scalar) -> str | None:
    if not isinstance(value, str):
        return f"{value!r} is not text: quote it"
    if flag.choices:
        return None if value in flag.choices else f"{value!r}: {nearest(value, flag.choices)}"
    if not _TEXT.fullmatch(value):
        return f"{value!r} has characters a flag value may not have (letters, digits and ._:,=+- only)"
    return None


def render(
    engine: Engine, layout: Layout, flags: Mapping[str, FlagValue], concurrency: int, needs: Needs | None
) -> tuple[str, ...]:
    """Arguments for a server that serves a point of this concurrency.

    Without `needs`, values that depend on the whole group stand open: two points may share a server exactly
    when these open arguments are equal. Flags come sorted by name, so equal servers have equal tuples.
    """
    values: dict[str, Scalar] = {}
    for name, value in flags.items():
        values[name] = _at(value, concurrency, needs)
    _add_layout(values, engine, layout)
    _add_fleet(values, engine, needs)
    return tuple(part for name in sorted(values) for part in _pair(engine, name, values[name]))


def _at(value: FlagValue, concurrency: int, needs: Needs | None) -> Scalar:
    if isinstance(value, Steps):
        return next((scalar for bound, scalar in value.steps if concurrency <= bound), value.steps[-1][1])
    if value == LARGEST:
        return needs.largest_concurrency if needs else _OPEN
    return value


def value_breaks(value: FlagValue, first: int, last: int) -> tuple[int, ...]:
    """The concurrencies in [first, last) above which a flag takes another value; a `scale` flag has none."""
    if not isinstance(value, Steps):
        return ()
    bounds = [bound for bound, _ in value.steps if first <= bound < last]
    return tuple(bound for bound in bounds if _at(value, bound, None) != _at(value, bound + 1, None))


def _add_layout(values: dict[str, Scalar], engine: Engine, layout: Layout) -> None:
    spelled = engine.layout_flags
    for axis in ("tp", "pp", "pcp", "dcp", "dp", "ep"):
        name = getattr(spelled, axis)
        if name is not None:
            values[name] = getattr(layout, axis)
    if spelled.dp_attention is not None and layout.dp_attention:
        values[spelled.dp_attention] = True
        if spelled.dp_attention_size is not None:
            values[spelled.dp_attention_size] = layout.tp * layout.dp


def _add_fleet(values: dict[str, Scalar], engine: Engine, needs: Needs | None) -> None:
    """The longest request, and room for it in every slot. Unknown lengths leave the server its own default."""
    spelled = engine.fleet_flags
    if needs is not None and needs.context_tokens is None:
        return
    tokens = needs.context_tokens if needs else None
    if spelled.context is not None:
        values[spelled.context] = _OPEN if tokens is None else tokens
    if spelled.context_total is not None:
        slots = values.get(spelled.slots or "", needs.largest_concurrency if needs else 0)
        values[spelled.context_total] = _OPEN if tokens is None else tokens * int(slots)


def _pair(engine: Engine, name: str, value: Scalar) -> tuple[str, ...]:
    flag = engine.flags.get(name)
    if flag is not None and flag.type == "switch":
        return (f"--{name}",) if value is True else ()
    if isinstance(value, bool):
        return (f"--{name}", "true" if value else "false") if flag is not None else (f"--{name}",)
    return (f"--{name}", str(value))
