from __future__ import annotations

import dataclasses

import pytest

from matrix.errors import FleetError
from matrix.fleet import Fleet, load_fleet
from matrix.limits import SHARD_JOBS, WORKFLOW_FILE_BYTES
from matrix.render import ONCE, WORKFLOWS, committed_shards, render
from matrix.shard import Shard


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return load_fleet()


def by_name(files: dict[str, str]) -> dict[str, str]:
    return {path.removeprefix(f"{WORKFLOWS}/"): text for path, text in files.items()}


def test_what_is_rendered_says_again_how_jobs_are_packed(fleet: Fleet) -> None:
    shards = [Shard(number=0, jobs=("a.tp1.0f", "b.tp1.0f")), Shard(number=7, jobs=("c",))]
    files = by_name(render(fleet, shards))
    assert committed_shards(files) == shards
    assert set(files) == {*ONCE, "sweep-00.yml", "sweep-07.yml", ".github/actionlint.yaml"}


def test_nothing_of_a_template_is_left_in_a_file(fleet: Fleet) -> None:
    for text in render(fleet, [Shard(number=3, jobs=("a",))]).values():
        assert not any(mark in text for mark in ("<[", "]>", "<%", "%>", "<#"))
        assert "\n\n\n" not in text
        assert text.endswith("\n")
        assert not text.endswith("\n\n")


def test_a_full_shard_of_the_longest_ids_is_far_below_a_files_limit(fleet: Fleet) -> None:
    jobs = tuple(f"{n:03d}{'x' * 117}" for n in range(SHARD_JOBS))
    text = by_name(render(fleet, [Shard(number=49, jobs=jobs)]))["sweep-49.yml"]
    assert len(text.encode()) < WORKFLOW_FILE_BYTES / 10


@pytest.mark.parametrize("job", ["a b", "a\nb", "$(id)", "${{ github.token }}", "", "a" * 121, "A"])
def test_nothing_but_an_id_reaches_a_workflow(fleet: Fleet, job: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        render(fleet, [Shard(number=0, jobs=(job,))])


def test_every_host_can_be_chosen_and_every_label_is_known(fleet: Fleet) -> None:
    one = dataclasses.replace(fleet, hosts={"my-gpu": next(iter(fleet.hosts.values()))})
    files = by_name(render(one, []))
    assert "          - my-gpu\n" in files["run-one.yml"]
    assert f"    - {one.hosts['my-gpu'].label}\n" in files[".github/actionlint.yaml"]


def test_a_sweep_without_its_list_says_what_to_do() -> None:
    with pytest.raises(FleetError, match=r"sweep-00.yml: has no list of job ids; delete it"):
        committed_shards({"sweep-00.yml": "name: edited by hand\n"})
    assert committed_shards({"ci.yml": "name: ci\n", "sweep-0.yml": ""}) == []
