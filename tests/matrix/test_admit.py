from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix.admit import MAX_FILE_BYTES, admit
from matrix.errors import DataProblems, FleetError
from matrix.fleet import DATA, load_fleet
from matrix.github import GitHub
from tests.act.api import REPOSITORY, TOKEN, Api, serve

SHA = "a" * 40
HOST = "this-machine"
FOLDER = "matrix/data/recipes/community"
OLD = f"{FOLDER}/smollm2-135m-cpu-llamacpp.yaml"
NEW, BIG = f"{FOLDER}/mine.yaml", f"{FOLDER}/big.yaml"
RECIPE = (DATA / "recipes/community/smollm2-135m-cpu-llamacpp.yaml").read_text()
MINE = RECIPE.replace("smollm2-135m-cpu-llamacpp:", "mine:").encode()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "artifacts")) as serving:
        yield serving


def propose(api: Api, *files: dict[str, object], sha: str = SHA, state: str = "open") -> GitHub:
    api.pulls[7] = {"number": 7, "state": state, "head": {"sha": sha}, "changed_files": len(files)}
    api.changed[7] = list(files)
    return GitHub(api=api.url, repository=REPOSITORY, token=TOKEN)


def changed(name: str, status: str = "added", **other: str) -> dict[str, object]:
    return {"filename": name, "status": status, **other}


def test_a_new_recipe_is_laid_over_mains_data(api: Api, tmp_path: Path) -> None:
    api.contents[NEW, SHA] = MINE
    github = propose(api, changed(NEW), changed(".github/workflows/sweep-03.yml", "modified"))
    assert admit(github, 7, SHA, HOST, tmp_path / "fleet") == "recipes=mine"
    assert load_fleet(tmp_path / "fleet").recipes.keys() == {*load_fleet().recipes, "mine"}


def test_changed_renamed_and_removed_files_end_as_the_pull_request_has_them(api: Api, tmp_path: Path) -> None:
    api.contents[NEW, SHA] = MINE
    renamed = propose(api, changed(NEW, "renamed", previous_filename=OLD))
    assert admit(renamed, 7, SHA, HOST, tmp_path / "renamed") == "recipes=mine"
    assert "smollm2-135m-cpu-llamacpp" not in load_fleet(tmp_path / "renamed").recipes
    with pytest.raises(FleetError, match="it only removes recipes"):
        admit(propose(api, changed(OLD, "removed")), 7, SHA, HOST, tmp_path / "removed")


def test_each_host_is_asked_for_the_recipes_of_its_gpu(api: Api, tmp_path: Path) -> None:
    h200 = (DATA / "recipes/nvidia/gpt-oss-120b-h200-vllm.yaml").read_text().replace("gpt-oss-120b-h200-vllm:", "big:")
    api.contents[NEW, SHA], api.contents[BIG, SHA] = MINE, h200.encode()
    assert admit(propose(api, changed(NEW), changed(BIG)), 7, SHA, HOST, tmp_path / "small") == "recipes=mine"
    assert admit(propose(api, changed(NEW), changed(BIG)), 7, SHA, "h200-cw", tmp_path / "big") == "recipes=big"
    with pytest.raises(FleetError, match=r"can run on host h100-cw .h100.; GPUs that are needed: cpu, h200"):
        admit(propose(api, changed(NEW), changed(BIG)), 7, SHA, "h100-cw", tmp_path / "other")
    with pytest.raises(FleetError, match="there is no host 'h200'"):
        admit(propose(api, changed(NEW)), 7, SHA, "h200", tmp_path / "none")


@pytest.mark.parametrize(
    "name",
    [
        "matrix/flags.py",
        "matrix/data/engines/vllm.yaml",
        "matrix/data/recipes/top.yaml",
        "matrix/data/recipes/nvidia/../../engines/vllm.yaml",
        "matrix/data/recipes/nvidia/a.yaml\n",
        ".github/workflows/nightly.yml",
        ".github/workflows/sweep-00.yml.yml",
        "/etc/passwd",
    ],
)
def test_a_pull_request_that_changes_anything_else_is_refused(api: Api, tmp_path: Path, name: str) -> None:
    api.contents[NEW, SHA] = MINE
    with pytest.raises(FleetError, match="only recipes can be measured before they are merged"):
        admit(propose(api, changed(NEW), changed(name)), 7, SHA, HOST, tmp_path / "fleet")
    with pytest.raises(FleetError, match="only recipes"):
        admit(propose(api, changed(NEW, "renamed", previous_filename=name)), 7, SHA, HOST, tmp_path / "fleet")
    assert not (tmp_path / "fleet").exists()


def test_what_was_not_approved_is_refused(api: Api, tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="read it again"):
        admit(propose(api, sha="b" * 40), 7, SHA, HOST, tmp_path / "fleet")
    with pytest.raises(FleetError, match="is closed"):
        admit(propose(api, state="closed"), 7, SHA, HOST, tmp_path / "fleet")
    with pytest.raises(FleetError, match="give all 40 digits"):
        admit(propose(api), 7, "aaaaaaa", HOST, tmp_path / "fleet")


def test_a_push_while_it_is_read_is_noticed(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    github = propose(api, changed(NEW))
    before = Api.get

    def pushed_meanwhile(self: Api, path: str, query: dict[str, str]) -> object:
        if path.startswith("contents/"):
            propose(self, changed(NEW), sha="b" * 40)
            return MINE
        return before(self, path, query)

    monkeypatch.setattr(Api, "get", pushed_meanwhile)
    with pytest.raises(FleetError, match=f"is at {'b' * 40} now"):
        admit(github, 7, SHA, HOST, tmp_path / "fleet")


def test_a_recipe_that_does_not_check_is_refused_with_its_line(api: Api, tmp_path: Path) -> None:
    api.contents[NEW, SHA] = MINE.replace(b"parallel: 4", b"paralel: 4")
    with pytest.raises(DataProblems, match=r"mine.yaml:\d+: .*paralel"):
        admit(propose(api, changed(NEW)), 7, SHA, HOST, tmp_path / "fleet")


def test_a_huge_file_is_refused(api: Api, tmp_path: Path) -> None:
    api.contents[NEW, SHA] = b"#" * (MAX_FILE_BYTES + 1)
    with pytest.raises(FleetError, match="more than 262144"):
        admit(propose(api, changed(NEW)), 7, SHA, HOST, tmp_path / "fleet")
