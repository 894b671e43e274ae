from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from matrix.errors import FleetError, Unanswered
from matrix.github import GitHub
from matrix.github_records import Artifact
from matrix.patience import Patience
from tests.act.api import REPOSITORY, TOKEN, Api, serve

SINCE = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path)) as serving:
        yield serving


def github(api: Api) -> GitHub:
    return GitHub(api=api.url, repository=REPOSITORY, token=TOKEN)


def test_lists_are_read_to_the_last_page(api: Api) -> None:
    for number in range(1, 252):
        api.add_run(number, "nightly.yml", "nightly", sha="a" * 40)
    assert [run.id for run in github(api).runs(branch="main", since=SINCE)] == list(range(1, 252))


@pytest.mark.fault(59)
def test_a_list_that_loses_entries_is_an_error_and_never_a_part(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"total_count": 5, "workflow_runs": [], "artifacts": []}
    monkeypatch.setattr(Api, "get", lambda *_: answers)
    with pytest.raises(FleetError, match="listed 0 runs of 5"):
        github(api).runs(branch="main", since=SINCE)
    with pytest.raises(FleetError, match="listed 0 artifacts of run 7 of 5"):
        github(api).artifacts(7)


@pytest.mark.fault(59)
@pytest.mark.parametrize("jobs", [0, 1, 100, 241, 1201])
def test_the_jobs_of_all_attempts_are_listed_to_the_last(api: Api, jobs: int) -> None:
    api.add_run(7, "sweep-00.yml", "sweep 00", sha="a" * 40)
    for number in range(jobs):
        api.add_job(7, f"r{number}.tp1", SINCE, SINCE, run_attempt=1 + number % 2)
    assert [job.name for job in github(api).jobs(7)] == [f"r{number}.tp1" for number in range(jobs)]


