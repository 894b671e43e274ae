"""A published home for the aggregate tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregate.manifest import PUBLISHED, load
from aggregate.merge import Merged, merge
from tests.aggregate.builders import a_plan, artifacts_of

if TYPE_CHECKING:
    from pathlib import Path

    from matrix.plan import Plan

PLAN = a_plan()


def a_run(tmp_path: Path, plan: Plan = PLAN) -> Merged:
    return merge(plan, artifacts_of(tmp_path / "in" / plan.run_id, plan))


def entry_path(home: Path, kind: str, about: str) -> Path:
    manifest = load(home)
    assert manifest is not None
    return home / PUBLISHED / next(one.path for one in manifest.files if (one.kind, one.about) == (kind, about))
