"""A recipe: a vendor's tuned server, and what to measure on it.

Flag values: a scalar; the word `concurrency` (a `scale` flag: the group's largest concurrency); or `steps`.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from matrix.dialect import Scalar
from matrix.facts import Fact, Id, Positive, Precision
from matrix.search import Method
from matrix.serving import Layout, Serving

Image = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,299}$(?!\n)")]
LayoutName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$(?!\n)")]
Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]{0,79}$(?!\n)")]

_DIGEST = re.compile(r"[^@]+@sha256:[0-9a-f]{64}")

Streams = Annotated[int, msgspec.Meta(ge=1, le=65_535)]  # each is a connection, and an address has no more ports
Step = tuple[Positive, Scalar]


class Steps(Fact, frozen=True, kw_only=True):
    """A value by concurrency: the first step whose bound is >= the concurrency, as `[[16, 256], [1024, 512]]`."""

    steps: tuple[Step, ...]


FlagValue = Scalar | Steps


class AskedSearch(Fact, frozen=True, kw_only=True):
    """What to look for between two numbers of streams. What it may cost is the fleet's to say (`SearchLimits`)."""

    method: Method
    loads: tuple[Positive, Positive]


class RecipeLayout(Layout, frozen=True, kw_only=True, omit_defaults=True):
    """One server configuration of a recipe. `points` are the concurrencies wanted of each workload, `searches` what
    is to be found by measuring.

    `serving` replaces the recipe's as a whole; flags and environment are merged over the recipe's.
    """

    name: LayoutName | None = None
    points: dict[Id, tuple[Streams, ...]] = {}
    searches: dict[Id, tuple[AskedSearch, ...]] = {}
    serving: Serving | None = None
    flags: dict[str, FlagValue] = {}
    env: dict[Variable, str] = {}


class Recipe(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A vendor's tuned server: engine, image, flags, layouts. It cannot carry code, paths or expressions.

    `flags_unknown` says why the flags below are not all that is needed: the recipe is planned and never launched.
    `orchestrator` is what starts and joins pools of servers (dynamo, llm-d). `host` binds it to one pool of machines.
    """

    model: Id
    gpu: Id
    engine: Id
    precision: Precision
    image: Image | None = None
    orchestrator: Id | None = None
    host: Id | None = None
    serving: Serving = Serving()
    flags: dict[str, FlagValue] = {}
    flags_unknown: str | None = None
    env: dict[Variable, str] = {}
    layouts: tuple[RecipeLayout, ...]
    source: str


def pinned(image: str | None) -> bool:
    """Whether an image can never change under its name. No image means the engine installed here."""
    return image is None or _DIGEST.fullmatch(image) is not None
