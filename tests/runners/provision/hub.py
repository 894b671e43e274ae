"""A model hub behind one address, its files behind another, with faults a test scripts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from tests.stand_in import Asked, Reply

COMMIT = "a" * 40


@dataclass
class Hub:
    """`files` that end in `.safetensors` are large ones (`lfs`). `cuts`: answers that stop after so many bytes."""

    files: dict[str, bytes]
    storage: str = ""
    cuts: list[int] = field(default_factory=list)
    commit: str = COMMIT
    private: bool = False
    ranges: bool = True

    def listing(self) -> bytes:
        siblings = []
        for name, data in self.files.items():
            one: dict[str, object] = {"rfilename": name, "size": len(data)}
            if name.endswith(".safetensors"):
                one["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            else:
                one["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            siblings.append(one)
        return json.dumps({"sha": self.commit, "siblings": siblings}).encode()

    def __call__(self, asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        if path.startswith("/api/models/"):
            return (401, {}, b"") if self.private else (200, {}, self.listing())
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        if name not in self.files:
            return 404, {}, b""
        if name.endswith(".safetensors"):
            return 302, {"location": f"{self.storage}/{name}?signed=1"}, b""
        return 200, {}, self.files[name]

    def store(self, asked: Asked) -> Reply:
        """The storage behind it: parts on demand, and connections that break."""
        data = self.files[asked.path.partition("?")[0].removeprefix("/")]
        start = int(asked.headers["range"].removeprefix("bytes=").rstrip("-")) if "range" in asked.headers else 0
        if not self.ranges:
            start = 0
        body = data[start:]
        headers = {"content-length": str(len(body))}
        if self.cuts:
            body = body[: self.cuts.pop(0)]
            headers["connection"] = "close"
        return (206 if start else 200), headers, body
