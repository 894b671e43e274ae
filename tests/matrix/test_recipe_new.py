from __future__ import annotations

from pathlib import Path

import pytest

from matrix.check import check
from matrix.errors import FleetError
from matrix.fleet import load_fleet
from matrix.recipe_new import new_recipe, write_recipe
from tests.fleets import RECIPE, write_fleet

TWO = f"""\
# yaml is boring

# the first, é
{RECIPE}
# the second
{RECIPE.replace("tiny-cpu:", "'tiny-cpu-2':")}# its end
"""


def test_a_few_lines_differ_and_the_comments_come_along(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, recipe=TWO))
    new = new_recipe(fleet, "mine", "tiny-cpu", {"precision": "q4_1"})
    assert new.text == "# the first, é\n" + RECIPE.replace("tiny-cpu:", "mine:").replace("q8_0", "q4_1").replace(
        "source: a test", 'source: ""'
    )
    assert new.differs == {2: "mine:", 6: "  precision: q4_1", 17: '  source: ""'}
    assert new.path == tmp_path / "recipes" / "mine.yaml"
    assert new_recipe(fleet, "mine", "tiny-cpu-2", {}).text.splitlines()[:2] == ["# the second", "mine:"]


def test_only_the_source_is_missing_and_check_says_where(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    new = new_recipe(load_fleet(root), "mine", "tiny-cpu", {})
    write_recipe(new)
    (problem,) = check(load_fleet(root))
    assert str(problem).endswith(
        "mine.yaml:16: recipe mine: has no source\n    fix: say where these settings come from"
    )
    new.path.write_text(new.text.replace('""', "measured by me"))
    fleet = load_fleet(root)
    assert check(fleet) == []
    assert fleet.recipes["mine"].layouts == fleet.recipes["tiny-cpu"].layouts


def test_what_is_left_to_the_author_is_named_with_its_line(tmp_path: Path) -> None:
    recipe = RECIPE.replace(
        "  layouts:", "  image: a/b:c\n  host: this-machine\n  flags: {kv-unified: true}\n  layouts:"
    )
    fleet = load_fleet(write_fleet(tmp_path, recipe=recipe))
    said = "\n".join(new_recipe(fleet, "mine", "tiny-cpu", {"gpu": "h200"}).lines())
    for words in (
        "mine.yaml:19: source:",
        "mine.yaml:6: image: still tiny-cpu's, and a tag",
        "mine.yaml:8: flags: tuned",
    ):
        assert words in said
    assert "mine.yaml:7: host: this-machine has cpu" in said
    assert "mine.yaml: 3 lines differ" in said


def test_another_vendors_gpu_goes_into_that_vendors_folder(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "recipes" / "nvidia").mkdir()
    recipe = RECIPE.replace("tiny-cpu:", "tiny-h200:").replace("gpu: cpu", "gpu: h200")
    (root / "recipes" / "nvidia" / "a.yaml").write_text(recipe)
    fleet = load_fleet(root)
    assert new_recipe(fleet, "mine", "tiny-h200", {"gpu": "b200"}).path == root / "recipes" / "nvidia" / "mine.yaml"
    assert new_recipe(fleet, "mine", "tiny-h200", {"gpu": "mi300x"}).path == root / "recipes" / "amd" / "mine.yaml"
    assert new_recipe(fleet, "mine", "tiny-cpu", {"gpu": "b200"}).path == root / "recipes" / "mine.yaml"


@pytest.mark.parametrize(
    ("name", "sibling", "facts", "words"),
    [
        ("Mine", "tiny-cpu", {}, "'Mine' is no id"),
        ("a/../b", "tiny-cpu", {}, "is no id"),
        ("tiny-cpu", "tiny-cpu", {}, "recipes/test.yaml:1"),
        ("mine", "tiny-cpuu", {}, "did you mean 'tiny-cpu'?"),
        ("mine", "tiny-cpu", {"gpu": "h2000"}, "did you mean 'h200'?"),
        ("mine", "tiny-cpu", {"model": "tinny"}, "did you mean 'tiny'?"),
        ("test", "tiny-cpu", {}, "is there already; choose another name"),
    ],
)
def test_what_cannot_be_begun_says_why(
    tmp_path: Path, name: str, sibling: str, facts: dict[str, str], words: str
) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    with pytest.raises(FleetError) as caught:
        new_recipe(fleet, name, sibling, facts)
    assert words in str(caught.value)
