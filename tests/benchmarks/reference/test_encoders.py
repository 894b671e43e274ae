from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.bench.ask import Server, address_of
from benchmarks.reference.encoders import PROBES, file_encoder, fingerprint, server_encoder, whole
from matrix.errors import FleetError
from tests.benchmarks.reference.letters import Letters
from tests.embedded import Embedded, embedded
from tests.fake_server.running import running
from tests.tiny_model import PAIRS, VOCABULARY


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with embedded(tmp_path_factory.mktemp("engine")) as running_engine:
        yield running_engine


def server(url: str) -> Server:
    return Server(address=address_of(url), headers={})


def test_a_fingerprint_tells_tokenizers_apart_and_nothing_else() -> None:
    assert fingerprint(Letters().ids) == fingerprint(Letters(made_with="another name").ids)
    assert fingerprint(Letters().ids) != fingerprint(Letters(merges=True).ids)


def test_tokens_that_do_not_spell_their_text_are_refused() -> None:
    assert whole(" a b", (1, 2), ("\u0120a", "\u0120b"), "x").pieces == (" a", " b")
    for ids, pieces in (((1,), (" a",)), ((1, 2, 3), (" a", " b", "")), ((1,), (" a", " b"))):
        with pytest.raises(FleetError, match="do not spell the text"):
            whole(" a b", ids, pieces, "x")


def test_a_real_server_says_the_characters_of_its_tokens(engine: Embedded) -> None:
    encoder = server_encoder(server(engine.url), None)
    found = encoder.encode(" the water of 1795, then")
    assert "".join(found.pieces) == " the water of 1795, then"
    assert found.ids == encoder.ids(" the water of 1795, then")
    assert [VOCABULARY[token].replace("\u0120", " ") for token in found.ids] == list(found.pieces)
    with pytest.raises(FleetError, match="do not spell"):
        encoder.encode(" $ it has no dollar")


def test_a_server_without_tokenize_is_refused_with_the_remedy() -> None:
    with running() as fake, pytest.raises(FleetError, match=r"no /tokenize: name the model's tokenizer\.json"):
        server_encoder(server(f"http://127.0.0.1:{fake.port}"), None)


def test_a_server_that_says_ids_only_cannot_make_a_set() -> None:
    with running(tokenizer="vllm") as fake:
        encoder = server_encoder(server(f"http://127.0.0.1:{fake.port}"), None)
        assert encoder.ids(" one two")
        with pytest.raises(FleetError, match="does not say which characters"):
            encoder.encode(" one two")


def test_a_tokenizer_file_and_a_server_that_loaded_it_are_the_same_tokenizer(engine: Embedded, tmp_path: Path) -> None:
    """The optional package reads a tokenizer.json with the tiny model's vocabulary and merges."""
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.BPE(
        vocab={token: number for number, token in enumerate(VOCABULARY)}, merges=[tuple(pair) for pair in PAIRS]
    )
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(tmp_path / "tokenizer.json"))
    from_file, from_server = file_encoder(tmp_path / "tokenizer.json"), server_encoder(server(engine.url), None)
    text = " In meeting you again I feel much satisfaction, in 1795. Then"
    assert from_file.encode(text) == from_server.encode(text)
    spelt = [probe for probe in PROBES if probe.isascii()]  # what a vocabulary lacks, each library drops in its own way
    assert len(spelt) == len(PROBES) - 1
    assert [from_file.ids(probe) for probe in spelt] == [from_server.ids(probe) for probe in spelt]


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(FleetError, match=r"tokenizer\.json: (is no tokenizer|reading a tokenizer takes the package)"):
        file_encoder(tmp_path / "tokenizer.json")
