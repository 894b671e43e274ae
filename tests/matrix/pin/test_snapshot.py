from __future__ import annotations

import json

import httpx
import pytest

from matrix.pin.http import Http
from matrix.pin.reference import Failed
from matrix.pin.snapshot import HubFile, wanted_files

SHA = "c" * 40


def asked(siblings: list[dict[str, object]], sha: str = SHA, *, code: bool = False) -> list[HubFile] | Failed:
    body = json.dumps({"sha": sha, "siblings": siblings}).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    with httpx.Client(transport=transport) as client:
        return wanted_files(Http(client), "https://hub.example", "org/model", SHA, None, code=code)


def test_large_files_have_a_sha256_and_small_ones_gits_own() -> None:
    large: dict[str, object] = {
        "rfilename": "model.safetensors",
        "lfs": {"sha256": "d" * 64, "size": 5, "pointerSize": 1},
    }
    small: dict[str, object] = {"rfilename": "config.json", "size": 3, "blobId": "e" * 40}
    assert asked([large, small]) == [
        HubFile(path="model.safetensors", size=5, sum="d" * 64, lfs=True),
        HubFile(path="config.json", size=3, sum="e" * 40, lfs=False),
    ]


@pytest.mark.parametrize("name", ["../config.json", "a/../b.json", "/etc/x.json", "a//b.json", "a\nb.json", ".."])
def test_a_name_that_leads_elsewhere_is_refused_or_not_wanted(name: str) -> None:
    found = asked([{"rfilename": name, "size": 1, "blobId": "e" * 40}])
    assert found == [] or isinstance(found, Failed)


@pytest.mark.parametrize("without", ["size", "blobId"])
def test_a_file_that_cannot_be_checked_is_refused(without: str) -> None:
    whole: dict[str, object] = {"rfilename": "config.json", "size": 3, "blobId": "e" * 40}
    assert isinstance(asked([{**whole, without: None}]), Failed)


def test_another_commit_is_refused() -> None:
    assert isinstance(asked([], sha="main"), Failed)
