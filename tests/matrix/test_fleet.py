from __future__ import annotations

from pathlib import Path

import pytest

from matrix.errors import DataProblems
from matrix.fleet import DATA, load_fleet
from matrix.slo import Slo
from tests.fleets import MODEL, RECIPE, WORKLOADS, write_fleet


def said(root: Path) -> str:
    with pytest.raises(DataProblems) as caught:
        load_fleet(root)
    return str(caught.value)


def test_the_shipped_fleet_loads() -> None:
    fleet = load_fleet(DATA)
    assert "smollm2-135m-cpu-llamacpp" in fleet.recipes
    assert fleet.recipes.keys() == fleet.documents.keys()


def test_a_workload_may_say_what_is_good_enough_and_must_then_say_how_long_that_takes(tmp_path: Path) -> None:
    root = write_fleet(tmp_path / "good", workloads=WORKLOADS + "  slo: {ttft_s: 0.5, tpot_s: 0.05}\n")
    assert load_fleet(root).workloads["long"].slo == Slo(ttft_s=0.5, tpot_s=0.05)
    assert load_fleet(root).workloads["short"].slo is None
    bad = write_fleet(tmp_path / "bad", workloads=WORKLOADS + "  slo: {percentile: 0.9}\n")
    assert "workloads/test.yaml" in said(bad)
    assert "an SLO needs a limit" in said(bad)


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_key(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("precision:", "precison:"))
    assert "recipes/test.yaml:5: tiny-cpu: unknown key 'precison'" in said(root)
    assert "did you mean 'precision'?" in said(root)


def test_an_unknown_key_inside_a_list_is_found_on_its_own_line(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("flags: {parallel: 2}", "flgs: {parallel: 2}"))
    assert "recipes/test.yaml:12: tiny-cpu: unknown key 'flgs'" in said(root)
    assert "did you mean 'flags'?" in said(root)


def test_a_key_inside_a_tagged_record_is_matched_against_that_record(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, model=MODEL.replace('path: "PATH"', 'pth: "PATH"'))
    assert "did you mean 'path'?" in said(root)


def test_a_number_where_text_is_meant_says_to_quote_it(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("source: a test", "source: 7"))
    assert "quote it" in said(root)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("  gpu: cpu\n", ""))
    assert "recipes/test.yaml:1: tiny-cpu: the key 'gpu' is missing" in said(root)


def test_a_number_beyond_what_can_be_measured_is_refused(tmp_path: Path) -> None:
    assert "<= 65535" in said(write_fleet(tmp_path, recipe=RECIPE.replace("short: [1, 4]", "short: [1, 1000000]")))
    workloads = WORKLOADS.replace("isl: 16", f"isl: {10**30}")
    assert "<= 9007199254740992" in said(write_fleet(tmp_path, workloads=workloads))


def test_a_file_that_would_not_be_read_is_named(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "recipes" / "mine.yml").write_text(RECIPE.replace("tiny-cpu", "mine"))
    assert "mine.yml: is not read: data files end in `.yaml`" in said(root)


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "hosts").rename(root / "were hosts")
    (root / "hosts").write_text("")
    assert "hosts: cannot be read: Not a directory" in said(root)


def test_a_folder_named_as_a_file_is_named(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "recipes" / "more.yaml").mkdir()
    assert "more.yaml: cannot be read: Is a directory" in said(root)


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "recipes" / "loop.yaml").symlink_to("loop.yaml")
    assert "loop.yaml: cannot be read" in said(root)


def test_an_id_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    assert "'Tiny CPU' is not an id" in said(write_fleet(tmp_path, recipe=RECIPE.replace("tiny-cpu:", "Tiny CPU:")))


def test_the_same_id_in_two_files_names_both(tmp_path: Path) -> None:
    root = write_fleet(tmp_path)
    (root / "recipes" / "zz.yaml").write_text(RECIPE)
    assert "zz.yaml:1: 'tiny-cpu' is also in" in said(root)


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("gpu:", "gpuu:"), model=MODEL.replace("name:", "nam:"))
    text = said(root)
    assert "models/test.yaml" in text
    assert "recipes/test.yaml" in text


def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path) -> None:
    assert "must hold a mapping" in said(write_fleet(tmp_path, recipe="- a\n- b\n"))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "is not a folder" in said(tmp_path / "none")
