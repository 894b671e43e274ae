"""Every rendered workflow, unmodified, under act: a night with a failed, a cancelled and a lost job, and its dataset.

What act cannot show, and where it is shown instead: that an empty or too large matrix is refused, timeouts and
permissions (`matrix.flowcheck`, `tests/test_workflow_rules.py`); which runner takes a job, queues and concurrency
groups (nobody here; `inferfleet simulate` models them); GitHub's API beyond the few calls made (`tests/act/api.py`).
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aggregate.dataset import read_table
from aggregate.manifest import verify
from aggregate.rows import Row, read_rows
from matrix.facts import token_range
from matrix.planfile import read_plan
from matrix.words import Reason
from tests.act.api import Api, serve
from tests.act.running import Ended, Repository, Step, make_repository, run_act, start_act, unpack, wait_act
from tests.fleets import MODEL, WORKLOADS, write_fleet
from tests.tiny_model import VOCABULARY, tiny_model, write_tiny_model

RECIPE = """\
tiny-NAME:
  model: MODEL
  gpu: cpu
  engine: llamacpp
  precision: q8_0
  layouts:
    - name: batched
      flags: {parallel: concurrency}
      points: {WORKLOAD: [1]}
  source: a test
"""
ENDLESS = """\
endless:
  kind: random
  name: until somebody stops it
  isl: 16
  osl: 64
  run_length: {min_s: 90, max_s: 100, min_requests: 4}
"""
NIGHT, FORGED, SWEEP, REFUSED, PUBLISH, AGAIN = 101, 102, 201, 202, 301, 302
ONE, APPROVED, MOVED, CHECK, COMMENT, TOLD = 401, 501, 502, 601, 701, 702


def recipe(name: str, *, model: str = "tiny", workload: str = "short") -> str:
    return RECIPE.replace("NAME", name).replace("MODEL", model).replace("WORKLOAD", workload)


RECIPES = "".join(
    (
        recipe("good").replace("[1]", "[1, 4]"),
        recipe("broken", model="broken"),
        recipe("endless", workload="endless"),
        recipe("lost", workload="long"),
        recipe("blocked") + "  flags_unknown: a test\n",
        recipe("loose") + "  image: example/server:latest\n",
    )
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A fleet of one host with the tiny model, rendered and committed."""
    made = make_repository(tmp_path_factory.mktemp("act"))
    weights = made.root / "tiny.gguf"
    write_tiny_model(weights)
    (made.root / "broken.gguf").write_bytes(b"GGUF, but not really")
    low, high = token_range(tiny_model(weights))
    model = MODEL.replace("vocab_size: 256", f"vocab_size: {len(VOCABULARY)}").replace("[0, 255]", f"[{low}, {high}]")
    models = model.replace("PATH", str(weights)) + model.replace("tiny:", "broken:").replace(
        "PATH", str(made.root / "broken.gguf")
    )
    write_fleet(made.tree / "matrix" / "data", recipe=RECIPES, model=models, workloads=WORKLOADS + ENDLESS)
    subprocess.run(made.command("render"), check=True, cwd=made.tree, timeout=60)
    made.commit("A fleet")
    return made


@pytest.fixture(scope="module")
def api(repository: Repository) -> Iterator[Api]:
    with serve(Api(repository.artifacts)) as serving:
        yield serving


class Saboteur(threading.Thread):
    """Ends two jobs while they measure: one as GitHub cancels, one as a power cut does."""

    def __init__(self, repository: Repository, act: int) -> None:
        super().__init__(daemon=True)
        self._repository, self._act = repository, act
        self._left = {"tiny-endless": signal.SIGINT, "tiny-lost": signal.SIGKILL}
        self.entry_processes: list[bool] = []

    def run(self) -> None:
        while self._left and psutil.pid_exists(self._act):
            for process in psutil.process_iter(["cmdline"]):
                self._look_at(process, process.info["cmdline"] or [])
            time.sleep(0.05)

    def _look_at(self, process: psutil.Process, words: list[str]) -> None:
        if "--job" not in words or not any(str(self._repository.root) in word for word in words):
            return
        job, out = words[words.index("--job") + 1], Path(words[words.index("--out") + 1])
        name = job.partition(".")[0]
        if name not in self._left or not (out / "server.log").exists():  # it has begun
            return
        # GitHub signals a step's entry process: that must be the job itself, not a shell around it
        self.entry_processes.append(process.ppid() == self._act)
        if name == "tiny-lost":
            (self._repository.lost_runners / f"job-{job}-a1").touch()
        process.send_signal(self._left.pop(name))


