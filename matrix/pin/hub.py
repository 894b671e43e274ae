"""The model hub's API: which commit a branch of a model's repository means now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import msgspec

from matrix.errors import UNDECODABLE, FleetError
from matrix.pin.http import unexpected
from matrix.pin.reference import Failed, loopback

if TYPE_CHECKING:
    from matrix.pin.http import Http

HUB = "https://huggingface.co"
_SHA = re.compile(r"[0-9a-f]{40}")


class _Model(msgspec.Struct):
    sha: str


def require_safe(hub: str) -> str:
    """The hub's base URL without its last slash; a `FleetError` for one a token must not be sent to."""
    try:
        url = httpx.URL(hub)
    except httpx.InvalidURL:
        raise FleetError(f"--hub {hub!r} is not an address: write it as {HUB}") from None
    if not url.host or url.query or url.userinfo:
        raise FleetError(f"--hub {hub!r} is not an address: write it as {HUB}")
    if url.scheme != "https" and not (url.scheme == "http" and loopback(url.netloc.decode())):
        raise FleetError(f"--hub {hub!r}: only https, or http on this machine")
    return hub.rstrip("/")


def revision(http: Http, hub: str, repo: str, branch: str = "main", token: str | None = None) -> str | Failed:
    """The 40-digit commit of `branch`. `token` is sent to `hub` alone: redirects are not followed."""
    url = f"{hub}/api/models/{repo}/revision/{branch}"
    answer = http.ask("GET", url, {} if token is None else {"Authorization": f"Bearer {token}"})
    if isinstance(answer, Failed):
        return answer
    if answer.status in (401, 403):
        return Failed(f"{repo} is private, gated, or not there; put a token that may read it in HF_TOKEN")
    if answer.status == 404:
        return Failed(f"there is no {repo} with a branch {branch}")
    if answer.status != 200:
        return unexpected(answer, url)
    try:
        sha = msgspec.json.decode(answer.body, type=_Model).sha
    except UNDECODABLE:
        sha = ""
    return sha if _SHA.fullmatch(sha) else Failed(f"the hub's answer for {repo} names no commit")
