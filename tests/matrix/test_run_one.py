from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix.errors import FleetError
from matrix.fleet import load_fleet
from matrix.github import GitHub
from matrix.run_one import run_one
from tests.act.api import REPOSITORY, TOKEN, Api, serve
from tests.fleets import RECIPE, write_fleet


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "github")) as serving:
        yield serving


def test_what_a_host_can_run_is_dispatched_and_all_else_is_refused_here(api: Api, tmp_path: Path) -> None:
    loose = RECIPE.replace("tiny-cpu:", "loose:").replace("  layouts:", "  image: example/server:latest\n  layouts:")
    fleet = load_fleet(write_fleet(tmp_path / "fleet", recipe=RECIPE + loose))
    github = GitHub(api=api.url, repository=REPOSITORY, token=TOKEN)
    for name, host, why in (
        ("tiny-cpo", "this-machine", "did you mean 'tiny-cpu'"),
        ("tiny-cpu", "this-machina", "did you mean 'this-machine'"),
        ("tiny-cpu", "h200-cw", "needs cpu; host h200-cw has h200"),
        ("loose", "this-machine", "has no digest; `inferfleet pin` fixes it, run one with `unpinned`"),
    ):
        with pytest.raises(FleetError, match=why):
            run_one(github, name, host, 6, fleet=fleet)
    assert api.dispatched == []
    said = run_one(github, "tiny-cpu", "this-machine", 1.5, fleet=fleet)
    assert said.startswith("started on a runner with the label local: 2 server starts, 4 points, about ")
    run_one(github, "loose", "this-machine", 6, unpinned=True, fleet=fleet)
    asked = {"host": "this-machine", "hours": "1.5", "name": "tiny-cpu", "unpinned": "false"}
    assert api.dispatched == [
        ("run-one.yml", asked),
        ("run-one.yml", {**asked, "name": "loose", "hours": "6", "unpinned": "true"}),
    ]
