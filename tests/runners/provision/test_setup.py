from __future__ import annotations

import msgspec
import pytest

from matrix.errors import FleetError
from matrix.facts import Host
from runners.provision.setup import MACHINE, Places, Site, checked, only_machine, require_host
from tests.runners.provision.sites import FLEET, setup, site


def test_a_machine_is_one_of_its_hosts() -> None:
    assert checked(setup()) == setup()
    with pytest.raises(FleetError, match=r"no machine 'b200-cw_99': did you mean 'b200-cw_0"):
        checked(setup(machine="b200-cw_99"))
    with pytest.raises(FleetError, match="did you mean 'b200-cw'"):
        require_host(FLEET, "b200-cww")


def test_a_host_of_several_machines_asks_which(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FleetError, match="is 2 machines; say which"):
        only_machine(site("b200-cw"))
    monkeypatch.setattr("platform.node", lambda: "box.example.com")
    assert only_machine(site("this-machine")) == "this-machine-box"
    assert MACHINE.fullmatch(only_machine(site("this-machine")))


@pytest.mark.parametrize("group", ["two words", "100%", "a;b", 'a"b', "$(id)", ""])
def test_nothing_with_a_meaning_in_a_unit_file_goes_into_one(group: str) -> None:
    with pytest.raises(FleetError, match="cannot go into a unit file"):
        checked(setup(group=group))
    with pytest.raises(FleetError, match="cannot go into a unit file"):
        checked(setup(api=f"https://api.github.com/{group}?"))


def test_gpus_are_looked_at_where_they_are() -> None:
    host = Host(label="x", gpu="h200", devices=8)
    gpu = FLEET.gpus["h200"]
    here = Site(host="x", facts=host, gpu=gpu, places=Places())
    assert here.gpus == 8
    for elsewhere in (msgspec.structs.replace(host, slots=True), msgspec.structs.replace(host, backend="slurm")):
        assert Site(host="x", facts=elsewhere, gpu=gpu).gpus is None
    assert site("this-machine").gpus is None


def test_a_token_is_sent_over_https_or_to_this_machine() -> None:
    assert checked(setup(api="http://127.0.0.1:8000")).api == "http://127.0.0.1:8000"
    with pytest.raises(FleetError, match="only https"):
        checked(setup(api="http://github.example.com/api/v3"))
