from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from matrix.arguments import Needs, flag_error, render
from matrix.dialect import Dialect
from matrix.facts import Engine, Flag, FleetFlags, LayoutFlags
from matrix.recipe import FlagValue, Steps
from matrix.serving import Layout

ENGINE = Engine(
    name="e",
    source="a test",
    dialect=Dialect(),
    devices=("cpu",),
    layout_flags=LayoutFlags(tp="tensor-parallel-size", dp_attention="enable-dp-attention"),
    fleet_flags=FleetFlags(context="max-model-len"),
    flags={
        "seqs": Flag(type="int", min=1, max=4096, depends_on_concurrency="scale"),
        "graph": Flag(type="int", min=1, depends_on_concurrency="steps"),
        "share": Flag(type="float", min=0.1, max=0.99),
        "dtype": Flag(type="str", choices=("auto", "fp8")),
        "label": Flag(type="str"),
        "eager": Flag(type="switch"),
        "chunked": Flag(type="bool"),
    },
)
NEEDS = Needs(largest_concurrency=64, context_tokens=2112)


def test_flags_come_sorted_with_the_layout_and_the_context() -> None:
    flags: dict[str, FlagValue] = {"share": 0.9, "eager": True, "chunked": False, "dtype": "fp8"}
    assert render(ENGINE, Layout(tp=8), flags, 4, NEEDS) == (
        "--chunked", "false", "--dtype", "fp8", "--eager", "--max-model-len", "2112", "--share", "0.9",
        "--tensor-parallel-size", "8",
    )  # fmt: skip


def test_a_scale_flag_takes_the_groups_largest_and_stands_open_before() -> None:
    assert "64" in render(ENGINE, Layout(), {"seqs": "concurrency"}, 4, NEEDS)
    low = render(ENGINE, Layout(), {"seqs": "concurrency"}, 4, None)
    assert low == render(ENGINE, Layout(), {"seqs": "concurrency"}, 64, None)


def test_a_steps_flag_takes_the_first_step_that_holds_the_concurrency() -> None:
    steps = {"graph": Steps(steps=((16, 256), (64, 512)))}
    values = {c: render(ENGINE, Layout(), steps, c, None)[1] for c in (1, 16, 17, 64, 100)}
    assert values == {1: "256", 16: "256", 17: "512", 64: "512", 100: "512"}


def test_dp_attention_is_a_lone_switch_and_only_when_asked_for() -> None:
    assert "--enable-dp-attention" in render(ENGINE, Layout(dp_attention=True), {}, 1, NEEDS)
    assert "--enable-dp-attention" not in render(ENGINE, Layout(), {}, 1, NEEDS)


def test_an_engine_that_wants_the_size_of_data_parallel_attention_is_told_it() -> None:
    spelled = LayoutFlags(tp="tp", dp="dp", dp_attention="dpa", dp_attention_size="dp")
    engine = msgspec.structs.replace(ENGINE, layout_flags=spelled, fleet_flags=FleetFlags())
    assert render(engine, Layout(tp=8, dp_attention=True), {}, 1, NEEDS) == ("--dp", "8", "--dpa", "--tp", "8")
    assert render(engine, Layout(tp=8), {}, 1, NEEDS) == ("--dp", "1", "--tp", "8")


def test_a_switch_that_is_off_is_left_out() -> None:
    assert "--eager" not in render(ENGINE, Layout(), {"eager": False}, 1, NEEDS)


anything = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans())


@given(st.sampled_from(sorted(ENGINE.flags)), anything)
def test_any_value_is_refused_or_keeps_the_structure_of_the_arguments(name: str, value: str | float) -> None:
    """Whatever a recipe holds, an accepted value is one argument that begins with no dash and no path."""
    if flag_error(ENGINE, name, value):
        return
    args = render(ENGINE, Layout(), {name: value}, 1, NEEDS)
    at = args.index(f"--{name}") if f"--{name}" in args else None
    if ENGINE.flags[name].type == "switch":
        assert (at is not None) == (value is True)
        return
    assert at is not None
    assert len(args) == 6
    assert not args[at + 1].startswith("-")
    assert not set(args[at + 1]) & set("/\\ \n\t;$`'\"(){}<>|&*?~!#%^[]")


@given(st.text(), anything)
def test_a_flag_that_is_not_listed_is_always_refused(name: str, value: str | float) -> None:
    if name not in ENGINE.flags:
        assert flag_error(ENGINE, name, value) is not None
