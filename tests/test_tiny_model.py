from __future__ import annotations

from typing import TYPE_CHECKING

from gguf import GGUFReader

from matrix.facts import FileWeights, token_range
from tests.tiny_model import VOCABULARY, tiny_model, write_tiny_model

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_seed_writes_the_same_model(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.gguf", "b.gguf", "c.gguf")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        write_tiny_model(path, seed=seed)
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second
    assert first != third


def test_the_record_describes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_tiny_model(path)
    model = tiny_model(path)
    fields = GGUFReader(path).fields
    kinds = fields["tokenizer.ggml.token_type"].contents()
    low, high = token_range(model)
    assert model.weights == FileWeights(path=str(path))
    assert model.vocab_size == len(VOCABULARY) == len(set(VOCABULARY)) == len(kinds) == high
    assert set(kinds[low:high]) == {1}
    assert 1 not in kinds[:low]
    assert model.max_context == fields["llama.context_length"].contents()
