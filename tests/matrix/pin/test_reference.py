from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import FleetError
from matrix.pin.reference import DIGEST, Failed, Reference, Registry, base_url, parse_reference, parse_registry

SHA = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "host", "repository", "tag", "digest"),
    [
        ("debian", "docker.io", "library/debian", None, None),
        ("vllm/vllm-openai:v0.11.2", "docker.io", "vllm/vllm-openai", "v0.11.2", None),
        ("docker.io/rocm/7.0:rocm7.0_ubuntu", "docker.io", "rocm/7.0", "rocm7.0_ubuntu", None),
        ("rocm/7.x-preview:a", "docker.io", "rocm/7.x-preview", "a", None),
        ("nvcr.io/nvidia/tensorrt-llm/release:1.0", "nvcr.io", "nvidia/tensorrt-llm/release", "1.0", None),
        (f"ghcr.io/a/b@{SHA}", "ghcr.io", "a/b", None, SHA),
        (f"ghcr.io/a/b:t@{SHA}", "ghcr.io", "a/b", "t", SHA),
        ("localhost/a:t", "localhost", "a", "t", None),
        ("127.0.0.1:5000/a", "127.0.0.1:5000", "a", None, None),
        ("build:5000/a", "build:5000", "a", None, None),
    ],
)
def test_a_name_is_read_by_dockers_rules(
    image: str, host: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assert parse_reference(image) == Reference(host=host, repository=repository, tag=tag, digest=digest)


@pytest.mark.parametrize(
    "image", ["", "UPPER/case", "a/../b", "a//b", "a:b:c/d", "https://x/y", f"a@{SHA[:-1]}", "a b", "-a", "a/b:", "a\n"]
)
def test_what_is_no_reference_says_so(image: str) -> None:
    assert isinstance(parse_reference(image), Failed)


@given(st.text(max_size=40))
def test_no_text_makes_a_url_of_another_path_or_host(text: str) -> None:
    found = parse_reference(text)
    if isinstance(found, Reference):
        for part in (found.host, found.repository, found.tag or ""):
            assert not set(part) & set("?#@\\%\r\n ")
            assert ".." not in found.repository
        assert found.digest is None or DIGEST.fullmatch(found.digest)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("localhost", "http://localhost"),
        ("nvcr.io", "https://nvcr.io"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
        ("localhost.example.com", "https://localhost.example.com"),
    ],
)
def test_only_this_machine_is_spoken_to_in_clear(host: str, url: str) -> None:
    assert base_url(host) == url


def test_a_registry_may_have_its_tokens_from_elsewhere() -> None:
    assert parse_registry("a.b:5000") == ("a.b:5000", Registry("a.b:5000", "a.b:5000"))
    assert parse_registry("a.b=c.d:1") == ("a.b", Registry("a.b", "c.d:1"))
    with pytest.raises(FleetError, match="write HOST"):
        parse_registry("https://a.b/")
