"""The comment's job against a loopback GitHub: what it must say once, and what a stranger's artifact must not do."""

from __future__ import annotations

import dataclasses
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from aggregate.comment import MARKER
from aggregate.merge import merge
from aggregate.pulls import MOST_PULLS, MOST_TOLD, TITLE, Asked, comment
from matrix.errors import FleetError
from matrix.github import GitHub
from matrix.gitinfo import ROOT
from matrix.limits import TOKEN_REQUESTS_PER_HOUR
from matrix.patience import Patience
from matrix.plan import Plan
from matrix.pull_check import PullCheck, RecipeChange, Totals
from matrix.render import WORKFLOWS
from tests.act.api import BOT, REPOSITORY, TOKEN, Api, serve
from tests.aggregate.builders import a_plan, artifacts_of, zip_bytes

SHA, NEWER = "a" * 40, "b" * 40
CHECK, SWEEP = 601, 501
RECIPE = "matrix/data/recipes/vendor/mine.yaml"
TOTALS = Totals(points=(64, 66), starts=(8, 9), gpu_hours=(12.0, 12.4))
CHANGE = RecipeChange(id="mine", sign="+", gpu="h200", added=2, removed=0, changed=0)
GOOD = PullCheck(recipes=(CHANGE,), recipe_count=1, totals=TOTALS)
ASKED = Asked(since=datetime.now(UTC) - timedelta(days=14), server="https://github.com", hosts={"h200": ("h200-a",)})


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "github")) as serving:
        yield serving


def github(api: Api) -> GitHub:
    return GitHub(api=api.url, repository=REPOSITORY, token=TOKEN, patience=Patience(tries=1))


def store(api: Api, run_id: int, name: str, data: bytes) -> None:
    folder = api.artifacts / str(run_id) / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.zip").write_bytes(data)


def propose(api: Api, number: int = 7, sha: str = SHA, *files: str) -> None:
    """A pull request from a fork that adds a recipe (and other files)."""
    api.changed[number] = [{"filename": name, "status": "added"} for name in (RECIPE, *files)]
    api.add_pull(number, sha)


def checked(api: Api, data: bytes | None = None, run_id: int = CHECK, **other: object) -> None:
    """Its finished `pr check`, which left these bytes; by default a good record."""
    fork = {"head_branch": "mine", "head_repository": {"full_name": "somebody/fleet"}}
    ended: dict[str, object] = {"event": "pull_request", "conclusion": "success", **fork, **other}
    api.add_run(run_id, "pr-check.yml", "Add mine", sha=SHA, **ended)
    left = zip_bytes({"check.json": msgspec.json.encode(GOOD)}) if data is None else data
    store(api, run_id, "pull-check", left)


def body(api: Api, number: int = 7) -> str:
    (only,) = api.comments[number]
    return str(only["body"])


def test_a_pull_request_gets_one_comment_and_no_second_until_something_is_new(api: Api) -> None:
    propose(api)
    checked(api)
    assert comment(github(api), ASKED) == ["#7: commented"]
    assert body(api).startswith(MARKER)
    assert f"-f pull=7 -f sha={SHA} -f host=h200-a" in body(api)
    assert comment(github(api), ASKED) == ["#7: nothing new"]
    checked(api, run_id=CHECK + 1)
    assert comment(github(api), ASKED) == ["#7: comment renewed"]
    assert api.written == ["POST 7", "PATCH 1000"]
    by_hand = dataclasses.replace(ASKED, number=7)
    assert comment(github(api), by_hand) == ["#7: nothing new"]


def test_a_pull_request_without_a_finished_check_is_left_alone(api: Api) -> None:
    propose(api)
    checked(api, status="in_progress")
    assert comment(github(api), ASKED) == ["#7: its check has not ended"]
    assert api.comments == {}


