"""Writing the site: the one place that touches files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aggregate.dataset import read_table
from aggregate.selection import selected
from aggregate.site.adapter import page_of
from aggregate.site.published import load_published
from aggregate.site.render import render
from matrix.atomic import write_atomic
from matrix.fleet import load_fleet
from matrix.select import EVERYTHING

if TYPE_CHECKING:
    from aggregate.site.page import PageModel
    from aggregate.site.published import PublishedRow
    from matrix.select import Selector

STATIC = Path(__file__).parent / "static"
DATA = Path(__file__).parents[1] / "data"
PUBLISHED = DATA / "published_history.csv"


def published_rows(path: Path = PUBLISHED) -> tuple[PublishedRow, ...]:
    """The shipped sample of others' numbers."""
    return load_published(path.read_text(encoding="utf-8"), path.name)


def build(home: Path, out: Path, selector: Selector = EVERYTHING) -> Path:
    """Build the page of the selected rows of the dataset under `home` into the folder `out`; its `index.html`."""
    table = selected(read_table(home), selector)
    return write_site(page_of(table, published_rows(), load_fleet().gpus), out)


def write_site(model: PageModel, out: Path) -> Path:
    """Write the whole site into the folder `out`; `index.html` comes last and is returned."""
    files = {f"assets/{path.name}": path.read_bytes() for path in sorted(STATIC.iterdir())}
    files["data/published_history.csv"] = PUBLISHED.read_bytes()
    files["data/published_history.README.md"] = (DATA / "README.md").read_bytes()
    files |= {name: text.encode() for name, text in render(model).items()}
    index = files.pop("index.html")
    for name, data in files.items():
        write_atomic(out / name, data)
    _drop_stale_groups(out, set(files))
    write_atomic(out / "index.html", index)
    return out / "index.html"


def _drop_stale_groups(out: Path, current: set[str]) -> None:
    for path in (out / "data").glob("group-*.js"):
        if f"data/{path.name}" not in current:
            path.unlink()
