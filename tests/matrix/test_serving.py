from __future__ import annotations

from matrix.serving import Layout, Pool, device_count, layout_slug, pools


def test_devices_come_from_the_whole_topology() -> None:
    assert device_count(Layout(tp=4, pp=2, pcp=2, dp=2, ep=8, dp_attention=True)) == 32


def test_decode_context_parallelism_reuses_the_devices_of_tensor_parallelism() -> None:
    assert device_count(Layout(tp=8, dcp=8)) == 8


def test_devices_are_summed_over_the_workers_of_both_pools() -> None:
    layout = Layout(prefill=Pool(workers=5, tp=4, ep=4), decode=Pool(workers=1, tp=8, ep=8, dp_attention=True))
    assert device_count(layout) == 28
    assert pools(layout) == (layout.prefill, layout.decode)


def test_stated_devices_win_over_axes_that_a_source_leaves_at_one() -> None:
    assert device_count(Layout(prefill=Pool(workers=2, devices=16), decode=Pool(devices=32))) == 48


def test_a_layout_without_pools_is_its_own_pool() -> None:
    assert pools(Layout(tp=2, workers=3)) == (Layout(tp=2, workers=3),)
    assert device_count(Layout(tp=2, workers=3)) == 6


def test_a_slug_names_the_axes_that_differ_from_one() -> None:
    assert layout_slug(Layout()) == "tp1"
    assert layout_slug(Layout(tp=4, dp=2, ep=8, dp_attention=True)) == "tp4-dp2-ep8-dpa"
    assert layout_slug(Layout(tp=16, ep=32, workers=2)) == "2xtp16-ep32"


def test_a_slug_of_pools_names_both() -> None:
    layout = Layout(prefill=Pool(workers=2, tp=4), decode=Pool(tp=8, dp_attention=True))
    assert layout_slug(layout) == "p2xtp4-d1xtp8-dpa"
