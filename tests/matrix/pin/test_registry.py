"""Against Debian's docker-registry where it behaves, against a scripted server where registries misbehave."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from matrix.pin.http import MAX_BYTES, TRIES, Http, open_client
from matrix.pin.reference import Failed, Reference, Registry, parse_reference
from matrix.pin.registry import ImageDigest, resolve
from tests.registry import INDEX, MANIFEST, push_image, push_index, registry
from tests.stand_in import Asked, Reply, stand_in
from tests.token_issuer import ISSUER, SERVICE, TokenIssuer

DIGEST = "sha256:" + "a" * 64


class Clock:
    """Sleeps are remembered, not slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with open_client() as client:
        yield client


def ask(
    client: httpx.Client, image: str, *, issuer: str | None = None, clock: Clock | None = None
) -> ImageDigest | Failed:
    reference = parse_reference(image)
    assert isinstance(reference, Reference)
    allowed = {reference.host: Registry(reference.host, issuer or reference.host)}
    return resolve(Http(client, clock or Clock()), reference, allowed)


def why(found: ImageDigest | Failed) -> str:
    assert isinstance(found, Failed)
    return found.why


def test_a_tag_is_the_digest_of_what_was_pushed_and_follows_it_when_it_moves(
    client: httpx.Client, tmp_path: Path
) -> None:
    with registry(tmp_path) as host:
        first = push_image(host, "team/engine", "v1")
        assert ask(client, f"{host}/team/engine:v1") == ImageDigest(digest=first.digest, kind="one platform")
        second = push_image(host, "team/engine", "v1", layer=b"another")
        assert first.digest != second.digest
        assert ask(client, f"{host}/team/engine:v1") == ImageDigest(digest=second.digest, kind="one platform")
        assert why(ask(client, f"{host}/team/engine:v2")) == f"{host} has no team/engine:v2"
        assert "has no team/engine:latest" in why(ask(client, f"{host}/team/engine"))


def test_an_image_for_many_platforms_is_the_digest_of_its_index(client: httpx.Client, tmp_path: Path) -> None:
    with registry(tmp_path) as host:
        images = (push_image(host, "engine", "amd64"), push_image(host, "engine", "arm64", layer=b"arm"))
        index = push_index(host, "engine", "v1", images)
        assert index.digest not in {image.digest for image in images}
        assert ask(client, f"{host}/engine:v1") == ImageDigest(digest=index.digest, kind="index")


def test_a_token_is_fetched_where_the_registry_says_and_believed(client: httpx.Client, tmp_path: Path) -> None:
    issuer = TokenIssuer(tmp_path)
    issuer.make()
    with stand_in(issuer.answer) as tokens:
        auth = f"""\
auth:
  token:
    realm: "{tokens.url}/token"
    service: {SERVICE}
    issuer: {ISSUER}
    rootcertbundle: {issuer.certificate}
"""
        with registry(tmp_path / "registry", auth=auth) as host:
            pushed = push_image(host, "team/engine", "v1", token=issuer.token("team/engine", "push", "pull"))
            found = ask(client, f"{host}/team/engine:v1", issuer=tokens.host)
            assert found == ImageDigest(digest=pushed.digest, kind="one platform")
            assert [asked.path for asked in tokens.asked] == [
                f"/token?scope=repository%3Ateam%2Fengine%3Apull&service={SERVICE}"
            ]
            assert "which is not its own issuer" in why(ask(client, f"{host}/team/engine:v1"))
            assert len(tokens.asked) == 1


