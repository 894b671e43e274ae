"""The page as files: text in, text out. Templates carry no logic beyond a loop; every string is escaped."""

from __future__ import annotations

from urllib.parse import urlencode

import jinja2

from aggregate.site.exports import gaps_csv, measured_csv, script
from aggregate.site.figures import UNKNOWN, evidence, goodput, load, milliseconds, percent, plural, short, significant
from aggregate.site.page import GroupView, PageModel, SeriesView, on_main_frontier
from aggregate.site.published import PublishedGroup
from aggregate.site.records import Measurement
from matrix.facts import Fact

# Only our own files, no inline script or style, no forms, no frames, nothing from any other place.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)


class TableRow(Fact, frozen=True, kw_only=True):
    """One line of a group's table: the dot, whether it is on the frontier, and the link that opens it."""

    dot: Measurement
    series: SeriesView
    on_frontier: bool
    href: str


def render(model: PageModel) -> dict[str, str]:
    """Every generated file of the site by its path; the static assets are copied beside them."""
    files = {
        "index.html": _index(model),
        "data/page.js": script("inferfleet.page", _page_data(model)),
        "data/measured.csv": measured_csv(model),
        "data/gaps.csv": gaps_csv(model),
    }
    return files | {f"data/group-{view.slug}.js": script("inferfleet.group", view) for view in model.groups}


class GroupEntry(Fact, frozen=True, kw_only=True):
    """What the page's script knows of a group before its data is loaded."""

    slug: str
    title: str


class PageData(Fact, frozen=True, kw_only=True):
    """`data/page.js`."""

    night: str
    run_id: str
    groups: tuple[GroupEntry, ...]
    published: tuple[PublishedGroup, ...]


def _page_data(model: PageModel) -> PageData:
    return PageData(
        night=model.night.night,
        run_id=model.night.run_id,
        groups=tuple(GroupEntry(slug=view.slug, title=group_title(view)) for view in model.groups),
        published=model.published,
    )


def group_title(view: GroupView) -> str:
    """`model · workload (shape)`."""
    return f"{view.group.model} · {view.group.workload}"


def table_rows(view: GroupView) -> tuple[TableRow, ...]:
    """A group's dots, configuration by configuration, in order of load."""
    best = on_main_frontier(view)
    return tuple(
        TableRow(
            dot=dot,
            series=series,
            on_frontier=dot.id in best,
            href="#" + urlencode({"g": view.slug, "dot": dot.id}),
        )
        for series in view.series
        for dot in series.dots
    )


def _index(model: PageModel) -> str:
    return _environment().get_template("index.html").render(model=model, night=model.night, policy=POLICY)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aggregate.site"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "evidence": evidence,
        "goodput": goodput,
        "load": load,
        "milliseconds": milliseconds,
        "percent": percent,
        "plural": plural,
        "short": short,
        "significant": significant,
        "table_rows": table_rows,
        "group_title": group_title,
    }
    environment.globals["UNKNOWN"] = UNKNOWN
    return environment
