from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from matrix.errors import FleetError
from matrix.pin.http import Http, open_client
from matrix.pin.hub import require_safe, revision
from matrix.pin.reference import Failed
from tests.stand_in import Asked, Reply, stand_in

SHA = "4236a6af538feda4548eca9ab308586007567f52"


@pytest.fixture
def http() -> Iterator[Http]:
    with open_client() as client:
        yield Http(client, lambda _: None)


def hub(asked: Asked) -> Reply:
    """The hub's answers, as its API documents them: a model, one behind a login, none at all."""
    match asked.path.split("/"):
        case ["", "api", "models", "open", "model", "revision", "main"]:
            return 200, {}, json.dumps({"id": "open/model", "sha": SHA, "siblings": []}).encode()
        case ["", "api", "models", "gated", "model", "revision", "main"]:
            known = asked.headers.get("authorization") == "Bearer secret"
            return (200, {}, json.dumps({"sha": SHA}).encode()) if known else (401, {}, b"{}")
        case ["", "api", "models", "renamed", "model", *_]:
            return 307, {"location": "/api/models/open/model"}, b""
        case ["", "api", "models", "odd", *_]:
            return 200, {}, b'{"sha": "main"}'
    return 404, {}, b"{}"


def test_a_branch_is_the_commit_the_hub_names(http: Http) -> None:
    with stand_in(hub) as server:
        assert revision(http, server.url, "open/model") == SHA


def test_a_token_opens_what_is_gated_and_is_asked_for(http: Http) -> None:
    with stand_in(hub) as server:
        refused = revision(http, server.url, "gated/model")
        assert isinstance(refused, Failed)
        assert "HF_TOKEN" in refused.why
        assert revision(http, server.url, "gated/model", token="secret") == SHA


@pytest.mark.parametrize(
    ("repo", "words"),
    [("none/model", "no none/model"), ("renamed/model", "moved to"), ("odd/model", "names no commit")],
)
def test_every_other_answer_is_a_reason(http: Http, repo: str, words: str) -> None:
    with stand_in(hub) as server:
        found = revision(http, server.url, repo)
    assert isinstance(found, Failed)
    assert words in found.why


def test_a_token_is_never_sent_in_clear_to_another_machine() -> None:
    assert require_safe("http://127.0.0.1:8000/") == "http://127.0.0.1:8000"
    assert require_safe("https://hub.example") == "https://hub.example"
    for bad in ("http://hub.example", "ftp://hub.example", "hub.example", "https://"):
        with pytest.raises(FleetError, match="--hub"):
            require_safe(bad)
