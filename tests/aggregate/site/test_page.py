from __future__ import annotations

import msgspec

from aggregate.site.page import device_note, on_main_frontier, page_model, slug_of
from aggregate.site.records import DeviceKind, Night
from tests.aggregate.site.sample import CPU, GAPS, GPU, dots_of, sample_model


def test_the_chart_with_most_dots_comes_first() -> None:
    model = sample_model()
    sizes = [sum(len(series.dots) for series in view.series) for view in model.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert [view.group.id for view in model.groups] == [GPU.id, CPU.id]


def test_gaps_are_told_apart_and_none_is_lost() -> None:
    model = sample_model()
    assert {gap.outcome for gap in model.missing} == {"missing"}
    assert sorted(gap.point_id for gap in (*model.failed, *model.missing)) == sorted(gap.point_id for gap in GAPS)


def test_a_group_without_a_dot_is_left_out_but_its_gaps_stay() -> None:
    night = msgspec.structs.replace(_night(), gaps=GAPS)
    model = page_model(night=night, groups=(CPU, GPU), measurements=dots_of(CPU), frontiers=(), published=())
    assert [view.group.id for view in model.groups] == [CPU.id]
    assert len(model.failed) + len(model.missing) == len(GAPS)


def _night() -> Night:
    return Night(night="2026-11-21", run_id="r", git_sha="0" * 40, planned=3, ok=0)


def test_the_dots_of_a_series_are_in_order_of_their_load() -> None:
    for view in sample_model().groups:
        for series in view.series:
            steps = [(dot.rate_per_s or 0.0, dot.concurrency) for dot in series.dots]
            assert steps == sorted(steps)
    rates = [series for view in sample_model().groups for series in view.series if series.dots[0].rate_per_s]
    assert [[dot.rate_per_s for dot in series.dots] for series in rates] == [[1.0, 2.5, 5.0]]


def test_the_main_frontier_is_output_against_interactivity() -> None:
    view = sample_model().groups[0]
    members = on_main_frontier(view)
    assert members
    assert members == set(view.frontiers["interactivity.output"])


def test_a_cpu_host_is_named_as_the_device_it_is() -> None:
    assert device_note(DeviceKind(kind="cpu", name="x")) == "1 device = this CPU host"
    assert device_note(DeviceKind(kind="nvidia", name="NVIDIA H200")) == "1 device = 1 NVIDIA H200"


def test_a_slug_is_safe_whatever_the_id_holds() -> None:
    assert slug_of("../../etc <script>").isalnum()
