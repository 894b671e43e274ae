"""The OCI distribution API: which digest a tag means now.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests and, for tokens,
https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from matrix.errors import UNDECODABLE
from matrix.pin.http import Answer, unexpected
from matrix.pin.reference import DIGEST, REGISTRIES, Failed, base_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.pin.http import Http
    from matrix.pin.reference import Reference, Registry

# Indexes first: the digest of a multi-platform image is that of its index, which every platform can pull by.
KINDS = {
    "application/vnd.oci.image.index.v1+json": "index",
    "application/vnd.docker.distribution.manifest.list.v2+json": "index",
    "application/vnd.oci.image.manifest.v1+json": "one platform",
    "application/vnd.docker.distribution.manifest.v2+json": "one platform",
}
_ACCEPT = ", ".join(KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDigest:
    """`kind` says whether the digest is of an index of platforms or of one platform's image."""

    digest: str
    kind: str


class _Token(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None


def resolve(http: Http, image: Reference, also: Mapping[str, Registry] = MappingProxyType({})) -> ImageDigest | Failed:
    """The digest of the image's tag. `also` are registries allowed beside the known ones, by name."""
    registry = REGISTRIES.get(image.host) or also.get(image.host)
    if registry is None:
        return Failed(f"registry {image.host} is not one we know; allow it with --registry {image.host}")
    url = f"{base_url(registry.api)}/v2/{image.repository}/manifests/{image.tag or 'latest'}"
    headers = {"Accept": _ACCEPT}
    answer = http.ask("HEAD", url, headers)
    if isinstance(answer, Answer) and answer.status == 401:
        token = _token(http, answer, image, registry.issuer)
        if isinstance(token, Failed):
            return token
        headers["Authorization"] = f"Bearer {token}"
        answer = http.ask("HEAD", url, headers)
    if isinstance(answer, Answer) and answer.status == 200 and "docker-content-digest" not in answer.headers:
        answer = http.ask("GET", url, headers)  # the header is only recommended: hash what it would be of
    return answer if isinstance(answer, Failed) else _digest(answer, image, url)


def _digest(answer: Answer, image: Reference, url: str) -> ImageDigest | Failed:
    if answer.status == 401:
        return Failed(f"{image.host} refuses anonymous reading of {image.repository}")
    if answer.status == 404:
        return Failed(f"{image.host} has no {image.repository}:{image.tag or 'latest'}")
    if answer.status != 200:
        return unexpected(answer, url)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in KINDS:
        return Failed(f"{image.host} sent {kind or 'no type'!r}, which is no manifest we can pin")
    hashed = f"sha256:{hashlib.sha256(answer.body).hexdigest()}" if answer.body else None
    digest = answer.headers.get("docker-content-digest", hashed or "")
    if not DIGEST.fullmatch(digest) or (hashed is not None and hashed != digest):
        return Failed(f"{image.host} states the digest {digest!r}, which is not that of its manifest")
    return ImageDigest(digest=digest, kind=KINDS[kind])


def _token(http: Http, refusal: Answer, image: Reference, issuer: str) -> str | Failed:
    """An anonymous token, from where the registry says, if that is where this registry's tokens come from."""
    challenge = refusal.headers.get("www-authenticate", "")
    scheme, _, rest = challenge.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if scheme.lower() != "bearer" or "realm" not in fields:
        return Failed(f"{image.host} asks for a login ({scheme or 'no scheme'}); we only read what is public")
    realm = fields["realm"].partition("?")[0]
    if not realm.startswith(f"{base_url(issuer)}/"):
        return Failed(f"{image.host} sends us to {realm} for a token, which is not its own issuer {issuer}")
    query = {"scope": fields.get("scope", f"repository:{image.repository}:pull")}
    if "service" in fields:
        query["service"] = fields["service"]
    url = f"{realm}?{urlencode(query)}"
    answer = http.ask("GET", url, {})
    if isinstance(answer, Failed) or answer.status != 200:
        return answer if isinstance(answer, Failed) else unexpected(answer, url)
    return _read_token(answer.body) or Failed(f"{issuer} sent no token")


def _read_token(body: bytes) -> str | None:
    try:
        found = msgspec.json.decode(body, type=_Token)
    except UNDECODABLE:
        return None
    token = found.token or found.access_token
    return token if token and re.fullmatch(r"[\x21-\x7e]{1,16384}", token) else None
