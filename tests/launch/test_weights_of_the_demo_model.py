"""The demo model's YAML facts against the file they describe, where its package is installed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from gguf import GGUFReader

from launch.weights import WeightsMissing, resolve
from matrix.facts import Model, token_range

_FILE = Path(__file__).parents[2] / "matrix" / "data" / "models" / "smollm2-135m-instruct.yaml"


def test_the_demo_models_facts_are_those_of_its_file(tmp_path: Path) -> None:
    models = msgspec.convert(yaml.safe_load(_FILE.read_text(encoding="utf-8")), dict[str, Model])
    model = models["smollm2-135m-instruct"]
    path = resolve(model.weights, tmp_path)
    if isinstance(path, WeightsMissing):
        pytest.skip(path.detail)
    fields = GGUFReader(path).fields
    kinds = fields["tokenizer.ggml.token_type"].contents()
    low, high = token_range(model)
    assert model.vocab_size == fields["llama.vocab_size"].contents() == len(kinds) == high
    assert model.max_context == fields["llama.context_length"].contents()
    assert set(kinds[low:high]) == {1}
    assert 1 not in kinds[:low]
