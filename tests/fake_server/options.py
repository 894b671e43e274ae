"""How a fake server is told to behave; every field is a `--flag` of `python -m tests.fake_server`."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL = "fake-model"
TOKENIZERS = ("none", "vllm", "llamacpp")
REFUSALS = ("nothing", "ids", "extras")
USAGE_STYLES = ("separate", "last", "every", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`usage`: in a last event with empty choices (`separate`), in the last event that has choices (`last`), in
    `every` event, or `none`. `after` is the N of the scenarios that count requests or tokens.
    `tokenizer` is the dialect of `/tokenize`, `refuses` what a request may not have: a prompt of token `ids`, or
    `extras` that OpenAI's API does not know. `certificate` is a PEM file of a key and a certificate: with one, the
    server speaks TLS. `cached_share` of the prompt tokens come from its cache, says its page of metrics.
    `keep_prompts` (1) adds to the stamps what was asked. With a `cache_block`, `usage` says how many whole blocks of a
    prompt's beginning an earlier prompt had. Each message of a chat counts `template_tokens` more.
    """

    scenario: str = "ok"
    host: str = "127.0.0.1"
    port: int = 0
    model: str = MODEL
    ttft_ms: float = 0.0
    itl_ms: float = 0.0
    tokens_per_chunk: int = 1
    usage: str = "separate"
    tokenizer: str = "none"
    refuses: str = "nothing"
    after: int = 2
    cached_share: float = 0.0
    listen_after_s: float = 0.0
    exit_after_s: float = 0.0
    exit_code: int = 1
    certificate: str = ""
    keep_prompts: int = 0
    cache_block: int = 0
    template_tokens: int = 0


def from_argv(argv: Sequence[str], scenarios: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_server")
    choices = {"scenario": sorted(scenarios), "usage": USAGE_STYLES, "tokenizer": TOKENIZERS, "refuses": REFUSALS}
    for field in fields(Options):
        assert field.default is not MISSING
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, type=type(field.default), default=field.default, choices=choices.get(field.name))
    return Options(**vars(parser.parse_args(argv)))
