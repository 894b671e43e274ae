"""The engines' YAML files against the adapters they describe."""

from __future__ import annotations

import re

import msgspec
import pytest
import yaml

from launch.engines import ENGINES
from launch.engines.llamacpp_server import KV_TYPES, parse
from matrix.facts import Engine, Flag
from matrix.fleet import DATA

_DATA = DATA / "engines"


def _engine(name: str) -> Engine:
    text = (_DATA / f"{name}.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, Engine])[name]


def _example(flag: Flag) -> list[str]:
    if flag.type == "switch":
        return []
    return [flag.choices[0] if flag.choices else f"{flag.min:g}"]


def test_every_adapter_has_a_data_file() -> None:
    """The reverse need not hold: what vendors tuned for an engine is data before anybody can start it here."""
    assert {path.stem for path in _DATA.glob("*.yaml")} >= set(ENGINES)


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_flag_is_bounded_explained_and_no_way_out_of_the_benchmark(name: str) -> None:
    for flag_name, flag in _engine(name).flags.items():
        assert flag.help
        assert flag.type in ("switch", "bool") or flag.choices or (flag.min is not None and flag.max is not None)
        assert not re.search(r"host|port|model$|path|template|remote|plugin|override|log.?(file|dir|config)", flag_name)


def test_our_server_accepts_exactly_the_flags_that_the_data_allows() -> None:
    engine = _engine("llamacpp")
    flags = [part for name, flag in engine.flags.items() for part in (f"--{name}", *_example(flag))]
    required = ["--model", "m", "--alias", "a", "--port", "1", "--threads", "1"]
    allowed = {name.replace("-", "_") for name in engine.flags} | {"model", "alias", "host", "port", "threads"}
    allowed |= {name.replace("-", "_") for name in engine.fleet_sets}
    assert set(vars(parse([*required, *flags]))) == allowed | {str(engine.fleet_flags.context_total).replace("-", "_")}
    assert engine.flags["cache-type-k"].choices == KV_TYPES
