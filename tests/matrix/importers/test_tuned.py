from __future__ import annotations

import pytest

from matrix.dialect import Dialect
from matrix.facts import Engine, Flag, LayoutFlags
from matrix.importers.report import Findings, Kind
from matrix.importers.theirs import Script
from matrix.importers.tuned import Tuning, matching, tuning
from matrix.recipe import FlagValue, Steps

ENGINE = Engine(
    name="Engine",
    source="a test",
    dialect=Dialect(),
    devices=("nvidia",),
    layout_flags=LayoutFlags(tp="tp-size", dp="dp-size"),
    fleet_sets={"ready-timeout": "at launch"},
    refused={"chat-template": "reads a file"},
    env={"FAST": Flag(type="str", choices=("0", "1"))},
    flags={
        "graph": Flag(type="int", min=1, depends_on_concurrency="scale"),
        "interval": Flag(type="int", min=1, depends_on_concurrency="steps"),
        "share": Flag(type="float", min=0.1, max=0.99),
        "eager": Flag(type="switch"),
        "dtype": Flag(type="str", choices=("fp8", "bf16")),
    },
)


def script(flags: dict[str, str | bool], *, config: str = "m_fp8_h200", env: dict[str, str] | None = None) -> Script:
    return Script(era="2026-08", config=config, engine="sglang", flags=flags, env=env or {}, extra_config={})


def tuned(flags: dict[str, str | bool], *others: Script) -> Tuning:
    return tuning([script(flags), *others], ENGINE, "here", Findings())


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("graph", "256", 256),
        ("graph", '"256"', 256),
        ("graph", "$CONC", "concurrency"),
        ("graph", '"${CONC}"', "concurrency"),
        ("interval", "4 $EVAL_CONTEXT_ARGS", 4),
        ("interval", "$( [[ $CONC -gt 4 ]] && echo 30 || echo 10 )", Steps(steps=((4, 10), (1_000_000, 30)))),
        ("share", "0.85", 0.85),
        ("eager", True, True),
        ("dtype", "fp8", "fp8"),
    ],
)
def test_what_a_shell_is_not_needed_for_is_read(name: str, raw: str | bool, value: FlagValue) -> None:
    found = tuned({f"--{name}": raw})
    assert found.flags == {name: value}
    assert found.unknown is None


@pytest.mark.parametrize(
    ("name", "raw", "why"),
    [
        ("graph", "$BATCH", "computed by their script: $BATCH"),
        ("graph", '"$(( CONC * 3 / 2', "computed by their script"),
        ("graph", '256 "${PARALLEL_ARGS[@]}"', "computed by their script"),
        ("dtype", "fp4", "did you mean"),
        ("interval", "$CONC", "cannot follow the concurrency"),
        ("new-flag", "1", "not in our list"),
        ("chat-template", "/x.jinja", "refused: reads a file"),
        ("dtype", "$(reboot)", "computed by their script"),
    ],
)
def test_everything_else_is_left_out_and_named(name: str, raw: str, why: str) -> None:
    found = tuned({f"--{name}": raw})
    assert found.flags == {}
    assert why in str(found.unknown)


@pytest.mark.parametrize(
    ("name", "raw"),
    [("host", "0.0.0.0"), ("tp", '"$TP"'), ("dp-size", "1"), ("max-len", "$MAX_MODEL_LEN"), ("ready-timeout", "9")],
)
def test_what_the_layout_or_the_launch_says_is_nobodys_loss(name: str, raw: str) -> None:
    assert tuned({f"--{name}": raw}) == Tuning(flags={}, env={}, unknown=None)


def test_scripts_that_agree_are_one_and_a_disagreement_is_unknown() -> None:
    same, other = script({"--graph": "256"}), script({"--graph": "512"})
    assert tuned({"--graph": "256"}, same).flags == {"graph": 256}
    assert "scripts disagree: 256 or 512" in str(tuned({"--graph": "256"}, same, other).unknown)


def test_variables_are_kept_where_our_list_has_them_and_named_where_not() -> None:
    findings = Findings()
    found = tuning([script({}, env={"FAST": "1", "LD_PRELOAD": "x.so", "MODEL_PATH": "/m"})], ENGINE, "here", findings)
    assert found.env == {"FAST": "1"}
    assert "LD_PRELOAD" in str(found.unknown)
    assert "MODEL_PATH" not in str(found.unknown)
    assert [finding.kind for finding in findings.closed()] == [Kind.UNKNOWN]


def test_a_script_is_found_by_model_precision_accelerator_engine_speculation_and_date() -> None:
    scripts = (script({}), script({}, config="m_fp8_h200_mtp"), script({}, config="m_fp8_h200_sglang"))
    words = ("m", "fp8", "h200")
    assert matching(scripts, words, "sglang", "none", "2026-08") == [scripts[0], scripts[2]]
    assert matching(scripts, words, "sglang", "mtp", "2026-08") == [scripts[1]]
    assert matching(scripts, words, "vllm", "none", "2026-08") == []
    assert matching(scripts, words, "sglang", "none", "2025-12") == []
