"""The exact 2-D Pareto frontier, ties kept."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Which way an axis is better. Always stated: names such as "upper left" have been read both ways."""

    HIGHER = "higher"
    LOWER = "lower"
