from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec

from aggregate.site.page import PageModel, page_model
from aggregate.site.records import Night
from aggregate.site.render import POLICY, render
from tests.aggregate.site.sample import GAPS, GPU, dots_of, sample_model

HOSTILE = "</script><script>alert(1)</script>'\"><img src=x onerror=alert(2)>{{7*7}}\u2028"


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def hostile_model() -> PageModel:
    group = msgspec.structs.replace(GPU, model=HOSTILE, workload=HOSTILE)
    origin = {
        "recipe": HOSTILE,
        "host": HOSTILE,
        "image": HOSTILE,
        "engine_version": HOSTILE,
        "goodput_limits": HOSTILE,
    }
    dots = tuple(
        msgspec.structs.replace(
            dot,
            id=HOSTILE + dot.id,
            label=HOSTILE,
            series=HOSTILE,
            origin=msgspec.structs.replace(dot.origin, **origin),
        )
        for dot in dots_of(GPU)
    )
    gaps = tuple(msgspec.structs.replace(gap, point_id=HOSTILE, detail=HOSTILE, host=HOSTILE) for gap in GAPS)
    night = Night(night="2026-11-21", run_id=HOSTILE, git_sha=HOSTILE, planned=9, ok=6, gaps=gaps)
    return page_model(night=night, groups=(group,), measurements=dots, frontiers=(), published=())


def test_hostile_strings_add_no_element_and_no_handler() -> None:
    html = render(hostile_model())["index.html"]
    tags = Tags(html).found
    assert all("src" in attrs for tag, attrs in tags if tag == "script")
    assert "img" not in {tag for tag, _ in tags}
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert "{{7*7}}" in html.replace("&#34;", '"')


def test_no_data_script_can_end_itself() -> None:
    for name, text in render(hostile_model()).items():
        if name.endswith(".js"):
            assert not set("<>&\u2028\u2029") & set(text), name


def test_no_cell_of_a_csv_is_a_formula() -> None:
    model = hostile_model()
    gaps = tuple(msgspec.structs.replace(gap, detail="=cmd|' /C calc'!A0", host="@x") for gap in model.failed)
    text = render(msgspec.structs.replace(model, failed=gaps))["data/gaps.csv"]
    assert "'=cmd" in text
    assert "'@x" in text
    assert not re.search(r"(^|,)\"?[=@]", text, re.MULTILINE)


def test_the_page_asks_nothing_of_any_other_place() -> None:
    files = render(sample_model())
    tags = Tags(files["index.html"]).found
    loaded = [
        attrs.get("src") or attrs.get("href") for tag, attrs in tags if tag in {"script", "link", "img", "iframe"}
    ]
    assert loaded
    assert [url for url in loaded if url and re.match(r"(https?:)?//", url)] == []


def test_the_policy_is_strict_and_on_the_page() -> None:
    metas = [attrs for tag, attrs in Tags(render(sample_model())["index.html"]).found if tag == "meta"]
    assert POLICY in [attrs.get("content") for attrs in metas if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert "unsafe" not in POLICY


def test_the_table_twin_holds_every_dot_and_every_gap() -> None:
    model = sample_model()
    html = render(model)["index.html"]
    rows = [attrs["data-dot"] for tag, attrs in Tags(html).found if tag == "tr" and "data-dot" in attrs]
    assert sorted(str(row) for row in rows) == sorted(
        dot.id for view in model.groups for series in view.series for dot in series.dots
    )
    for gap in GAPS:
        assert gap.point_id in html
        assert all(reason in html for reason in gap.reasons)


def test_a_page_without_a_single_number_still_says_what_became_of_the_plan() -> None:
    night = Night(night="2026-11-21", run_id="r", git_sha="0" * 40, planned=3, ok=0, gaps=GAPS)
    html = render(page_model(night=night, groups=(), measurements=(), frontiers=(), published=()))["index.html"]
    assert "No point has given a usable number yet" in html
    assert GAPS[0].point_id in html
