"""Server flags out of their launch scripts, where they can be read without running a shell.

A value is taken when it is a literal, a size of the layout, the concurrency, or the one conditional that is a step
in concurrency. Everything else is named, and the recipe is then planned but never launched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.arguments import LARGEST, flag_error, variable_error
from matrix.importers.report import Findings, Kind
from matrix.recipe import FlagValue, Steps

if TYPE_CHECKING:
    from matrix.dialect import Scalar
    from matrix.facts import Engine, Flag
    from matrix.importers.theirs import Script

FLEET_SETS = frozenset(
    {
        "host", "port", "server-port", "model", "model-path", "served-model-name", "tokenizer-path",
        "trust-remote-code", "trust_remote_code", "disable-radix-cache", "no-enable-prefix-caching",
        "no-enable_prefix_caching",
    }
)  # fmt: skip
"""Where a server listens, what it loads, and that it must not answer from a cache: set at launch, never by a recipe."""

NOT_THE_SERVERS = frozenset({"MODEL_PATH", "EVAL_CONCURRENT_REQUESTS"})
"""Environment variables of their scripts themselves."""

SIZES = frozenset({"TP", "EP", "EP_SIZE", "DP", "DP_SIZE", "PP_SIZE", "DCP_SIZE", "PCP_SIZE"})
CONTEXTS = frozenset({"MAX_MODEL_LEN", "SERVE_MAX_MODEL_LEN", "CONTEXT_LENGTH", "MAX_SEQ_LEN"})
ENGINE_WORDS = frozenset({"docker", "slurm", "trt", "sglang", "vllm", "atom"})
LARGEST_BOUND = 1_000_000

_VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)\}?")
_STEP = re.compile(r"\$\( \[\[ \$CONC -gt (\d+) \]\] && echo (\S+) \|\| echo (\S+) \)")
_ONLY_FOR_THEIR_EVALS = " $EVAL_CONTEXT_ARGS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A recipe's flags and environment. `unknown` says why they are not all, and is null when they are."""

    flags: dict[str, FlagValue]
    env: dict[str, str]
    unknown: str | None


def untuned(why: str) -> Tuning:
    return Tuning(flags={}, env={}, unknown=why)


def matching(
    scripts: tuple[Script, ...], words: tuple[str, str, str], engine: str, spec: str, era: str
) -> list[Script]:
    """The scripts of a model prefix, precision and GPU with this engine, kind of speculation and date."""
    return [
        script
        for script in scripts
        if (script.era, script.engine) == (era, engine)
        and tuple(script.config.split("_")[:3]) == words
        and ("mtp" in script.config.split("_")[3:]) == (spec != "none")
        and set(script.config.split("_")[3:]) <= ENGINE_WORDS | {"mtp"}
    ]


def tuning(scripts: list[Script], engine: Engine, place: str, findings: Findings) -> Tuning:
    """The flags of the first script; a flag on which the scripts disagree is unknown."""
    first, *others = scripts
    flags: dict[str, FlagValue] = {}
    missing: list[str] = []
    for spelled, raw in first.flags.items():
        name = spelled.removeprefix("--")
        if name in FLEET_SETS or name in engine.fleet_sets or _is_size(engine, name, raw):
            continue
        differing = sorted({str(other.flags.get(spelled)) for other in others} - {str(raw)})
        value = None if differing else _value(raw, engine.flags.get(name))
        why = f"scripts disagree: {raw} or {differing[0]}" if differing else _refused(engine, name, raw, value)
        if why is None and value is not None:
            flags[name] = value
        elif why is not None:
            missing.append(f"--{name} ({why})")
            findings.add(Kind.UNKNOWN, f"{engine.name} flag --{name}: {why}", place)
    env, dropped = _environment(first, engine)
    missing += dropped
    missing += [f"file {name}" for name in first.extra_config]
    for what in [*dropped, *(f"{engine.name} configuration file" for _ in first.extra_config)]:
        findings.add(Kind.UNKNOWN, what, place)
    return Tuning(flags=flags, env=env, unknown=_summary(missing, len(first.flags)))


def _summary(missing: list[str], total: int) -> str | None:
    return f"of the {total} flags of their script these are missing: {'; '.join(missing)}" if missing else None


def _is_size(engine: Engine, name: str, raw: str | bool) -> bool:
    """A size of the layout, or the context: the layout and the fleet spell these themselves."""
    variable = _VARIABLE.fullmatch(_unquoted(raw))
    if variable is not None and variable[1] in SIZES | CONTEXTS:
        return True
    spelled = engine.layout_flags
    return raw == "1" and name in {spelled.dp, spelled.pp, spelled.pcp, spelled.dcp}


def _unquoted(raw: str | bool) -> str:
    text = str(raw).removesuffix(_ONLY_FOR_THEIR_EVALS).strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _value(raw: str | bool, flag: Flag | None) -> FlagValue | None:
    """The value as our recipes write it; null where only their shell can say it."""
    if isinstance(raw, bool):
        return raw
    text = _unquoted(raw)
    variable = _VARIABLE.fullmatch(text)
    if variable is not None and variable[1] == "CONC":
        return LARGEST
    step = _STEP.fullmatch(text)
    if step is not None:
        return Steps(steps=((int(step[1]), _typed(step[3], flag)), (LARGEST_BOUND, _typed(step[2], flag))))
    return None if "$" in text or " " in text else _typed(text, flag)


def _typed(text: str, flag: Flag | None) -> Scalar:
    kind = flag.type if flag is not None else "str"
    if kind == "int" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind == "float" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if kind in ("bool", "switch") and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _refused(engine: Engine, name: str, raw: str | bool, value: FlagValue | None) -> str | None:
    if name in engine.refused:
        return f"refused: {engine.refused[name]}"
    if name not in engine.flags:
        return "not in our list"
    if value is None:
        return f"computed by their script: {str(raw)[:60]}"
    wrong = flag_error(engine, name, value)
    return wrong[0] if wrong else None


def _environment(script: Script, engine: Engine) -> tuple[dict[str, str], list[str]]:
    """What our list allows of a script's environment, and the names of the rest."""
    ours = NOT_THE_SERVERS | engine.fleet_sets.keys()
    wanted = {name: value for name, value in script.env.items() if name not in ours}
    wrong = {name: found[0] for name, value in wanted.items() if (found := variable_error(engine, name, value))}
    allowed = {name: value for name, value in wanted.items() if name not in wrong}
    return allowed, [f"environment: {why}" for why in wrong.values()]
