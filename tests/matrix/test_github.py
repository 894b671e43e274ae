from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from matrix.errors import FleetError
from matrix.github import Artifact, GitHub
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
        GitHub(api="http://127.0.0.1:1", repository=REPOSITORY, token=TOKEN).run(1)
    with pytest.raises(FleetError, match="write it as owner/name"):
        GitHub(api=api.url, repository="../etc", token=TOKEN)


def test_an_answer_of_another_shape_is_an_error(api: Api) -> None:
    api.runs.append({"id": 1, "path": 3})
    with pytest.raises(FleetError, match="not as documented"):
        github(api).run(1)
