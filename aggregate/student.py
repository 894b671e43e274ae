"""Student's t without a library: exact for whole degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4)."""

from __future__ import annotations

import math

_BISECTIONS = 64


def within(t: float, degrees: int) -> float:
    """P(|T| < t) for t >= 0."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (cosine if degrees % 2 else 1.0), 0.0
    for k in range(degrees % 2 + 2, degrees + 1, 2):
        total += term
        term *= (k - 1) / k * cosine**2
    return 2 / math.pi * (angle + sine * total) if degrees % 2 else sine * total


def one_sided(confidence: float, degrees: int) -> float:
    """The t with P(T < t) = `confidence`, which is at least a half."""
    low, high = 0.0, 1.0
    wanted = 2 * confidence - 1
    while within(high, degrees) < wanted:
        high *= 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, degrees) < wanted else (low, middle)
    return high
