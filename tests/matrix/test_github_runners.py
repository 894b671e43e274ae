from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix.errors import FleetError
from matrix.github_runners import Runners
from matrix.patience import Patience
from tests.runners.provision.github import ORGANIZATION, REPOSITORY, TOKEN, RunnerApi, serving


@pytest.fixture
def api(tmp_path: Path) -> Iterator[RunnerApi]:
    with serving(RunnerApi(tmp_path)) as found:
        yield found


def runners(api: RunnerApi, organization: str | None = None, token: str = TOKEN, **other: Patience) -> Runners:
    return Runners(api=api.url, repository=REPOSITORY, organization=organization, token=token, **other)


@pytest.mark.parametrize("organization", [None, ORGANIZATION])
def test_a_runner_is_announced_and_taken_back(api: RunnerApi, organization: str | None) -> None:
    asking = runners(api, organization)
    found = asking.register("h200-1", 1, ["self-hosted", "h200"])
    assert (found.id, found.name) == (1, "h200-1")
    asking.remove(found.id)
    assert api.removed == [1]


def test_neither_token_nor_configuration_is_shown_by_accident(api: RunnerApi) -> None:
    asking = runners(api)
    found = asking.register("h200-1", 1, ["self-hosted"])
    assert TOKEN not in repr(asking)
    assert found.encoded not in repr(found)


def test_a_runner_at_work_cannot_be_taken_back(api: RunnerApi) -> None:
    found = runners(api).register("h200-1", 1, ["self-hosted"])
    (api.queue / "busy-1").touch()
    with pytest.raises(FleetError, match=r"422.*currently running a job"):
        runners(api).remove(found.id)


def test_a_registration_is_never_made_twice_for_one_request(api: RunnerApi) -> None:
    """A 502 may have been carried out: the next one has a new name instead."""
    waits: list[float] = []
    api.refusals = [(502, "down")]
    with pytest.raises(FleetError, match="answered 502"):
        runners(api, patience=Patience(sleep=waits.append)).register("h200-1", 1, ["self-hosted"])
    assert (waits, api.registered) == ([], [])


def test_a_rate_limit_is_waited_out(api: RunnerApi) -> None:
    waits: list[float] = []
    api.refusals = [(429, "slow down")]
    assert runners(api, patience=Patience(sleep=waits.append)).register("h200-1", 1, ["self-hosted"]).id == 1
    assert waits == [60.0]


def test_a_token_that_may_not_is_an_error_in_githubs_words(api: RunnerApi) -> None:
    with pytest.raises(FleetError, match="answered 401"):
        runners(api, token="another").private()


@pytest.mark.parametrize("name", ["a b", "x" * 65, "", "-x", "a/b"])
def test_a_name_github_would_refuse_is_not_sent(api: RunnerApi, name: str) -> None:
    with pytest.raises(FleetError, match="is no name for a runner"):
        runners(api).register(name, 1, ["self-hosted"])
    assert api.registered == []


def test_what_is_no_repository_or_organization_goes_into_no_address(api: RunnerApi) -> None:
    with pytest.raises(FleetError, match="write it as owner/name"):
        Runners(api=api.url, repository="../x", organization=None, token=TOKEN)
    with pytest.raises(FleetError, match="not the name of an organization"):
        Runners(api=api.url, repository=REPOSITORY, organization="a/b", token=TOKEN)
