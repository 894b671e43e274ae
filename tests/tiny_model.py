"""A tiny random llama in one GGUF file: real inference for tests, in milliseconds and without a download."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import quantize

from matrix.facts import FileWeights, Model

if TYPE_CHECKING:
    from pathlib import Path

_WIDTH = 256
_HEADS = 4
_KV_HEADS = 2
_HIDDEN = 512
_LAYERS = 2
_MAX_CONTEXT = 4096
_SPECIAL = ("<s>", "</s>", "<pad>")
_ALPHABET = (*string.ascii_letters, *string.digits, ".", ",", "\u0120", "\u010a")  # byte-level BPE's space and newline
PAIRS = tuple((first, second) for first in string.ascii_letters for second in string.ascii_lowercase)
# ASCII only: every token is whole text, so a server streams exactly one text chunk per token.
VOCABULARY = (*_SPECIAL, *_ALPHABET, *(first + second for first, second in PAIRS))


def tiny_model(path: Path) -> Model:
    """The record of the model `write_tiny_model` wrote at `path`."""
    return Model(
        name="tiny random llama",
        weights=FileWeights(path=str(path)),
        vocab_size=len(VOCABULARY),
        prompt_token_ids=(len(_SPECIAL), len(VOCABULARY)),
        max_context=_MAX_CONTEXT,
        source="tests/tiny_model.py",
    )


def write_tiny_model(path: Path, *, seed: int = 0) -> None:
    """About 1.7 million parameters as Q8_0; the same bytes for the same seed."""
    writer = GGUFWriter(path, "llama")
    _describe(writer)
    _tokenizer(writer)
    _weights(writer, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: GGUFWriter) -> None:
    writer.add_name("tiny random llama")
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_context_length(_MAX_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)


def _tokenizer(writer: GGUFWriter) -> None:
    special = [TokenType.CONTROL] * len(_SPECIAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([*special, *([TokenType.NORMAL] * (len(VOCABULARY) - len(special)))])
    writer.add_token_merges([f"{first} {second}" for first, second in PAIRS])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(value=False)


def _weights(writer: GGUFWriter, random: np.random.Generator) -> None:
    kv_width = _WIDTH // _HEADS * _KV_HEADS
    _matrix(writer, random, "token_embd", len(VOCABULARY), _WIDTH)
    _ones(writer, "output_norm")
    for layer in range(_LAYERS):
        _ones(writer, f"blk.{layer}.attn_norm")
        _ones(writer, f"blk.{layer}.ffn_norm")
        _matrix(writer, random, f"blk.{layer}.attn_q", _WIDTH, _WIDTH)
        _matrix(writer, random, f"blk.{layer}.attn_k", kv_width, _WIDTH)
        _matrix(writer, random, f"blk.{layer}.attn_v", kv_width, _WIDTH)
        _matrix(writer, random, f"blk.{layer}.attn_output", _WIDTH, _WIDTH)
        _matrix(writer, random, f"blk.{layer}.ffn_gate", _HIDDEN, _WIDTH)
        _matrix(writer, random, f"blk.{layer}.ffn_up", _HIDDEN, _WIDTH)
        _matrix(writer, random, f"blk.{layer}.ffn_down", _WIDTH, _HIDDEN)


def _matrix(writer: GGUFWriter, random: np.random.Generator, name: str, rows: int, columns: int) -> None:
    values = (random.standard_normal((rows, columns)) * 0.02).astype(np.float32)
    quantised = quantize(values, GGMLQuantizationType.Q8_0)
    writer.add_tensor(f"{name}.weight", quantised, raw_dtype=GGMLQuantizationType.Q8_0)


def _ones(writer: GGUFWriter, name: str) -> None:
    writer.add_tensor(f"{name}.weight", np.ones(_WIDTH, dtype=np.float32))
