from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from matrix.facts import RandomWorkload, RunLength
from matrix.point import Concurrency, Point, point_id, point_key
from matrix.serving import Layout, Serving

POINT = Point(
    recipe="r",
    layout_name="tp8",
    layout=Layout(tp=8),
    workload_id="1k1k",
    workload=RandomWorkload(name="1k in, 1k out", isl=1024, osl=1024),
    load=Concurrency(streams=64),
)

points = st.builds(
    Point,
    recipe=st.sampled_from(["r", "s"]),
    layout_name=st.sampled_from(["a", "b"]),
    layout=st.builds(
        Layout,
        tp=st.integers(1, 4), pp=st.integers(1, 3), pcp=st.integers(1, 3), dp=st.integers(1, 3), ep=st.integers(1, 4),
        dp_attention=st.booleans(),
    ),
    workload_id=st.sampled_from(["1k1k", "8k1k"]),
    workload=st.builds(
        RandomWorkload,
        name=st.just("w"), isl=st.integers(1, 3), osl=st.integers(1, 3), ratio=st.sampled_from([0.8, 1.0]),
    ),
    load=st.builds(Concurrency, streams=st.integers(1, 4)),
    power_cap_w=st.sampled_from([None, 300, 400]),
    isolation=st.sampled_from(["none", "strict", "cluster"]),
)  # fmt: skip


def test_an_id_is_readable() -> None:
    assert point_id(POINT) == "r.tp8.1k1k.c64"
    capped = msgspec.structs.replace(POINT, power_cap_w=400, isolation="strict")
    assert point_id(capped) == "r.tp8.1k1k.c64.cap400w.strict"


def test_a_key_is_pinned_so_that_no_refactoring_ever_changes_a_history() -> None:
    assert point_key(POINT) == "1097c2bce6978ffdb6b185b955a95174bc50530bc53902ab2d53393472cf11cb"


def test_a_default_that_is_written_out_is_no_other_point() -> None:
    """msgspec leaves defaults out by object identity: a 0.8 read from a file is not the 0.8 of the class."""
    ratio, isolation = float("0.8"), "".join(["no", "ne"])
    workload = msgspec.structs.replace(POINT.workload, ratio=ratio)
    written = msgspec.structs.replace(POINT, workload=workload, isolation=isolation, serving=Serving())
    assert point_key(written) == point_key(POINT)


def test_how_long_a_point_is_measured_is_not_part_of_its_identity() -> None:
    longer = msgspec.structs.replace(POINT.workload, run_length=RunLength(min_s=5.0, max_s=6.0), name="renamed")
    assert point_key(msgspec.structs.replace(POINT, workload=longer)) == point_key(POINT)


@given(points, points)
def test_keys_are_equal_exactly_when_points_are(one: Point, other: Point) -> None:
    assert (point_key(one) == point_key(other)) == (one == other)