def test_a_registry_with_passwords_is_said_to_have_them(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    auth = f"auth: {{htpasswd: {{realm: mine, path: {tmp_path / 'passwords'}}}}}"
    with registry(tmp_path / "registry", auth=auth) as host:
        assert "asks for a login (Basic)" in why(ask(client, f"{host}/engine:v1"))


def test_an_unknown_registry_is_not_asked(client: httpx.Client) -> None:
    reference = parse_reference("example.com/a/b:c")
    assert isinstance(reference, Reference)
    assert "allow it with --registry example.com" in why(resolve(Http(client), reference))


def manifest(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"content-type": MANIFEST, **named}, body


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (manifest(docker_content_digest="sha256:short"), "states the digest 'sha256:short'"),
        (manifest(docker_content_digest="md5:" + "a" * 32), "states the digest"),
        (manifest(docker_content_digest=DIGEST, content_type="text/html"), "sent 'text/html', which is no manifest"),
        (manifest(500), "answered 500"),
        (manifest(302, location="https://evil.example/"), "moved to https://evil.example/"),
        (manifest(401, www_authenticate='Bearer realm="https://evil.example/t"'), "is not its own issuer"),
        (manifest(401, www_authenticate="Negotiate"), "asks for a login (Negotiate)"),
        (manifest(401), "asks for a login"),
        (manifest(429, retry_after="86400"), "asks to come back in 86400 s"),
    ],
)
def test_what_a_registry_must_not_say_is_a_reason_and_no_digest(client: httpx.Client, reply: Reply, words: str) -> None:
    with stand_in(lambda _: reply) as server:
        assert words in why(ask(client, f"{server.host}/engine:v1"))


def test_a_registry_that_is_busy_is_asked_again_when_it_says(client: httpx.Client) -> None:
    replies = [
        manifest(429, retry_after="7"),
        manifest(503),
        manifest(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        manifest(docker_content_digest=DIGEST),
    ]
    clock = Clock()
    with stand_in(lambda _: replies.pop(0)) as server:
        assert ask(client, f"{server.host}/engine:v1", clock=clock) == ImageDigest(digest=DIGEST, kind="one platform")
    assert clock.slept == [7, 2, 0]


def test_patience_ends(client: httpx.Client) -> None:
    with stand_in(lambda _: manifest(503)) as server:
        assert why(ask(client, f"{server.host}/engine:v1")) == f"{server.host} answered 503, {TRIES} times"
        assert len(server.asked) == TRIES


def test_a_registry_that_is_not_there_is_a_reason(client: httpx.Client) -> None:
    with stand_in(lambda _: manifest()) as server:
        host = server.host
    clock = Clock()
    assert host in why(ask(client, f"{host}/engine:v1", clock=clock))
    assert clock.slept == [1, 2, 4]


def test_without_a_digest_header_the_manifest_is_hashed(client: httpx.Client) -> None:
    body = b'{"schemaVersion": 2}'
    with stand_in(lambda _: manifest(body=body, content_type=f"{INDEX}; charset=utf-8")) as server:
        found = ask(client, f"{server.host}/engine:v1")
        assert [asked.method for asked in server.asked] == ["HEAD", "GET"]
    assert found == ImageDigest(digest=f"sha256:{hashlib.sha256(body).hexdigest()}", kind="index")


def test_an_endless_answer_is_not_read_to_its_end(client: httpx.Client) -> None:
    with stand_in(lambda _: manifest(body=b"x" * (MAX_BYTES + 1))) as server:
        assert "sent more than" in why(ask(client, f"{server.host}/engine:v1"))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 3}', b'{"token": "a\\r\\nb"}', b'{"other": "x"}'])
def test_a_token_that_is_none_is_not_sent(client: httpx.Client, body: bytes) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path.startswith("/token"):
            return 200, {}, body
        return manifest(401, www_authenticate=f'Bearer realm="http://{asked.headers["host"]}/token",service="s"')

    with stand_in(script) as server:
        assert "sent no token" in why(ask(client, f"{server.host}/engine:v1"))
        assert not [asked for asked in server.asked if "authorization" in asked.headers]


def test_a_token_that_does_not_help_ends_the_asking(client: httpx.Client) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path.startswith("/token"):
            return 200, {}, b'{"access_token": "t"}'
        return manifest(401, www_authenticate=f'Bearer realm="http://{asked.headers["host"]}/token"')

    with stand_in(script) as server:
        assert "refuses anonymous reading of engine" in why(ask(client, f"{server.host}/engine:v1"))
        assert [asked.headers.get("authorization") for asked in server.asked] == [None, None, "Bearer t"]
