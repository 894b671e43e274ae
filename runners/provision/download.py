"""One file of a model over HTTP: goes on where it stopped, follows redirects without the token, believes only sums."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from matrix.pin.reference import Failed, loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from matrix.pin.snapshot import HubFile

SPARE_BYTES = 50 << 30
"""Disk that fetching leaves free."""

TRIES = 5
_CHUNK_BYTES = 1 << 20
_REDIRECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where from; the token goes to `hub` alone. `sleep` is replaced in tests."""

    hub: str
    token: str | None = None
    spare_bytes: int = SPARE_BYTES
    sleep: Callable[[float], None] = time.sleep


def download(client: httpx.Client, url: str, file: HubFile, blob: Path, source: Source) -> Failed | None:
    """Go on where an earlier try ended; what does not have its sum is thrown away whole."""
    partial = blob.with_name(f"{blob.name}.incomplete")
    why, attempt, had = "nothing came", 0, 0
    while attempt < TRIES:
        got = _continue(client, url, file, partial, source.token)
        if got is None and partial.stat().st_size == file.size:
            if _sum(partial, file) != file.sum:
                partial.unlink()
                return Failed(f"{file.path}: its sum is not the one the hub lists")
            partial.chmod(0o644)
            partial.replace(blob)
            return None
        why = got.why if got is not None else "it ended early"
        have = partial.stat().st_size if partial.exists() else 0
        attempt, had = (0 if have > had else attempt + 1), max(had, have)
        source.sleep(2.0**attempt)
    return Failed(f"{file.path}: {why}, {TRIES} times without a byte more")


def _continue(client: httpx.Client, url: str, file: HubFile, partial: Path, token: str | None) -> Failed | None:
    have = partial.stat().st_size if partial.exists() else 0
    if have > file.size:
        partial.unlink()
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with partial.open("ab") as out, _opened(client, url, headers, token) as response:
            if response.status_code == 200 and have:  # no part of it to be had: all anew
                out.truncate(0)
                have = 0
            if response.status_code not in (200, 206):
                return Failed(f"{response.url.host} answered {response.status_code}")
            for chunk in response.iter_raw():
                have += len(chunk)
                if have > file.size:
                    return Failed("more came than the hub lists")
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except httpx.TransportError as error:
        return Failed(str(error) or type(error).__name__)
    return None


@contextmanager
def _opened(client: httpx.Client, url: str, headers: dict[str, str], token: str | None) -> Iterator[httpx.Response]:
    """The answer behind the redirects. The token stays with the host that was asked; plain HTTP is for loopback."""
    asked, at = httpx.URL(url), httpx.URL(url)
    for _ in range(_REDIRECTS):
        ours = {"Authorization": f"Bearer {token}"} if token and _same(at, asked) else {}
        with client.stream("GET", at, headers={**headers, **ours, "Accept-Encoding": "identity"}) as response:
            if response.next_request is None:
                yield response
                return
            at = response.next_request.url
        if at.scheme != "https" and not (at.scheme == "http" and loopback(at.netloc.decode())):
            raise httpx.UnsupportedProtocol(f"redirected to {at.scheme}://{at.host}, which is not https")
    raise httpx.TransportError(f"more than {_REDIRECTS} redirects")


def _same(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _sum(path: Path, file: HubFile) -> str:
    """sha256; for what git keeps itself, its sha1 over a header and the bytes."""
    digest = hashlib.sha256() if file.lfs else hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with path.open("rb") as data:
        while chunk := data.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