def test_a_push_makes_the_old_comment_say_that_there_is_no_check_yet(api: Api) -> None:
    propose(api)
    checked(api)
    comment(github(api), ASKED)
    propose(api, 7, NEWER)
    assert comment(github(api), ASKED) == ["#7: comment renewed"]
    assert f"at commit {NEWER}" in body(api)
    assert "no finished `pr check` yet" in body(api)
    assert SHA not in body(api)


def test_a_push_between_reading_and_writing_writes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    propose(api)
    checked(api)
    before = Api.get

    def pushed_meanwhile(self: Api, path: str, query: dict[str, str]) -> object:
        found = before(self, path, query)
        if path.endswith("/zip"):
            propose(self, 7, NEWER)
        return found

    monkeypatch.setattr(Api, "get", pushed_meanwhile)
    assert comment(github(api), ASKED) == [f"#7: it has moved on to {NEWER}; next time"]
    assert api.written == []


def test_a_pull_request_that_was_closed_or_deleted_meanwhile_gets_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (7, 8):
        propose(api, number)
    checked(api)
    before = Api.get

    def gone_meanwhile(self: Api, path: str, query: dict[str, str]) -> object:
        found = before(self, path, query)
        if path == "issues/7/comments":
            self.pulls[7]["state"] = "closed"
        if path == "issues/8/comments":
            del self.pulls[8]
        return found

    monkeypatch.setattr(Api, "get", gone_meanwhile)
    with pytest.raises(FleetError, match=r"#7: it has moved on; next time\n#8: GET pulls/8: GitHub answered 404"):
        comment(github(api), ASKED)
    assert api.written == []


def test_only_a_check_of_that_commit_of_that_branch_of_that_fork_counts(api: Api) -> None:
    propose(api)
    checked(api, run_id=1, head_repository={"full_name": "another/fleet"})
    checked(api, run_id=2, head_repository=None)
    checked(api, run_id=3, head_branch="other")
    checked(api, run_id=4, event="workflow_dispatch")
    assert comment(github(api), ASKED) == ["#7: its check has not ended"]
    api.pulls[7]["head"] = {"ref": "mine", "sha": SHA, "repo": None}  # the fork was deleted
    assert comment(github(api), ASKED) == ["#7: its check has not ended"]
    assert api.written == []


def test_a_comment_of_somebody_else_is_never_taken_for_ours(api: Api) -> None:
    propose(api)
    checked(api)
    api.comments[7] = [
        {"id": 1, "user": {"login": "mallory"}, "body": f"{MARKER} -->"},
        {"id": 2, "user": None, "body": f"{MARKER} -->"},
        {"id": 3, "user": {"login": BOT}, "body": f"> {MARKER} -->"},
        {"id": 4, "user": {"login": BOT}, "body": None},
    ]
    assert comment(github(api), ASKED) == ["#7: commented"]
    assert [one["id"] for one in api.comments[7] if SHA in str(one["body"])] == [1004]


def bomb() -> bytes:
    return zip_bytes({"check.json": b" " * (200 << 10)})


def lies() -> bytes:
    """The right record, and numbers that are not the author's to say."""
    record = json.loads(msgspec.json.encode(GOOD))
    return zip_bytes({"check.json": json.dumps({**record, "pull": 8, "sha": NEWER}).encode()})


