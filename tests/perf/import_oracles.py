"""Their generator against our import, in full. By hand: the files are too large for the repository.

    python -m tests.perf.import_oracles --runners R.yaml [--flags F.json] --master M.yaml... --oracle O.json[l]...

Prints the counts and exits 1 unless the two sets of points are equal and no two points of ours have one key.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from matrix.expand import expand
from matrix.fleet import load_fleet
from matrix.importers.files import import_inferencex
from matrix.point import Point, point_id, point_key
from tests.matrix.importers.inferencex_rows import context_margins, our_points, their_points

SHOWN = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--master", type=Path, nargs="+", required=True)
    parser.add_argument("--oracle", type=Path, nargs="+", required=True)
    parser.add_argument("--runners", type=Path, required=True)
    parser.add_argument("--flags", type=Path)
    parser.add_argument("--report", action="store_true", help="also print everything that could not be said")
    args = parser.parse_args()
    rows = [row for path in args.oracle for row in _rows(path)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "fleet"
        imported = import_inferencex(tuple(args.master), args.runners, args.flags, out)
        fleet = load_fleet(out)
    theirs, ours = list(their_points(rows)), list(our_points(fleet))
    points = [item for item in expand(fleet) if isinstance(item, Point)]
    keys, ids = {point_key(point) for point in points}, {point_id(point) for point in points}
    print(f"theirs: {len(rows)} rows, {len(theirs)} points, {len(set(theirs))} distinct")
    print(f"ours:   {len(fleet.recipes)} recipes, {len(ours)} points, {len(set(ours))} distinct")
    print(f"only theirs: {len(set(theirs) - set(ours))}, only ours: {len(set(ours) - set(theirs))}")
    print(f"keys: {len(keys)} distinct of {len(points)} points, ids: {len(ids)}")
    print(f"max-model-len = isl + osl + {sorted(context_margins(rows))}")
    for text in sorted(set(theirs) ^ set(ours))[:SHOWN]:
        print("differs:", text)
    if args.report:
        print(imported.report.text())
    return 0 if set(theirs) == set(ours) and len(keys) == len(ids) == len(points) == len(set(ours)) else 1


def _rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    rows: list[dict[str, Any]] = (
        [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    )
    return rows


if __name__ == "__main__":
    sys.exit(main())
