"""Image references: which registry answers for a name, and whether we talk to it at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from matrix.errors import FleetError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?")
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    r"(?:(?P<host>localhost(?::[0-9]{1,5})?|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]{1,5})?|[A-Za-z0-9-]+:[0-9]{1,5})/)?"
    rf"(?P<repository>{_NAME}(?:/{_NAME})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True)
class Registry:
    """The host that serves a registry's API, and the host that hands out its tokens; with their ports."""

    api: str
    issuer: str


# By exact name. A tag is only worth what its registry is: another one is a change of this table, reviewed by the core,
# or one call's `--registry`.
REGISTRIES = {
    "docker.io": Registry("registry-1.docker.io", "auth.docker.io"),
    "gcr.io": Registry("gcr.io", "gcr.io"),
    "ghcr.io": Registry("ghcr.io", "ghcr.io"),
    "nvcr.io": Registry("nvcr.io", "nvcr.io"),
    "public.ecr.aws": Registry("public.ecr.aws", "public.ecr.aws"),
    "quay.io": Registry("quay.io", "quay.io"),
}


@dataclass(frozen=True, slots=True)
class Failed:
    """What could not be pinned, and why: a value, because the others still can be."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image by name. `tag` null and `digest` null means `latest`."""

    host: str
    repository: str
    tag: str | None
    digest: str | None


def parse_reference(image: str) -> Reference | Failed:
    """By Docker's rules: no host means docker.io, and there a single word is in `library/`."""
    match = _REFERENCE.fullmatch(image)
    if match is None:
        return Failed("is not an image reference; write [host/]name[:tag]")
    host, repository = match["host"] or "docker.io", match["repository"]
    if host == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host=host, repository=repository, tag=match["tag"], digest=match["digest"])


def loopback(host: str) -> bool:
    """Whether a `host[:port]` is this machine: the only place we speak plain HTTP with."""
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 else host
    if name == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def base_url(host: str) -> str:
    """`https://host`, plain HTTP for this machine."""
    return f"http://{host}" if loopback(host) else f"https://{host}"


def parse_registry(text: str) -> tuple[str, Registry]:
    """`HOST`, or `HOST=ISSUER` where another host hands out its tokens, as one call's `--registry` says it."""
    host, _, issuer = text.partition("=")
    for name in (host, issuer or host):
        if not _HOST.fullmatch(name):
            raise FleetError(f"--registry {text!r}: write HOST[:PORT], or HOST=TOKEN_HOST")
    return host, Registry(host, issuer or host)
