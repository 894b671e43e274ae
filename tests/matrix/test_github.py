from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from matrix.errors import FleetError
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
