"""How long to wait before asking again: what servers say about it, and what to do where they say nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIMITED = frozenset({403, 429})
PASSING = frozenset({500, 502, 503, 504})
SECONDARY_WAIT_S = 60.0
"""GitHub: without `Retry-After` wait at least a minute after a secondary limit, and longer each time
(docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`total_s` bounds all the waiting for one answer; `sleep` is replaced in tests."""

    total_s: float = 900.0
    tries: int = 6
    sleep: Callable[[float], None] = time.sleep


PATIENCE = Patience()


def asked_wait_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """`Retry-After` in seconds, from a number or a date; null where there is none to read."""
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds()) if until.tzinfo else None


def rate_limit_wait_s(status: int, headers: Mapping[str, str], text: str, attempt: int) -> float | None:
    """Seconds until GitHub will listen again, if this answer is a rate limit; null for any other answer.

    A 403 is a rate limit only if it says so: a missing permission answers 403 for ever.
    """
    if status not in LIMITED:
        return None
    asked_s = asked_wait_s(headers)
    if asked_s is not None:
        return asked_s
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit():
        return max(0.0, float(reset) - datetime.now(UTC).timestamp()) + 1.0
    if status == 429 or "rate limit" in text.lower():
        return SECONDARY_WAIT_S * 2.0**attempt
    return None
