from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aggregate.read import read_pull_check
from matrix.errors import FleetError
from matrix.pull_check import LINE_CHARS, MOST_PROBLEMS, PullCheck, line, pull_check
from tests.fleets import RECIPE, write_fleet


def no_problem() -> str:
    return ""


def of(before: Path, after: Path) -> PullCheck:
    """As it is read again on the other side."""
    return read_pull_check(msgspec.json.encode(pull_check(before, after, no_problem)))


def test_it_counts_what_changes_and_says_why_histories_begin_anew(tmp_path: Path) -> None:
    before = write_fleet(tmp_path / "before")
    changed = RECIPE.replace("parallel: 2", "parallel: 3") + RECIPE.replace("tiny-cpu:", "new:")
    found = of(before, write_fleet(tmp_path / "after", recipe=changed))
    assert [(one.id, one.sign, one.gpu, one.added, one.changed) for one in found.recipes] == [
        ("tiny-cpu", "~", "cpu", 0, 2),
        ("new", "+", "cpu", 4, 0),
    ]
    assert found.recipes[0].whys == ("server arguments --ctx-size 448 -> 672, --parallel 2 -> 3",)
    assert [one.blocked for one in found.recipes] == ["", ""]
    assert found.totals is not None
    assert found.totals.points == (4, 8)
    assert found.stale == ""


def test_a_recipe_that_nobody_would_measure_says_why(tmp_path: Path) -> None:
    loose = RECIPE.replace("  layouts:", "  image: example/server:latest\n  layouts:", 1)
    found = of(write_fleet(tmp_path / "before"), write_fleet(tmp_path / "after", recipe=loose))
    (only,) = found.recipes
    assert only.blocked == "the image example/server:latest has no digest; `inferfleet pin` fixes it"
    assert only.whys == ("image none -> example/server:latest: measured anew at once, its histories go on",)


def test_data_that_does_not_check_is_a_record_of_its_problems(tmp_path: Path) -> None:
    before = write_fleet(tmp_path / "before")
    wrong = RECIPE.replace("parallel:", "paralel:") + "".join(
        RECIPE.replace("tiny-cpu:", f"t{number}:").replace("model: tiny", "model: tinny") for number in range(60)
    )
    found = of(before, write_fleet(tmp_path / "after", recipe=wrong))
    assert found.problem_count == 62
    assert len(found.problems) == MOST_PROBLEMS
    assert "did you mean" in found.problems[0]
    assert (found.recipes, found.totals) == ((), None)
    (tmp_path / "after" / "recipes" / "test.yaml").write_text("tiny: [")
    assert of(before, tmp_path / "after").problem_count == 1


def test_a_base_that_cannot_be_read_is_said_and_a_stale_file_is_named(tmp_path: Path) -> None:
    fleet = write_fleet(tmp_path / "fleet")
    (tmp_path / "empty").mkdir()

    def stale() -> str:
        raise FleetError("not as the fleet's data says: sweep-00.yml")

    assert of(tmp_path / "gone", fleet).problems[0].startswith("the data before it cannot be read")
    assert pull_check(fleet, fleet, stale).stale == "not as the fleet's data says: sweep-00.yml"


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\u202e", "x" * 1000, ""])
def test_any_text_becomes_a_line_that_a_record_may_hold(text: str) -> None:
    found = read_pull_check(msgspec.json.encode(PullCheck(stale=line(text)))).stale
    assert len(found) <= LINE_CHARS
    assert "\n" not in found
