from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.point import Concurrency, Load, Point, Rate, load_slug, point_id, point_key
from matrix.serving import Layout, Serving
from matrix.slo import Slo
from matrix.workload import ConversationWorkload, RandomWorkload, ReferenceWorkload, RunLength, TraceWorkload
from tests.matrix.random_points import FULL, random_points, unlabelled

OTHER = {str: "ngram", int: 3}

POINT = Point(
    recipe="r",
    layout_name="tp8",
    layout=Layout(tp=8),
    workload_id="1k1k",
    workload=RandomWorkload(name="1k in, 1k out", isl=1024, osl=1024),
    load=Concurrency(streams=64),
)

loads = st.builds(Concurrency, streams=st.integers(1, 4)) | st.builds(
    Rate,
    requests_per_s=st.sampled_from([0.25, 1.0, 1.5, 15.0, 1e-5, 1e6]),
    arrival=st.sampled_from(["poisson", "constant"]),
    streams=st.sampled_from([1, 256]),
)


def test_an_id_is_readable() -> None:
    assert point_id(POINT) == "r.tp8.1k1k.c64"
    capped = msgspec.structs.replace(POINT, power_cap_w=400, isolation="strict")
    assert point_id(capped) == "r.tp8.1k1k.c64.cap400w.strict"
    assert point_id(msgspec.structs.replace(POINT, alone=True)) == "r.tp8.1k1k.c64.alone"
    assert point_id(msgspec.structs.replace(POINT, repeat=True)) == "r.tp8.1k1k.c64.repeat"


def test_a_key_is_pinned_so_that_no_refactoring_ever_changes_a_history() -> None:
    assert point_key(POINT) == "1097c2bce6978ffdb6b185b955a95174bc50530bc53902ab2d53393472cf11cb"


def test_a_default_that_is_written_out_is_no_other_point() -> None:
    """msgspec leaves defaults out by object identity: a 0.8 read from a file is not the 0.8 of the class."""
    ratio, isolation = float("0.8"), "".join(["no", "ne"])
    workload = msgspec.structs.replace(POINT.workload, ratio=ratio)
    written = msgspec.structs.replace(POINT, workload=workload, isolation=isolation, serving=Serving())
    assert point_key(written) == point_key(POINT)


def test_the_prompts_of_a_point_are_part_of_its_identity() -> None:
    """Which set, and what share is common; not the set's tokenizer, which the set says itself."""
    text = ReferenceWorkload(name="w", set="0" * 64, tokenizer="0" * 64, isl=2, osl=2)
    changes: list[dict[str, object]] = [{"set": "1" * 64}, {"shared_prefix_share": 0.5}, {"tokenizer": "1" * 64}]
    key, *others = [
        point_key(msgspec.structs.replace(POINT, workload=msgspec.structs.replace(text, **change)))
        for change in ({}, *changes)
    ]
    assert [other == key for other in others] == [False, False, True]


def test_how_long_a_point_is_measured_is_not_part_of_its_identity() -> None:
    longer = msgspec.structs.replace(POINT.workload, run_length=RunLength(min_s=5.0, max_s=6.0), name="renamed")
    assert point_key(msgspec.structs.replace(POINT, workload=longer)) == point_key(POINT)


def test_what_is_good_enough_is_not_part_of_its_identity() -> None:
    trace = TraceWorkload(name="w", trace="t")
    for workload in (POINT.workload, trace):
        stricter = msgspec.structs.replace(workload, slo=Slo(ttft_s=0.5, tpot_s=0.05))
        keys = {point_key(msgspec.structs.replace(POINT, workload=one)) for one in (workload, stricter)}
        assert len(keys) == 1


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_keys_are_equal_exactly_when_points_are(seed: int) -> None:
    found = list(random_points(seed, 200))
    assert len({point_key(point) for point in found}) == len({unlabelled(point) for point in found})


def test_ten_thousand_random_points_have_as_many_keys_as_there_are_different_ones() -> None:
    found = list(random_points(0, 10_000))
    assert len({point_key(point) for point in found}) == len({unlabelled(point) for point in found})


def test_every_field_of_every_record_of_a_point_is_in_its_key() -> None:
    """Each field in turn goes back to its default, or to another value where it has none."""
    trace = TraceWorkload(name="w", trace="t", digest="0" * 64, longest_tokens=9, longest_gap_s=3.0)
    talk = ConversationWorkload(
        name="w",
        turns=31,
        isl=91,
        added=51,
        osl=41,
        shared=21,
        ratio=0.5,
        gap_s=2.0,
        gap_shape="constant",
        waits_for="tool",
    )
    text = ReferenceWorkload(
        name="w", set="0" * 64, tokenizer="0" * 64, isl=2, osl=2, shared_prefix_share=0.5, prefix_groups=2
    )
    for workload, fields in ((FULL.workload, 54), (trace, 53), (text, 54), (talk, 58)):
        point = msgspec.structs.replace(FULL, workload=workload)
        variants = [changed for changed in one_field_changed(point) if unlabelled(changed) != unlabelled(point)]
        keys = {point_key(changed) for changed in variants}
        assert len(keys) == len(variants) == fields
        assert point_key(point) not in keys


def one_field_changed(record: Any) -> Iterator[Any]:
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        if field.name in ("name", "run_length", "slo", "search"):  # a search replaces the load: `test_parent`
            continue
        if isinstance(value, msgspec.Struct):
            for inner in one_field_changed(value):
                yield msgspec.structs.replace(record, **{field.name: inner})
        elif field.default is not msgspec.NODEFAULT and field.default != value:
            yield msgspec.structs.replace(record, **{field.name: field.default})
        elif field.name != "to":  # one value only
            yield msgspec.structs.replace(record, **{field.name: OTHER[type(value)]})


@given(loads, loads)
def test_equal_names_are_equal_loads(one: Load, other: Load) -> None:
    assert (load_slug(one) == load_slug(other)) == (one == other)


@given(loads)
def test_a_load_reads_back_from_json(load: Load) -> None:
    assert msgspec.json.decode(msgspec.json.encode(load), type=Load) == load


@pytest.mark.parametrize(
    ("load", "slug"),
    [
        (Rate(requests_per_s=4.0), "q4"),
        (Rate(requests_per_s=2.5, arrival="constant", streams=512), "q2p5-constant-s512"),
        (Rate(requests_per_s=0.1, arrival="gamma", burstiness=0.25), "q0p1-gamma0p25"),
    ],
)
def test_the_id_of_a_rate_says_how_requests_arrive(load: Rate, slug: str) -> None:
    assert point_id(msgspec.structs.replace(POINT, load=load)) == f"r.tp8.1k1k.{slug}"


def test_one_way_of_arriving_has_one_spelling() -> None:
    with pytest.raises(ValueError, match="burstiness"):
        Rate(requests_per_s=1.0, arrival="gamma")
    with pytest.raises(msgspec.ValidationError, match="burstiness"):
        msgspec.json.decode(b'{"kind": "rate", "requests_per_s": 1.0, "burstiness": 2.0}', type=Load)
    assert len(msgspec.json.encode(Rate(requests_per_s=1.0))) == len(b'{"kind":"rate","requests_per_s":1.0}')
