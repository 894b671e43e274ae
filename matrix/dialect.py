"""What an engine's request API accepts and how it streams: the facts a client needs, nothing about launching."""

from __future__ import annotations

from typing import Literal

import msgspec

Scalar = bool | int | float | str


class CacheCounters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prometheus counters of prompt tokens: those that came from a prefix cache, and those that add up to all."""

    hits: str
    of: tuple[str, ...]


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One engine's way of speaking OpenAI's completions API.

    `exact_length` are body fields that make the server produce exactly `max_tokens` tokens;
    `no_cache` are body fields that keep a prompt from being answered out of a prefix cache;
    `cache` those that allow it, for prompts that share tokens on purpose.
    `keep_alive` is false for a server that may close a kept connection just as the next request is sent on it:
    then each request has a connection of its own, opened before its clock starts.
    """

    path: Literal["/v1/completions", "/v1/chat/completions"] = "/v1/completions"
    prompt_token_ids: bool = True
    exact_length: dict[str, Scalar] = {}
    no_cache: dict[str, Scalar] = {}
    cache: dict[str, Scalar] = {}
    usage_needs_stream_options: bool = True
    keep_alive: bool = True
    health_path: str = "/health"
    models_path: str = "/v1/models"
    metrics_path: str | None = None
    cache_counters: CacheCounters | None = None
