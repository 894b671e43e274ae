"""A real image registry on loopback (Debian's docker-registry), and images small enough to push by hand."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{host}"}}
{auth}
"""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A manifest in a registry: its bytes are what the digest is of."""

    digest: str
    size: int


@contextmanager
def registry(folder: Path, *, auth: str = "") -> Iterator[str]:
    """Serve an empty registry from `folder`; yields its `host:port`. `auth` is YAML for its configuration."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed: apt-get install docker-registry")
    host = f"127.0.0.1:{_free_port()}"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder / "data", host=host, auth=auth))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen((program, "serve", str(config)), stdout=log, stderr=log)
    try:
        _wait_until_it_answers(host, process)
        yield host
    finally:
        process.kill()
        process.wait()


def push_image(host: str, repository: str, tag: str, layer: bytes = b"a layer", token: str | None = None) -> Pushed:
    """Push an image of one platform."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    with _client(host, token) as client:
        blobs = [_push_blob(client, repository, blob) for blob in (config, layer)]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blobs[0]},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blobs[1]}],
        }
        return _push_manifest(client, repository, tag, MANIFEST, manifest)


def push_index(host: str, repository: str, tag: str, images: tuple[Pushed, ...]) -> Pushed:
    """Push an index of images that are there."""
    platforms = ("amd64", "arm64")
    manifests = [
        {
            "mediaType": MANIFEST,
            "digest": image.digest,
            "size": image.size,
            "platform": {"os": "linux", "architecture": name},
        }
        for image, name in zip(images, platforms, strict=True)
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    with _client(host, None) as client:
        return _push_manifest(client, repository, tag, INDEX, index)


def _client(host: str, token: str | None) -> httpx.Client:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://{host}", trust_env=False, timeout=10, headers=headers)


def _push_blob(client: httpx.Client, repository: str, blob: bytes) -> dict[str, str | int]:
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    started = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
    upload = httpx.URL(started.headers["location"]).copy_merge_params({"digest": digest})
    client.put(upload, content=blob).raise_for_status()
    return {"digest": digest, "size": len(blob)}


def _push_manifest(client: httpx.Client, repository: str, tag: str, kind: str, manifest: dict[str, object]) -> Pushed:
    data = json.dumps(manifest).encode()
    client.put(f"/v2/{repository}/manifests/{tag}", content=data, headers={"Content-Type": kind}).raise_for_status()
    return Pushed(digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(host: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"http://{host}/v2/", trust_env=False, timeout=2)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the registry did not start (exit code {process.poll()})")