@pytest.fixture(scope="module")
def swept(repository: Repository, api: Api) -> Ended:
    """The night: planned and dispatched on schedule, then the one sweep it started, sabotaged."""
    planned = run_act(repository, api, "schedule", "nightly.yml", NIGHT)
    assert planned.code == 0, planned.log
    sha = repository.git("rev-parse", "HEAD")
    api.add_run(NIGHT, "nightly.yml", "nightly", sha=sha, event="schedule")
    [(workflow, inputs)] = api.dispatched
    assert (workflow, inputs["plan_run"]) == ("sweep-00.yml", str(NIGHT))
    (repository.tree / "LATER").touch()
    repository.commit("Main moves on: the sweep must run what was planned")
    started = start_act(repository, api, "workflow_dispatch", workflow, SWEEP, inputs)
    saboteur = Saboteur(repository, started.pid)
    saboteur.start()
    ended = wait_act(started)
    saboteur.join()
    assert saboteur.entry_processes == [True, True], ended.log
    api.add_run(SWEEP, workflow, f"sweep 00, planned by run {NIGHT}", sha=sha)
    for job in ended.ran:
        job.record(api, SWEEP)
    return ended


def outcomes(rows: list[Row]) -> dict[str, tuple[str, str, int]]:
    """(outcome, reasons, attempt) by recipe. A tiny model's client may honestly be saturated: that counts as ok."""
    found = {}
    for row in rows:
        measured = row.outcome == "ok" or row.reasons == Reason.CLIENT_SATURATED
        found[row.recipe] = ("measured", "", row.attempt) if measured else (row.outcome, row.reasons, row.attempt)
    return found


NIGHTS_OUTCOMES = {
    "tiny-good": ("measured", "", 1),
    "tiny-broken": ("recipe_failed", "server_exited", 1),
    "tiny-endless": ("cancelled", "interrupted", 1),
    "tiny-lost": ("measured", "", 2),
}


def test_a_sweep_ends_with_a_row_for_every_point_whatever_became_of_its_jobs(
    repository: Repository, api: Api, swept: Ended
) -> None:
    merged = unpack(api.artifact(SWEEP, "merged"), repository.root / "merged")
    rows = list(read_rows(merged / "rows.ndjson"))
    planned = {point.id for job in read_plan(merged / "plan.json").jobs for point in job.points}
    assert {row.point_id for row in rows} == planned
    assert outcomes(rows) == NIGHTS_OUTCOMES, swept.log
    assert {row.shard for row in rows} == {"00"}
    assert {row.git_sha for row in rows} == {repository.git("rev-parse", "HEAD^")}


def test_what_must_not_be_launched_is_left_out_of_the_night_by_name(
    repository: Repository, api: Api, swept: Ended
) -> None:
    plan = read_plan(unpack(api.artifact(NIGHT, "plan"), repository.root / "night") / "plan.json")
    assert {left.id: left.why.partition(":")[0] for left in plan.left_out} == {
        "tiny-blocked.batched.short.c1": "must not be launched",
        "tiny-loose.batched.short.c1": "not pinned",
    }


@pytest.mark.fault(29)
def test_the_second_wave_measures_what_was_lost_and_nothing_else(api: Api, swept: Ended) -> None:
    attempts = [path.stem for path in api.zips(SWEEP) if path.stem.startswith("job-")]
    second = [name for name in attempts if name.endswith("-a2")]
    assert [name.partition(".")[0] for name in second] == ["job-tiny-lost"]
    assert not any(name.startswith(("job-tiny-lost", "job-tiny-blocked")) and name.endswith("-a1") for name in attempts)
    assert {job.partition(".")[0] for job in swept.jobs() if job.startswith("tiny-")} == {
        "tiny-good",
        "tiny-broken",
        "tiny-endless",
        "tiny-lost",
    }


def test_publishing_puts_every_planned_point_into_the_dataset_once(
    repository: Repository, api: Api, swept: Ended
) -> None:
    published = run_act(repository, api, "schedule", "publish.yml", PUBLISH)
    assert published.code == 0, published.log
    home = repository.clone_data()
    table = read_table(home)
    assert table.num_rows == len(set(table["point_id"].to_pylist())) == 5
    assert set(zip(table["recipe"].to_pylist(), table["attempt"].to_pylist(), strict=True)) == {
        (name, attempt) for name, (_, _, attempt) in NIGHTS_OUTCOMES.items()
    }
    assert table["job_verified"].to_pylist() == [True] * 5, published.log
    assert "5 of 5 points, 2 artifacts read again" in published.log
    assert verify(home).runs[0].planned == 5
    assert (home / "site" / "index.html").stat().st_size > 1000
    again = run_act(repository, api, "workflow_dispatch", "publish.yml", AGAIN)
    assert again.code == 0, again.log
    assert "nothing new to publish" in again.log


