"""Anonymous tokens a real docker-registry believes: signed with openssl by a key that was made for this test."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stand_in import Asked, Reply

SERVICE, ISSUER = "test-registry", "test-issuer"


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """A key and its certificate in `folder`."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    def make(self) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed: apt-get install openssl")
        make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
        self._openssl(*make, "-keyout", str(self.folder / "key.pem"), "-out", str(self.certificate))

    def token(self, repository: str, *actions: str) -> str:
        """A JWT for these actions, as https://distribution.github.io/distribution/spec/auth/jwt/ says."""
        pem = self.certificate.read_text().splitlines()
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(pem[1:-1])]}
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "",
            "aud": SERVICE,
            "iat": now,
            "nbf": now - 60,
            "exp": now + 600,
            "jti": "1",
            "access": [{"type": "repository", "name": repository, "actions": list(actions)}],
        }
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        signature = self._openssl("dgst", "-sha256", "-sign", str(self.folder / "key.pem"), given=signed.encode())
        return f"{signed}.{_encode(signature)}"

    def answer(self, asked: Asked) -> Reply:
        """What a token server says to whoever asks to pull."""
        query = parse_qs(urlsplit(asked.path).query)
        (scope,) = query["scope"]
        assert query["service"] == [SERVICE]
        token = self.token(scope.split(":")[1], "pull")
        return 200, {"content-type": "application/json"}, json.dumps({"token": token}).encode()

    @staticmethod
    def _openssl(*args: str, given: bytes = b"") -> bytes:
        return subprocess.run(("openssl", *args), input=given, capture_output=True, check=True, timeout=60).stdout


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
