"""What is found out about a server before it is measured; each server is a real one on loopback."""

from __future__ import annotations

import socket
from itertools import islice

import pytest

from benchmarks.bench.ask import address_of
from benchmarks.bench.discover import discover
from benchmarks.bench.options import BenchOptions
from benchmarks.prompts import Seeds
from matrix.errors import FleetError
from matrix.point import Concurrency
from matrix.workload import RandomWorkload
from tests.fake_server.running import running

WORKLOAD = RandomWorkload(name="t", isl=20, osl=4, ratio=1.0)


def options(url: str, **changes: object) -> BenchOptions:
    said = {"url": url, "load": Concurrency(streams=1), "workload": WORKLOAD, "seconds": 1.0, "seed": "s", **changes}
    return BenchOptions(**said)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokenizer", ["vllm", "llamacpp"])
def test_a_server_that_tokenizes_gets_prompts_of_exactly_counted_ids(tokenizer: str) -> None:
    with running(tokenizer=tokenizer) as server:
        found = discover(options(f"http://127.0.0.1:{server.port}"))
    assert found.target.model == "fake-model"
    assert found.target.dialect.prompt_token_ids
    assert found.notes == ()
    (prompt,) = islice(found.source.prompts(WORKLOAD, Seeds("x", "x")), 1)
    assert len(prompt.token_ids) == 20
    assert prompt.text is not None
    assert len(prompt.text.split()) == 20
    assert all(len(word) <= 8 for word in prompt.text.split())


def test_ids_are_not_insisted_on_nor_are_extras() -> None:
    with running(tokenizer="vllm", refuses="ids") as server:
        assert not discover(options(f"127.0.0.1:{server.port}")).target.dialect.prompt_token_ids
    with running(tokenizer="vllm", refuses="extras") as server:
        found = discover(options(f"127.0.0.1:{server.port}/v1"))
    assert not found.target.dialect.exact_length
    assert not found.target.dialect.usage_needs_stream_options
    assert "ignore_eos" in found.notes[0]


def test_a_range_of_ids_needs_no_tokenizer() -> None:
    with running() as server:
        found = discover(options(f"127.0.0.1:{server.port}", token_ids=(100, 200)))
    (prompt,) = islice(found.source.prompts(WORKLOAD, Seeds("x", "x")), 1)
    assert all(100 <= token < 200 for token in prompt.token_ids)


def test_without_a_tokenizer_one_must_say_that_rough_lengths_will_do() -> None:
    with running() as server:
        url = f"127.0.0.1:{server.port}"
        with pytest.raises(FleetError, match=r"no /tokenize.*--token-ids LOW:HIGH.*--text"):
            discover(options(url))
        found = discover(options(url, text=True))
        assert "as many words" in found.notes[0]
        chat = discover(options(url, text=True, chat=True))
    assert chat.target.dialect.path == "/v1/chat/completions"


def test_what_a_server_refuses_is_said_in_its_own_words() -> None:
    with running("http_503") as server, pytest.raises(FleetError) as refused:
        discover(options(f"127.0.0.1:{server.port}", token_ids=(1, 9)))
    assert str(refused.value).count("fake failure 503") == 4
    with running(refuses="ids") as server, pytest.raises(FleetError, match="ids not known"):
        discover(options(f"127.0.0.1:{server.port}", token_ids=(1, 9)))


def test_a_server_that_drops_kept_connections_gets_a_new_one_for_every_request() -> None:
    with running("drops_kept") as server:
        found = discover(options(f"127.0.0.1:{server.port}", token_ids=(1, 9)))
    assert not found.target.dialect.keep_alive
    assert "connection of its own" in found.notes[0]
    with running() as server:
        url = f"127.0.0.1:{server.port}"
        assert discover(options(url, token_ids=(1, 9))).target.dialect.keep_alive
        assert not discover(options(url, token_ids=(1, 9), keep_alive=False)).target.dialect.keep_alive


def test_a_server_without_usage_is_measured_and_the_note_says_what_is_missing() -> None:
    with running("missing_usage") as server:
        found = discover(options(f"127.0.0.1:{server.port}", token_ids=(1, 9)))
    assert "sends no usage" in found.notes[0]


def test_a_model_that_is_not_served_is_named_with_those_that_are() -> None:
    with running() as server, pytest.raises(FleetError, match="did you mean 'fake-model'"):
        discover(options(f"127.0.0.1:{server.port}", model="fake-modle"))


def test_nobody_there_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FleetError, match="no answer"):
        discover(options(f"127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:8000", ("localhost", 8000, False)),
        ("localhost:8000", ("localhost", 8000, False)),
        ("http://10.0.0.1:9/v1/", ("10.0.0.1", 9, False)),
        ("http://[::1]:8000", ("::1", 8000, False)),
        ("http://example.com", ("example.com", 80, False)),
        ("https://example.com/v1", ("example.com", 443, True)),
    ],
)
def test_addresses_are_read(url: str, address: tuple[str, int, bool]) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize("url", ["ftp://x", "http://x:99999", "http://x/api", "http://", "http://x?a=1", "http://[::1"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(FleetError):
        address_of(url)