def test_a_plan_of_a_commit_that_was_never_on_main_starts_nothing(
    repository: Repository, api: Api, swept: Ended
) -> None:
    (plan,) = unpack(api.artifact(NIGHT, "plan"), repository.root / "plan").iterdir()
    main, stray = repository.git("rev-parse", "HEAD^"), repository.git("commit-tree", "-m", "stray", "HEAD^{tree}")
    forged = api.artifacts / str(FORGED) / "plan" / "plan.zip"
    forged.parent.mkdir(parents=True)
    with zipfile.ZipFile(forged, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plan.json", plan.read_text().replace(main, stray))
    api.add_run(FORGED, "nightly.yml", "nightly", sha=stray)
    inputs = {"plan_run": str(FORGED), "not_after": "2099-01-01T00:00:00Z"}
    ended = run_act(repository, api, "workflow_dispatch", "sweep-00.yml", REFUSED, inputs)
    assert ended.code != 0
    assert Step(job="select", name="what runs must have been on main", result="failure") in ended.steps
    assert ended.jobs() == {"select"}


def test_one_point_can_be_run_on_a_host_by_name_pinned_or_not(repository: Repository, api: Api) -> None:
    asked = {"name": "tiny-loose.batched.short.c1", "host": "this-machine", "hours": "1", "unpinned": "true"}
    ended = run_act(repository, api, "workflow_dispatch", "run-one.yml", ONE, asked)
    page = unpack(api.artifact(ONE, "page"), repository.root / "one")
    table = read_table(page)
    assert table["point_id"].to_pylist() == [asked["name"]], ended.log
    assert table["attempt"].to_pylist() == [1]  # it was begun, not blocked
    assert (page / "site" / "index.html").exists()


NEW = "matrix/data/recipes/vendor/new.yaml"


def pull_request(api: Api, number: int, sha: str) -> None:
    """A pull request that adds one recipe; its generated sweep changes with it."""
    changed: list[dict[str, object]] = [
        {"filename": name, "status": "added"} for name in (NEW, ".github/workflows/sweep-00.yml")
    ]
    api.changed[number] = changed
    api.add_pull(number, sha)
    api.contents[NEW, sha] = recipe("new").encode()


def test_an_approved_pull_requests_recipe_is_measured_as_data_and_not_published(
    repository: Repository, api: Api
) -> None:
    pull_request(api, 7, "a" * 40)
    asked = {"pull": "7", "sha": "a" * 40, "host": "this-machine", "hours": "1"}
    ended = run_act(repository, api, "workflow_dispatch", "approve-sweep.yml", APPROVED, asked)
    merged = unpack(api.artifact(APPROVED, "merged"), repository.root / "approved")
    rows = list(read_rows(merged / "rows.ndjson"))
    assert outcomes(rows) == {"tiny-new": ("measured", "", 1)}, ended.log
    main = repository.git("rev-parse", "HEAD")
    assert {row.git_sha for row in rows} == {main}  # main's code measured it
    api.add_run(APPROVED, "approve-sweep.yml", f"recipes of #7 at {'a' * 40} on this-machine", sha=main)
    told = run_act(repository, api, "workflow_dispatch", "comment.yml", TOLD, {"pull": "7"})
    assert told.code == 0, told.log
    (comment,) = api.comments[7]
    assert "on `this-machine`: 1 point planned" in str(comment["body"])
    assert "| `tiny-new.batched.short.c1` |" in str(comment["body"])


def test_a_pull_request_that_moved_on_is_refused_before_anything_runs(repository: Repository, api: Api) -> None:
    pull_request(api, 8, "b" * 40)
    asked = {"pull": "8", "sha": "c" * 40, "host": "this-machine", "hours": "1"}
    ended = run_act(repository, api, "workflow_dispatch", "approve-sweep.yml", MOVED, asked)
    assert ended.code != 0
    assert f"is at {'b' * 40} now; what was approved is {'c' * 40}" in ended.log
    assert ended.jobs() == {"select"}
    assert api.zips(MOVED) == []


def test_a_pull_request_is_checked_without_a_runner_of_ours_and_told_on_main_what_it_changes(
    repository: Repository, api: Api
) -> None:
    recipes = repository.tree / "matrix/data/recipes/test.yaml"
    repository.git("checkout", "--quiet", "-b", "mine")
    recipes.write_text(recipes.read_text().replace("[1, 4]", "[1, 4, 8]"))
    repository.commit("One concurrency more")
    sha = repository.git("rev-parse", "HEAD")
    ended = run_act(repository, api, "pull_request", "pr-check.yml", CHECK)
    repository.git("checkout", "--quiet", "main")
    assert ended.code == 0, ended.log
    assert "nothing changed" in ended.log  # one more point on the same server start
    assert ended.jobs() == {"data"}
    api.changed[9] = [{"filename": "matrix/data/recipes/vendor/test.yaml", "status": "modified"}]
    api.add_pull(9, sha)
    fork = {"event": "pull_request", "head_branch": "mine", "head_repository": {"full_name": "somebody/fleet"}}
    api.add_run(CHECK, "pr-check.yml", "One more", sha=sha, conclusion="success", **fork)
    told = run_act(repository, api, "schedule", "comment.yml", COMMENT)
    assert told.code == 0, told.log
    (comment,) = api.comments[9]
    assert "| `tiny-good` | changed | +1 " in str(comment["body"])
    assert f"-f pull=9 -f sha={sha} -f host=this-machine" in str(comment["body"])
