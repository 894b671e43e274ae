from __future__ import annotations

from pathlib import Path

import pytest

from matrix.errors import DataProblems
from matrix.fleet import load_fleet
from tests.fleets import MODEL, RECIPE, WORKLOADS, write_fleet

GPU = """\
mine:
  name: Mine
  device: nvidia
  dense_tflops: {bf16: 1}
  source: a test
"""
HOST = "box:\n  label: box\n  gpu: mine\n"
PRICE = """\
p:
  gpu: cpu
  usd_per_gpu_hour: {neocloud: 1.5}
  since: "2026-01-01"
  dating: known
  source: a test
"""


def said(root: Path, kind: str, text: str) -> str:
    write_fleet(root)
    (root / kind).mkdir(exist_ok=True)
    (root / kind / "test.yaml").write_text(text)
    with pytest.raises(DataProblems) as caught:
        load_fleet(root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "old", "new", "words"),
    [
        ("gpus", GPU, "nvidia", "nvida", "3: mine: 'nvida' is none of the words it may be (in device)"),
        ("gpus", GPU, "nvidia", "nvida", "did you mean 'nvidia'?"),
        ("gpus", GPU, "bf16", "bf17", "4: mine: 'bf17' is none of the words it may be (in dense_tflops)"),
        ("gpus", GPU, "bf16", "bf17", "did you mean 'bf16'?"),
        ("gpus", GPU, "  source: a test\n", "", "1: mine: the key 'source' is missing"),
        ("hosts", HOST, "label: box", "label: My Box", "2: box: is not written as it must be (in label)"),
        ("hosts", HOST, "label: box", "label: My Box", "fix: lowercase letters, digits, '.' and '-'"),
        ("prices", PRICE, "2026-01-01", "1 May", r"fix: write it as ^\d{4}-\d{2}-\d{2}$"),
        ("prices", PRICE, "neocloud", "neoclod", "did you mean 'neocloud'?"),
        ("models", MODEL, "kind: file", "kind: fiel", "did you mean 'file'?"),
        ("workloads", WORKLOADS, "kind: random", "kind: rndom", "did you mean 'random'?"),
        ("recipes", RECIPE, "precision: q8_0", "precision: q8", "did you mean 'q8_0'?"),
        ("recipes", RECIPE, "short: [1]", "short: [0]", "13: tiny-cpu: Expected `int` >= 1"),
    ],
)
def test_a_mistake_has_its_line_and_a_remedy(
    tmp_path: Path, kind: str, text: str, old: str, new: str, words: str
) -> None:
    assert old in text
    assert words in said(tmp_path, kind, text.replace(old, new, 1))


def test_every_unknown_key_of_a_record_is_named_at_once(tmp_path: Path) -> None:
    text = said(tmp_path, "gpus", GPU.replace("device: nvidia", "divice: nvidia\n  memory: 1\n  tdp: 2"))
    assert "3: mine: unknown key 'divice'" in text
    assert "4: mine: unknown key 'memory'" in text
    assert "5: mine: unknown key 'tdp'" in text
    assert text.count("unknown key") == 3
