"""How fast the matrix expands and groups, and what grouping saves. By hand, on their full files.

    python -m tests.perf.matrix_speed --master M.yaml --runners R.yaml [--flags F.json]

Each time is the best of five in one process. `written` is one line of JSON a job, with its points.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import yaml

from matrix.expand import expand
from matrix.fleet import Fleet, load_fleet
from matrix.group import ServerGroup, group
from matrix.importers.files import import_inferencex
from matrix.point import Point, point_id, point_key
from matrix.recipe import Steps
from matrix.serving import pools
from matrix.workload import RandomWorkload

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

REPEATS = 5
MANY = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--master", type=Path, required=True)
    parser.add_argument("--runners", type=Path, required=True)
    parser.add_argument("--flags", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "fleet"
        import_inferencex((args.master,), args.runners, args.flags, out)
        fleet = load_fleet(out)
        _many(fleet)
        _against_parsing(args.master, out, fleet, Path(folder))
    _starts(fleet)


def best(run: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds of the fastest of several runs, and what it returned."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - began)
    return min(times), found


def _many(fleet: Fleet) -> None:
    """100,000 points out of the imported recipes: every layout at as many concurrencies as that takes."""
    layouts = sum(len(layout.points) for recipe in fleet.recipes.values() for layout in recipe.layouts)
    streams = tuple(range(1, -(-MANY // layouts) + 1))
    recipes = {
        name: msgspec.structs.replace(
            recipe,
            layouts=tuple(
                msgspec.structs.replace(layout, points=dict.fromkeys(layout.points, streams))
                for layout in recipe.layouts
            ),
        )
        for name, recipe in fleet.recipes.items()
    }
    large = replace(fleet, recipes=recipes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, (points, groups) = best(lambda: _expand_and_group(large))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(points):,} points expanded into {len(groups):,} groups: {seconds:.2f} s")
    print(f"peak resident memory {after / 1024:.0f} MiB, {before / 1024:.0f} before")


def _expand_and_group(fleet: Fleet) -> tuple[list[Point], tuple[ServerGroup, ...]]:
    points = [item for item in expand(fleet) if isinstance(item, Point)]
    return points, group(fleet, points)


def _against_parsing(master: Path, out: Path, fleet: Fleet, folder: Path) -> None:
    text = master.read_bytes()
    parsing, _ = best(lambda: yaml.load(text, Loader=yaml.CSafeLoader))
    loading, _ = best(lambda: load_fleet(out))
    written, size = best(lambda: _write(fleet, folder / "jobs.ndjson"))
    print(f"parsing the master with yaml.CSafeLoader: {parsing:.3f} s")
    print(f"expanded, grouped and written ({size:,} bytes): {written:.3f} s = {written / parsing:.2f} x parsing")
    print(f"the imported fleet read from its files: {loading:.3f} s = {loading / parsing:.2f} x parsing")


def _write(fleet: Fleet, path: Path) -> int:
    _, groups = _expand_and_group(fleet)
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for found in groups:
            points = [{"id": point_id(point), "key": point_key(point), "point": point} for point in found.points]
            file.write(encode({"job": found.job_id, "args": found.args, "points": points}) + b"\n")
    return path.stat().st_size


def _starts(fleet: Fleet) -> None:
    """Server starts of the single-node fixed-length points, with the flags that split a group and without."""
    points = [item for item in expand(fleet) if isinstance(item, Point) and _single_fixed(item)]
    stepped = len(group(fleet, points))
    recipes = {
        name: msgspec.structs.replace(
            recipe, flags={flag: value for flag, value in recipe.flags.items() if not isinstance(value, Steps)}
        )
        for name, recipe in fleet.recipes.items()
    }
    plain = len(group(replace(fleet, recipes=recipes), points))
    print(f"single node, fixed lengths: {len(points)} points, as many starts with one server per point")
    print(f"  grouped: {plain} starts without `steps` flags, {stepped} with")


def _single_fixed(point: Point) -> bool:
    return (
        isinstance(point.workload, RandomWorkload)
        and pools(point.layout) == (point.layout,)
        and not point.layout.settings
    )


if __name__ == "__main__":
    main()