@pytest.mark.fault(59)
def test_a_list_that_moved_while_it_was_read_is_an_error_though_its_length_is_right(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new run comes first and pushes the last of page one onto page two: one is there twice, another never."""
    for number in range(150):
        api.add_run(number, "nightly.yml", "nightly", sha="a" * 40)
    answer = Api.get

    def moving(api: Api, path: str, query: dict[str, str]) -> object:
        found = answer(api, path, query)
        assert isinstance(found, dict)
        if query["page"] == "2":
            found["workflow_runs"] = [api.runs[99], *found["workflow_runs"][:-1]]
        return found

    monkeypatch.setattr(Api, "get", moving)
    with pytest.raises(Unanswered, match="listed 149 runs of 150"):
        github(api).runs(branch="main", since=SINCE)


@pytest.mark.fault(67)
def test_an_answer_that_is_cut_off_may_be_whole_another_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Api, "get", lambda *_: b'{"id": 1, "path": ".github')
    with pytest.raises(Unanswered, match="cut off"):
        github(api).run(1)


def test_what_was_read_once_is_confirmed_and_not_sent_again(api: Api) -> None:
    api.with_etags = True
    api.add_run(1, "nightly.yml", "nightly", sha="a" * 40, status="queued")
    asking = replace(github(api), kept={})
    assert [asking.run(1).status for _ in range(3)] == ["queued"] * 3
    assert api.confirmed == 2
    api.runs[0]["status"] = "completed"
    assert asking.run(1).status == "completed"
    assert api.confirmed == 2
    assert github(api).run(1).status == "completed"  # one that keeps nothing asks for nothing to be confirmed
    assert api.confirmed == 2


def test_a_run_that_has_ended_cannot_be_cancelled(api: Api) -> None:
    api.add_run(1, "nightly.yml", "nightly", sha="a" * 40, status="in_progress")
    api.add_run(2, "nightly.yml", "nightly", sha="a" * 40)
    github(api).cancel(1)
    with pytest.raises(FleetError, match="answered 409"):
        github(api).cancel(2)
    assert api.cancelled == [1]


def test_what_may_pass_is_told_from_what_will_not(api: Api) -> None:
    """Who only watches goes on after the one, and stops at the other. A wait that was asked for is handed on."""
    _, asking = waits_of(api, *[(502, {}, b"down")] * 6)
    with pytest.raises(Unanswered) as passing:
        asking.run(1)
    assert passing.value.wait_s == 0.0
    _, asking = waits_of(api, (429, {"Retry-After": "3600"}, b""))
    with pytest.raises(Unanswered) as limited:
        asking.run(1)
    assert limited.value.wait_s == 3600.0
    with pytest.raises(FleetError) as refused:
        github(api).run(1)
    assert not isinstance(refused.value, Unanswered)
    with pytest.raises(Unanswered, match="cannot be reached"):
        GitHub(api="http://127.0.0.1:1", repository=REPOSITORY, token=TOKEN, patience=Patience(tries=1)).run(1)


def test_a_workflow_is_named_by_its_file_with_or_without_a_ref(api: Api) -> None:
    api.add_run(1, "nightly.yml@main", "nightly", sha="a" * 40)
    assert github(api).run(1).workflow == "nightly.yml"


def test_an_artifact_whose_bytes_are_not_githubs_is_refused(api: Api, tmp_path: Path) -> None:
    (tmp_path / "7" / "plan").mkdir(parents=True)
    path = tmp_path / "7" / "plan" / "plan.zip"
    path.write_bytes(b"as uploaded")
    (found,) = github(api).artifacts(7)
    assert github(api).download(found, 100) == b"as uploaded"
    with pytest.raises(FleetError, match="11 bytes, more than 10"):
        github(api).download(found, 10)
    with pytest.raises(FleetError, match="has expired"):
        github(api).download(msgspec.structs.replace(found, expired=True), 100)
    path.write_bytes(b"as tampered")
    with pytest.raises(FleetError, match="GitHub says sha256:"):
        github(api).download(found, 100)


def test_the_token_does_not_follow_a_redirect_to_another_host(api: Api, tmp_path: Path) -> None:
    """GitHub sends every artifact from a storage host of another company."""
    seen: list[dict[str, str]] = []

    class Storage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"bytes")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Storage) as storage:
        thread = Thread(target=storage.handle_request)
        thread.start()
        api.redirects["actions/artifacts/1/zip"] = f"http://127.0.0.1:{storage.server_port}/blob"
        artifact = Artifact(id=1, name="plan", size_in_bytes=5, expired=False)
        assert github(api).download(artifact, 100) == b"bytes"
        thread.join()
    assert "Authorization" not in {name.title() for name in seen[0]}


def test_what_github_refuses_is_said_with_its_words(api: Api) -> None:
    with pytest.raises(FleetError, match=r"GET actions/runs/1: GitHub answered 404: .*Not Found"):
        github(api).run(1)
    with pytest.raises(FleetError, match="cannot be reached"):
        GitHub(api="http://127.0.0.1:1", repository=REPOSITORY, token=TOKEN, patience=Patience(tries=1)).run(1)
    with pytest.raises(FleetError, match="write it as owner/name"):
        GitHub(api=api.url, repository="../etc", token=TOKEN)


def test_an_answer_of_another_shape_is_an_error(api: Api) -> None:
    api.runs.append({"id": 1, "path": 3})
    with pytest.raises(FleetError, match="not as documented"):
        github(api).run(1)


RATE_LIMITED = b'{"message": "You have exceeded a secondary rate limit."}'


def waits_of(api: Api, *faults: tuple[int, dict[str, str], bytes]) -> tuple[list[float], GitHub]:
    api.faults.extend(faults)
    waits: list[float] = []
    patience = Patience(sleep=waits.append)
    return waits, GitHub(api=api.url, repository=REPOSITORY, token=TOKEN, patience=patience)


@pytest.mark.fault(67)
def test_a_rate_limit_is_waited_out_as_long_as_github_asks(api: Api) -> None:
    api.add_run(1, "nightly.yml", "nightly", sha="a" * 40)
    soon = str(int(datetime.now(UTC).timestamp()) + 30)
    waits, asking = waits_of(
        api,
        (429, {"Retry-After": "7"}, b""),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": soon}, b"{}"),
        (403, {}, RATE_LIMITED),
    )
    assert asking.run(1).id == 1
    assert waits[0] == 7.0
    assert 20 < waits[1] < 40
    assert waits[2] == 240.0  # nothing asked for: a minute, doubled with every try


@pytest.mark.fault(67)
def test_what_passes_is_tried_again_but_not_for_ever(api: Api) -> None:
    api.add_run(1, "nightly.yml", "nightly", sha="a" * 40)
    waits, asking = waits_of(api, (502, {}, b""), (503, {}, b""))
    assert asking.run(1).id == 1
    assert waits == [1.0, 2.0]
    waits, asking = waits_of(api, *[(502, {}, b"down")] * 6)
    with pytest.raises(FleetError, match="answered 502: down"):
        asking.run(1)
    assert len(waits) == 5
    assert api.faults == []


@pytest.mark.fault(67)
def test_a_wait_beyond_our_patience_is_an_error_that_names_it(api: Api) -> None:
    waits, asking = waits_of(api, (429, {"Retry-After": "3600"}, b""))
    with pytest.raises(FleetError, match="asks to wait 3600 s more; after 900 s"):
        asking.run(1)
    assert waits == []


def test_a_missing_permission_is_not_waited_for(api: Api) -> None:
    waits, asking = waits_of(api, (403, {}, b'{"message": "Resource not accessible by integration"}'))
    with pytest.raises(FleetError, match=r"answered 403: .*not accessible"):
        asking.run(1)
    assert waits == []


def test_a_dispatch_is_never_made_twice_but_a_refused_one_is_made_again(api: Api) -> None:
    waits, asking = waits_of(api, (502, {}, b""))
    with pytest.raises(FleetError, match="answered 502"):
        asking.dispatch("sweep-00.yml", {})
    assert (waits, api.dispatched) == ([], [])
    waits, asking = waits_of(api, (403, {"Retry-After": "1"}, RATE_LIMITED))
    asking.dispatch("sweep-00.yml", {})
    assert (waits, len(api.dispatched)) == ([1.0], 1)


def test_an_enterprise_server_is_another_address(api: Api) -> None:
    """GHES serves its API under a path: `https://HOST/api/v3`."""
    api.add_run(1, "nightly.yml", "nightly", sha="a" * 40)
    api.prefix = "/api/v3"
    assert GitHub(api=f"{api.url}/api/v3", repository=REPOSITORY, token=TOKEN).run(1).id == 1
