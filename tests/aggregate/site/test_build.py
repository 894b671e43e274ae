"""The page in a real browser, opened from the file system as a visitor would."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from aggregate.site.build import STATIC, write_site
from aggregate.site.records import Measurement
from tests.aggregate.site.sample import LIMITS, RUN, at_rate, sample_model

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_site(sample_model(), tmp_path_factory.mktemp("site")).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which any console error, script error or request to another place fails the test."""
    said: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    yield page
    context.close()
    assert said == []


def drawn(page: Page) -> None:
    page.wait_for_selector("#legend button")
    page.wait_for_function("() => document.querySelectorAll('#chart canvas').length > 0")


def test_the_chart_is_drawn(page: Page, site: str) -> None:
    page.goto(site)
    drawn(page)
    colours = page.evaluate(
        """() => { const canvas = document.querySelector('#chart canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const seen = new Set();
        for (let i = 0; i < pixels.length; i += 4) seen.add(`${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`);
        return seen.size; }"""
    )
    assert colours > 20


def loneliest_dot(page: Page) -> tuple[Measurement, dict[str, float]]:
    """The dot farthest from its nearest neighbour: where two lie over one another, either may take the click."""
    dots = [dot for series in sample_model().groups[0].series for dot in series.dots]
    places = [page.evaluate("id => inferfleet.locate(id)", dot.id) for dot in dots]

    def room(at: dict[str, float]) -> float:
        return min(float(abs(at["x"] - o["x"]) + abs(at["y"] - o["y"])) for o in places if o is not at)

    return max(zip(dots, places, strict=True), key=lambda pair: room(pair[1]))


def test_a_click_on_a_dot_opens_its_provenance_and_the_link_leads_back(page: Page, site: str) -> None:
    page.goto(site)
    drawn(page)
    dot, at = loneliest_dot(page)
    page.mouse.click(at["x"], at["y"])
    panel = page.locator("#provenance")
    panel.get_by_text(RUN).wait_for()
    shown = panel.inner_text()
    assert str(dot.origin.seed) in shown
    assert dot.origin.git_sha[:7] in shown
    assert dot.origin.job_id in shown
    page.goto("about:blank")
    page.goto(f"{site}#{page.url.partition('#')[2]}" if "#" in page.url else f"{site}#dot={dot.id}")
    panel.get_by_text(RUN).wait_for()


def test_a_rate_is_said_as_a_rate_and_what_was_within_its_limits(page: Page, site: str) -> None:
    dot = at_rate(2.5)
    page.goto(f"{site}#dot={dot.id}")
    drawn(page)
    panel = page.locator("#provenance")
    panel.get_by_text(RUN).wait_for()
    shown = panel.inner_text()
    assert f"{dot.label} · 2.5 requests/s" in shown
    assert f"98.0 % of all within {LIMITS}" in shown
    assert "the busiest of 2 processes" in shown
    assert "of 256 at most" in shown
    cells = page.locator(f"tr[data-dot='{dot.id}'] td").all_inner_texts()
    assert cells[0] == "2.5/s"
    assert "2.45 (98.0 %)" in cells
    at = page.evaluate("id => inferfleet.locate(id)", dot.id)
    page.mouse.move(at["x"], at["y"])
    page.get_by_text("Click for its run and digests").wait_for()
    assert "requests/s" in page.locator(".tip").inner_text()


def test_the_keyboard_opens_provenance_from_the_table(page: Page, site: str) -> None:
    page.goto(site)
    drawn(page)
    page.locator("tr[data-dot] a").first.focus()
    page.keyboard.press("Enter")
    page.locator("#provenance").get_by_text(RUN).wait_for()
    page.keyboard.press("Escape")
    page.locator("#provenance").get_by_text("Choose a dot").wait_for()


def test_other_axes_and_groups_can_be_chosen(page: Page, site: str) -> None:
    page.goto(site)
    drawn(page)
    page.select_option("#pick-x", "ttft")
    page.select_option("#pick-y", "total")
    assert "first token" in page.locator("#chart-title").inner_text().lower()
    slug = sample_model().groups[1].slug
    page.select_option("#pick-group", slug)
    page.wait_for_selector(f".group[data-group='{slug}']:not([hidden])")
    assert slug in page.url


@pytest.mark.parametrize("width", [380, 768])
def test_a_narrow_screen_has_no_sideways_scroll(browser: Browser, site: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(site)
    drawn(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    context.close()


def test_without_scripts_every_table_is_shown(browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    tables = page.locator(".group")
    assert tables.count() == len(sample_model().groups)
    assert all(tables.nth(index).is_visible() for index in range(tables.count()))
    assert not page.locator("#controls").is_visible()
    context.close()


def test_the_committed_chart_library_is_the_one_that_was_built() -> None:
    lock = json.loads((STATIC.parent / "echarts" / "bundle.lock.json").read_text())
    assert hashlib.sha256((STATIC.parent / lock["file"]).read_bytes()).hexdigest() == lock["sha256"]


def test_a_group_that_is_gone_leaves_no_stale_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "group-old.js").touch()
    write_site(sample_model(), tmp_path)
    assert not (tmp_path / "data" / "group-old.js").exists()