BAD = {
    "no zip": (b"PK but not really", "unreadable"),
    "a bomb": (bomb(), "inflates more than"),
    "too large": (b"x" * (300 << 10), "bytes, more than"),
    "too large inside": (zip_bytes({"check.json": bytes(range(256)) * 1025}), "bytes in all, more than"),
    "a path": (zip_bytes({"../check.json": b"{}"}), "not a name an artifact may hold"),
    "another name": (zip_bytes({"Check.json": b"{}"}), "has no check.json"),
    "no JSON": (zip_bytes({"check.json": b"{"}), "not JSON"),
    "another shape": (zip_bytes({"check.json": b"[]"}), "Expected 'object'"),
    "deep": (zip_bytes({"check.json": b"[" * 5000 + bytes(range(32, 127)) * 9}), "nested too deeply"),
    "numbers": (zip_bytes({"check.json": b'{"problem_count": 1e999}'}), "finite"),
    "a key twice": (zip_bytes({"check.json": b'{"stale": "a", "stale": "b"}'}), "twice"),
    "another pull request's number": (lies(), "unknown field 'pull'"),
    "a negative count": (zip_bytes({"check.json": b'{"problem_count": -1}'}), ">= 0"),
    "too many": (zip_bytes({"check.json": json.dumps({"problems": ["x"] * 41}).encode()}), "length <= 40"),
    "a line break": (zip_bytes({"check.json": b'{"stale": "a\\n# b"}'}), "matching regex"),
    "an escape": (zip_bytes({"check.json": b'{"stale": "\\u202e"}'}), "outside printable ASCII"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_artifact_that_breaks_a_rule_is_named_in_the_comment_and_not_used(api: Api, name: str) -> None:
    data, why = BAD[name]
    propose(api)
    checked(api, data)
    assert comment(github(api), ASKED) == ["#7: commented"]
    assert "Its result cannot be shown: `" in body(api)
    assert why in body(api)
    assert "Points" not in body(api)
    assert list(api.comments) == [7]


def test_markdown_of_a_stranger_is_shown_as_the_code_it_is(api: Api) -> None:
    attack = "`@everybody` <img src=//evil> [x](//evil) | ![x](//evil) ``` -->"
    change = msgspec.structs.replace(CHANGE, sign="~", whys=(attack,))
    record = PullCheck(recipes=(change,), totals=TOTALS, stale=attack)
    propose(api, 7, SHA, "a`@x|.md")
    checked(api, zip_bytes({"check.json": msgspec.json.encode(record)}), conclusion="@x")
    comment(github(api), ASKED)
    shown = "`'@everybody' <img src=//evil> [x](//evil) ¦ ![x](//evil) ''' -->`"
    assert body(api).count(shown) == 2
    assert "(`a'@x¦.md`)" in body(api)
    assert attack not in body(api)


def test_one_pull_request_that_fails_does_not_cost_the_others_their_news(api: Api, tmp_path: Path) -> None:
    propose(api, 7)
    propose(api, 8)
    checked(api)
    before = github(api)
    api.comments[7] = [{"id": "not a number"}]
    with pytest.raises(FleetError, match=r"#8: commented\n#7: .*not as documented"):
        comment(before, ASKED)
    assert SHA in body(api, 8)


def test_many_pull_requests_wait_their_turn_and_the_token_lasts(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(api)
    for number in range(1, MOST_PULLS + 6):
        propose(api, number)
    api.add_run(1, "approve-sweep.yml", f"recipes of #{MOST_PULLS + 5} at {SHA} on h200-a", sha=NEWER, status="queued")
    requests: list[str] = []
    before = Api.get

    def counted(self: Api, path: str, query: dict[str, str]) -> object:
        requests.append(path)
        return before(self, path, query)

    monkeypatch.setattr(Api, "get", counted)
    said = comment(github(api), ASKED)
    assert said[0] == "5 older pull requests are not looked at"
    assert said[1] == f"#{MOST_PULLS + 5}: commented"  # a maintainer's approval comes first
    assert [line.partition(": ")[2] for line in said[1:]] == ["commented"] * MOST_TOLD + ["has news; next time"] * (
        MOST_PULLS - MOST_TOLD
    )
    assert 3 * (len(requests) + len(api.written)) < TOKEN_REQUESTS_PER_HOUR / 2
    later = comment(github(api), ASKED)
    assert sum(line.endswith(": commented") for line in later) == MOST_TOLD
    assert sum(line.endswith(": nothing new") for line in later) == MOST_TOLD


def swept(api: Api, tmp_path: Path, plan: Plan, run_id: int = SWEEP, *, sha: str = SHA, **other: object) -> None:
    """An approved sweep of #7, all of it ok, which ended."""
    found = merge(plan, artifacts_of(tmp_path / f"in-{run_id}", plan), "one")
    rows = b"".join(msgspec.json.encode(row) + b"\n" for row in found.rows)
    files = {"rows.ndjson": rows, "plan.json": msgspec.json.encode(plan), "coverage.json": b"{}"}
    store(api, run_id, "merged", zip_bytes(files))
    api.add_run(run_id, "approve-sweep.yml", f"recipes of #7 at {sha} on h200-a", sha="a" * 40, **other)


def test_an_approved_sweeps_numbers_arrive_in_the_same_comment(api: Api, tmp_path: Path) -> None:
    propose(api)
    checked(api)
    comment(github(api), ASKED)
    swept(api, tmp_path, a_plan(jobs=1))
    api.pulls[7]["updated_at"] = "2026-01-01T00:00:00Z"  # a sweep does not touch the pull request
    assert comment(github(api), ASKED) == ["#7: comment renewed"]
    assert "on `h200-a`: 2 points planned, 2 ok, 0 not. Never published." in body(api)
    assert body(api).count("| `ok` | ") == 2
    assert comment(github(api), ASKED) == ["#7: nothing new"]


def test_a_planned_point_without_a_row_is_missing_and_an_unplanned_row_refuses_the_sweep(
    api: Api, tmp_path: Path
) -> None:
    propose(api)
    checked(api)
    plan = a_plan(jobs=1)
    swept(api, tmp_path, plan)
    path = api.artifacts / str(SWEEP) / "merged" / "merged.zip"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    first, second = files["rows.ndjson"].splitlines()
    store(api, SWEEP, "merged", zip_bytes({**files, "rows.ndjson": first}))
    comment(github(api), ASKED)
    assert "2 points planned, 1 ok, 1 not" in body(api)
    assert "| `missing: no row` |" in body(api)
    forged = second.replace(b'"point_id":"r0', b'"point_id":"zz')
    for data, why in (
        ({**files, "rows.ndjson": first + b"\n" + forged}, "points that were not planned"),
        ({**files, "rows.ndjson": b"{}"}, "not a row"),
        ({**files, "plan.json": b"[" * 9000}, "results cannot be shown"),
        ({**files, "plan.json": files["plan.json"].replace(b"a" * 40, b"c" * 40)}, "not made by the commit of main"),
        ({"rows.ndjson": first}, "no plan.json"),
    ):
        store(api, SWEEP, "merged", zip_bytes(data))
        comment(github(api), dataclasses.replace(ASKED, number=7))
        assert why in body(api)


def test_the_title_that_the_workflow_makes_is_the_one_that_is_read() -> None:
    text = (ROOT / WORKFLOWS / "approve-sweep.yml").read_text()
    (template,) = re.findall(r'^run-name: "(.*)"$', text, re.MULTILINE)
    inputs = {"pull": "7", "sha": SHA, "host": "h200-a"}
    title = re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: inputs[found[1]], template)
    found = TITLE.fullmatch(title)
    assert found is not None
    assert found.groupdict() == inputs


def test_only_a_sweep_that_was_approved_on_main_counts(api: Api, tmp_path: Path) -> None:
    propose(api)
    checked(api)
    swept(api, tmp_path, a_plan(jobs=1), 1, head_branch="mine")
    swept(api, tmp_path, a_plan(jobs=1), 2, event="pull_request")
    swept(api, tmp_path, a_plan(jobs=1), 3, display_title=f"recipes of #7 at {SHA} on h200-a @x")
    swept(api, tmp_path, a_plan(jobs=1), 4, path=".github/workflows/run-one.yml")
    comment(github(api), ASKED)
    assert "Measured before" not in body(api)
    swept(api, tmp_path, a_plan(jobs=1), 5, sha=NEWER)
    comment(github(api), ASKED)
    assert f"of the earlier commit {NEWER}: 2 points planned" in body(api)
    assert "| `ok` |" not in body(api)
