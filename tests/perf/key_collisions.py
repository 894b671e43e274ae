"""A million random points over every field: as many keys as different points, or a field is not in the identity.

python -m tests.perf.key_collisions [COUNT]
"""

from __future__ import annotations

import sys
import time

from matrix.point import point_key
from tests.matrix.random_points import random_points, unlabelled

COUNT = 1_000_000


def main(count: int) -> int:
    began = time.perf_counter()
    by_key: dict[str, int] = {}
    different: set[int] = set()
    collisions = 0
    for point in random_points(1, count):
        key, content = point_key(point), hash(unlabelled(point))
        collisions += by_key.setdefault(key, content) != content
        different.add(content)
    print(f"{count:,} random points, {len(different):,} different, {len(by_key):,} keys, {collisions} collisions")
    print(f"{time.perf_counter() - began:.0f} s")
    return 0 if collisions == 0 and len(by_key) == len(different) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
