"""Hostile JSON is refused with the place; honest JSON is the record."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregate.read import MAX_JSON_BYTES, read_host, read_point
from matrix.errors import ArtifactRefused
from tests.aggregate.builders import HOST, a_plan, a_result

PLAN = a_plan()
RESULT = a_result(PLAN, PLAN.jobs[0], PLAN.jobs[0].points[0])
GOOD = msgspec.json.encode(RESULT)


def changed(old: bytes, new: bytes) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_what_a_runner_writes_reads_back() -> None:
    assert read_point(GOOD) == RESULT
    assert read_host(msgspec.json.encode(HOST)) == HOST


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (changed(b'"duration_s":60.0', b'"duration_s":NaN'), r"\$\.metrics\.duration_s"),
        (changed(b'"duration_s":60.0', b'"duration_s":-Infinity'), r"\$\.metrics\.duration_s"),
        (changed(b'"duration_s":60.0', b'"duration_s":1e999'), r"\$\.metrics\.duration_s"),
        (changed(b'"duration_s":60.0', b'"duration_s":-1.0'), r"\$\.metrics\.duration_s"),
        (changed(b'"duration_s":60.0', b'"duration_s":"60"'), r"\$\.metrics\.duration_s"),
        (changed(b'"duration_s":60.0', b'"duration_s":true'), r"\$\.metrics\.duration_s"),
        (changed(b'"requests_ok":64', b'"requests_ok":' + b"9" * 5000), r"\$\.metrics\.requests_ok"),
        (changed(b'"requests_ok":64', b'"requests_ok":9223372036854775808'), r"\$\.metrics\.requests_ok"),
        (changed(b'"run_id":', b'"run_id":"other","run_id":'), r"\$\.run_id: the key is there twice"),
        (changed(b'"n":64', b'"n":64,"n":65'), r"\$\.metrics\.ttft_s\.n: the key is there twice"),
        (changed(b'"n":64', b'"n":64,"m":65'), "unknown field"),
        (changed(b'"host":"h1"', b'"host":"h\\u001b[2J"'), r"\$\.provenance\.host"),
        (changed(b'"host":"h1"', '"host":"h\u00e9"'.encode()), r"\$\.provenance\.host"),
        (changed(b'"host":"h1"', b'"host":"' + b"h" * 5000 + b'"'), r"\$\.provenance\.host"),
        (changed(b'"outcome":"ok"', b'"outcome":"fine"'), r"\$\.outcome"),
        (changed(b'"started_at":"2026-10-01T02:00:00Z"', b'"started_at":"2026-10-01T02:00:00"'), r"\$\.started_at"),
        (changed(b'"started_at":"2026-10-01T02:00:00Z"', b'"started_at":"0001-01-01T00:00:00+14:00"'), "started_at"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
        (b"\xff\xfe{}", "not JSON"),
        ("\ufeff{}".encode(), "not JSON"),
        (b"", "not JSON"),
        (b"[]", "object"),
        (b" " * (MAX_JSON_BYTES + 1), "bytes of JSON"),
    ],
)
@pytest.mark.fault(64)
def test_hostile_json_is_refused_and_the_message_says_where(data: bytes, where: str) -> None:
    with pytest.raises(ArtifactRefused, match=where):
        read_point(data)


@pytest.mark.fault(65)
def test_a_newer_schema_asks_for_an_upgrade() -> None:
    with pytest.raises(ArtifactRefused, match="upgrade the aggregator"):
        read_point(changed(b'"schema_version":1', b'"schema_version":2'))


@pytest.mark.fault(63)
def test_every_truncation_is_refused() -> None:
    for cut in range(len(GOOD)):
        with pytest.raises(ArtifactRefused):
            read_point(GOOD[:cut])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ArtifactRefused):
        read_point(data)


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=6), st.integers(0, 6))
def test_any_damage_is_refused_or_still_a_record(at: int, new: bytes, drop: int) -> None:
    data = GOOD[:at] + new + GOOD[at + drop :]
    try:
        result = read_point(data)
    except ArtifactRefused:
        return
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result
