"""The files of a model at an exact commit, as the hub's API lists them: what to fetch, and how each is recognised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from matrix.errors import UNDECODABLE
from matrix.pin.http import unexpected
from matrix.pin.reference import Failed

if TYPE_CHECKING:
    from matrix.pin.http import Http

_PART = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-][A-Za-z0-9_. -]{0,199}", re.ASCII)
_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")
_WANTED = re.compile(r".+\.(safetensors|json|txt|model|tiktoken|jinja)", re.ASCII)


class HubFile(msgspec.Struct, frozen=True, kw_only=True):
    """`sum` is sha256 of a large file (`lfs`), git's sha1 of a small one."""

    path: str
    size: int
    sum: str
    lfs: bool


class _Lfs(msgspec.Struct):
    sha256: str
    size: int


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int | None = None
    blob_id: str | None = msgspec.field(default=None, name="blobId")
    lfs: _Lfs | None = None


class _Listing(msgspec.Struct):
    sha: str
    siblings: list[_Sibling]


def wanted_files(
    http: Http, hub: str, repo: str, revision: str, token: str | None, *, code: bool
) -> list[HubFile] | Failed:
    """Weights as safetensors, and what configures them; never a pickle. `code`: Python files, too, where trusted."""
    url = f"{hub}/api/models/{repo}/revision/{revision}?blobs=true"
    answer = http.ask("GET", url, {} if token is None else {"Authorization": f"Bearer {token}"})
    if isinstance(answer, Failed):
        return answer
    if answer.status in (401, 403):
        return Failed(f"{repo} is private, gated, or not there; its token must be able to read it")
    if answer.status != 200:
        return unexpected(answer, url)
    try:
        listing = msgspec.json.decode(answer.body, type=_Listing)
    except UNDECODABLE:
        return Failed(f"the hub's list of {repo} is not as documented")
    if listing.sha != revision:
        return Failed(f"the hub answered with commit {listing.sha[:40]!r} for {repo}@{revision}")
    return _chosen(repo, listing.siblings, code=code)


def _chosen(repo: str, siblings: list[_Sibling], *, code: bool) -> list[HubFile] | Failed:
    found = []
    for sibling in siblings:
        name = sibling.rfilename
        deep = "/" in name and name.endswith(".safetensors")  # `original/`: the same weights in another layout
        if deep or not (_WANTED.fullmatch(name) or (code and name.endswith(".py"))):
            continue
        if not all(_PART.fullmatch(part) for part in name.split("/")):
            return Failed(f"{repo} has a file with a name we do not write: {name[:80]!r}")
        file = _file(sibling)
        if file is None:
            return Failed(f"the hub says no size or sum of {repo}/{name}")
        found.append(file)
    return found


def _file(sibling: _Sibling) -> HubFile | None:
    if sibling.lfs is not None:
        lfs = sibling.lfs
        ok = _SHA256.fullmatch(lfs.sha256)
        return HubFile(path=sibling.rfilename, size=lfs.size, sum=lfs.sha256, lfs=True) if ok else None
    if sibling.size is None or not _SHA1.fullmatch(sibling.blob_id or ""):
        return None
    return HubFile(path=sibling.rfilename, size=sibling.size, sum=sibling.blob_id or "", lfs=False)
