from __future__ import annotations

from datetime import UTC, datetime

import pytest

from matrix.patience import asked_wait_s, rate_limit_wait_s

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("Sat, 21 Nov 2026 12:01:00 GMT", 60.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_a_number_a_date_or_nothing(text: str, seconds: float | None) -> None:
    assert asked_wait_s({"retry-after": text}, NOW) == seconds


def test_only_what_says_so_is_a_rate_limit() -> None:
    assert rate_limit_wait_s(200, {"retry-after": "9"}, "", 0) is None
    assert rate_limit_wait_s(403, {}, "forbidden", 0) is None
    assert rate_limit_wait_s(403, {"x-ratelimit-remaining": "12", "x-ratelimit-reset": "99"}, "", 0) is None
    assert rate_limit_wait_s(429, {}, "", 1) == 120.0
