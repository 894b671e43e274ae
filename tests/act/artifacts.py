"""Stands in for actions/upload-artifact and download-artifact: their v4 protocol, against act's own artifact server.

Run inside a job, as the actions are. An artifact whose name is a file in `$LOST_RUNNERS` is not uploaded: its runner
is gone, and nothing of it comes back.
"""

from __future__ import annotations

import base64
import fnmatch
import io
import json
import os
import sys
import urllib.request
import zipfile
from pathlib import Path

SERVICE = "twirp/github.actions.results.api.v1.ArtifactService"
Json = dict[str, object]


def call(method: str, **fields: object) -> Json:
    """One call of the artifact service, for the run and job the token was made for."""
    token = os.environ["ACTIONS_RUNTIME_TOKEN"]
    claims = token.split(".")[1]
    scopes = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["scp"]
    run, job = next(scope for scope in scopes.split() if scope.startswith("Actions.Results:")).split(":")[1:]
    body = {"workflowRunBackendId": run, "workflowJobRunBackendId": job, **fields}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"{os.environ['ACTIONS_RESULTS_URL'].rstrip('/')}/{SERVICE}/{method}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: Json = json.load(answer)
        return found


def names() -> list[str]:
    listed = call("ListArtifacts").get("artifacts") or []
    assert isinstance(listed, list)
    return [artifact["name"] for artifact in listed]


def upload(name: str, source: Path, overwrite: str) -> None:
    if (Path(os.environ["LOST_RUNNERS"]) / name).exists():
        sys.exit(f"the runner of {name} is gone")
    if overwrite != "true" and name in names():  # GitHub answers 409; act would overwrite
        sys.exit(f"there is an artifact {name} already")
    files = [path for path in sorted(source.rglob("*")) if path.is_file()] if source.is_dir() else [source]
    if not files or not files[0].exists():
        sys.exit(f"nothing to upload: {source}")
    root = source if source.is_dir() else source.parent
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(root))
    url = str(call("CreateArtifact", name=name, version=4)["signedUploadUrl"])
    block = b'<?xml version="1.0"?><BlockList><Latest>MDAw</Latest></BlockList>'
    for query, data in (("&comp=block&blockid=MDAw", packed.getvalue()), ("&comp=blocklist", block)):
        put = urllib.request.Request(url + query, data, {"x-ms-blob-type": "BlockBlob"}, method="PUT")
        urllib.request.urlopen(put, timeout=30).close()
    call("FinalizeArtifact", name=name, size=str(len(packed.getvalue())))
    print(f"uploaded {name}: {len(files)} files")


def download(name: str, pattern: str, into: Path) -> None:
    """By name: its files. By pattern: a folder for each, and none is no error."""
    found = [other for other in names() if other == name or (pattern and fnmatch.fnmatch(other, pattern))]
    if name and not found:
        sys.exit(f"there is no artifact {name}")
    for one in found:
        url = str(call("GetSignedArtifactURL", name=one)["signedUrl"])
        with urllib.request.urlopen(url, timeout=30) as answer, zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
            archive.extractall(into if name else into / one)
        print(f"downloaded {one}")


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "upload":
        upload(words[0], Path(words[1]), words[2])
    else:
        download(words[0], words[1], Path(words[2]))
