"""The only module that imports `tokenizers`, an optional package (`inferfleet[prompts]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from tokenizers import Tokenizer

from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Encoding(Protocol):
    ids: list[int]
    tokens: list[str]


def load(path: Path, data: bytes) -> Callable[[str], Encoding]:
    """The tokenizer in a `tokenizer.json`, without its special tokens, its truncation and its padding."""
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # noqa: BLE001 - the package raises bare Exception: whoever named the file is told
        raise FleetError(f"{path}: is no tokenizer.json: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: cast("Encoding", tokenizer.encode(text, add_special_tokens=False))
