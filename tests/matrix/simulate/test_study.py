from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from matrix.candidates import ordinal
from matrix.fleet import DATA, load_fleet
from matrix.history import NO_HISTORY
from matrix.rota import Policy
from matrix.simulate.report import study_text
from matrix.simulate.study import START_MINUTES, Question, Study, study
from matrix.simulate.world import MEASURED, PERFECT
from tests.matrix.nights import many_points

QUESTION = Question(
    fleet=load_fleet(DATA),
    history=NO_HISTORY,
    policy=Policy(),
    world=MEASURED,
    nights=2,
    first=ordinal("2026-01-31"),
    seed=1,
    even_blocked=False,
    even_unpinned=True,
)


@pytest.fixture(scope="module")
def found() -> Study:
    return study(QUESTION)


def test_all_variants_are_there_and_measure_under_the_same_luck(found: Study) -> None:
    assert len({(one.variant.shared, one.variant.by_age, one.variant.agentic_nights) for one in found.factors}) == 8
    assert [one.variant.start_minutes for one in found.starts[::2]] == list(START_MINUTES)
    assert len(found.plan.nights) == 2


def test_one_pass_over_the_matrix_measures_the_same_minutes_with_fewer_starts(found: Study) -> None:
    apart, shared = found.passes[:2]
    assert (apart.what, apart.shared, shared.shared) == ("all", False, True)
    assert apart.server_starts == apart.points == shared.points == found.points
    assert shared.server_starts < apart.server_starts
    measured = [one.gpu_hours * one.measuring_share for one in (apart, shared)]
    assert measured[0] == pytest.approx(measured[1])
    for one in (apart, shared):
        parts = [part for part in found.passes if part.what != "all" and part.shared == one.shared]
        assert sum(part.gpu_hours for part in parts) == pytest.approx(one.gpu_hours)


def test_what_must_not_be_launched_counts_only_when_asked(found: Study) -> None:
    assert found.blocked > 0
    assert study(replace(QUESTION, even_blocked=True, nights=1)).points == found.points + found.blocked


def test_a_study_is_data_and_tables(found: Study) -> None:
    assert msgspec.json.decode(msgspec.json.encode(found), type=Study) == found
    text = study_text(found)
    for words in ("night after night", "Factors apart", "If every server start took", "The whole matrix once"):
        assert words in text
    assert f"{found.points} points" in text
    assert "8 min" in text


def test_a_label_that_is_short_says_of_what(tmp_path: Path) -> None:
    fleet = load_fleet(many_points(tmp_path, 6))
    policy = Policy(window_minutes=1.0)
    asked = replace(QUESTION, fleet=fleet, policy=policy, world=PERFECT, nights=1)
    (need,) = study(asked).needs
    assert need.labels == ("pool",)
    assert need.needed_hours > need.available_hours
    assert need.short_machines == need.short_gpus > 0
