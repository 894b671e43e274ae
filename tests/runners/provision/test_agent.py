"""The loop of a machine, for real: the installed agent, scripts and hooks, a fake runner, a loopback GitHub."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from matrix.github_runners import Runners
from runners.provision import marks
from runners.provision.agent import Agent, Pace
from runners.provision.setup import Places
from tests.runners.provision.github import REPOSITORY, TOKEN, RunnerApi, serving
from tests.runners.provision.machine import Machine, in_service, wait_for
from tests.runners.provision.sites import setup


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    queue = tmp_path / "queue"
    queue.mkdir()
    with serving(RunnerApi(queue)) as api:
        yield Machine(tmp_path / "machine", api)


def listening(machine: Machine, number: int) -> None:
    wait_for(lambda: f"{number} listens" in machine.said(), f"runner {number}; {machine.said()}")


def test_every_job_gets_a_runner_of_its_own_and_a_clean_home(machine: Machine) -> None:
    machine.install()
    with in_service(machine):
        listening(machine, 1)
        machine.give_job('echo residue >"$HOME/residue"; mkdir -m 0 "$HOME/locked"; touch ../left')
        listening(machine, 2)
        machine.give_job('ls -A "$HOME"; env')
        listening(machine, 3)
    log = machine.said().splitlines()
    assert [line for line in log if "job" in line] == ["1 job ok", "2 job ok"]
    assert {line.partition(" ")[2] for line in log if "listens" in line} == {
        "listens with 0 files at home; home runner "
    }
    names = [str(body["name"]) for body in machine.api.registered]
    assert len(set(names)) == len(names) == 3
    assert all(body["labels"] == ["self-hosted", "local"] for body in machine.api.registered)
    seen = (machine.queue / "job-2.out").read_text()
    assert "residue" not in seen
    assert "HF_HUB_OFFLINE=1" in seen


def test_no_job_can_find_the_token(machine: Machine) -> None:
    """What a job is handed: its environment and its credentials. (Users keep it out of the files; see the units.)"""
    machine.install()
    with in_service(machine):
        machine.give_job('env; cat "$CREDENTIALS_DIRECTORY"/*')
        wait_for(lambda: "job ok" in machine.said(), "the job")
    assert "the-hosts-token" not in (machine.queue / "job-1.out").read_text()
    assert "the-hosts-token" not in machine.journal("inferfleet-runner.service")
    configuration = machine.root / "run/inferfleet/jitconfig"
    assert str(machine.api.registered[0]["name"]) not in machine.journal("inferfleet-job.service")
    assert not configuration.exists() or configuration.stat().st_mode & 0o777 == 0o600


@pytest.mark.fault(78)
def test_a_machine_that_fails_preflight_takes_no_job_until_a_person_says_so(machine: Machine) -> None:
    machine.install("this-machine", "--disk-gib", str(1 << 20))
    with in_service(machine):
        wait_for(lambda: "drained" in machine.runner("status"), "the drain")
        assert "preflight:" in machine.runner("status")
        assert f"{1 << 20} GiB are needed" in machine.runner("status")
        wait_for(lambda: "drained:" in machine.journal("inferfleet-runner.service"), "the journal")
    assert machine.api.registered == []


@pytest.mark.fault(78)
def test_a_machine_that_goes_bad_while_its_runner_waits_loses_one_job_and_no_more(machine: Machine) -> None:
    """GPUs taken by somebody else after the runner was announced: the hook ends the job, the agent drains the host."""
    machine.fake("nvidia-smi", f'cat "{machine.queue}/gpus"')
    fleet = fleet_with_gpus(machine.root.parent / "fleet")
    gpus(machine, used=500)
    machine.install("gpu-host", "--fleet", str(fleet))
    with in_service(machine):
        listening(machine, 1)
        gpus(machine, used=70_000)
        machine.give_job()
        wait_for(lambda: "drained" in machine.runner("status"), "the drain")
        assert "GPU 1 is in use: 70000 MiB" in machine.runner("status")
        assert machine.said().splitlines()[-1] == "1 refused"
        gpus(machine, used=500)
        machine.give_job()
        assert len(machine.api.registered) == 1
        assert "takes jobs again" in machine.runner("undrain")
        wait_for(lambda: "2 job ok" in machine.said(), "the second job")


@pytest.mark.fault(78)
def test_a_runner_that_never_takes_a_job_stops_the_machine(machine: Machine) -> None:
    machine.install()
    (machine.queue / "broken").touch()
    with in_service(machine):
        wait_for(lambda: "drained" in machine.runner("status"), "the drain")
    assert "ended 3 times without taking a job" in machine.runner("status")
    assert len(machine.api.registered) == 3


def test_draining_takes_a_waiting_runner_back(machine: Machine) -> None:
    machine.install()
    with in_service(machine):
        listening(machine, 1)
        assert "drained since" in machine.runner("drain", "--why", "new driver\n::error::")
        wait_for(lambda: "removed" in machine.said(), "the runner's end")
        wait_for(lambda: "agent: drained" in machine.runner("status"), "the agent")
        assert "new driver ::error::" in machine.runner("status")
    assert machine.api.removed == [1]
    assert len(machine.api.registered) == 1


def test_draining_lets_a_job_end(machine: Machine) -> None:
    machine.install()
    with in_service(machine):
        machine.give_job('until [ -e "$QUEUE/go" ]; do sleep 0.05; done')
        wait_for(lambda: "agent: working" in machine.runner("status"), "the job")
        machine.runner("drain", "--why", "after this one")
        (machine.queue / "go").touch()
        wait_for(lambda: "agent: drained" in machine.runner("status"), "the agent")
    assert machine.said().splitlines()[-1] == "1 job ok"
    assert machine.api.removed == []
    assert len(machine.api.registered) == 1


def test_a_stopped_agent_takes_its_waiting_runner_back(machine: Machine) -> None:
    machine.install()
    with in_service(machine):
        listening(machine, 1)
        assert machine.stop("inferfleet-runner.service") == 0
        assert machine.api.removed == [1]
        wait_for(lambda: "removed" in machine.said(), "the runner's end")
        assert len(machine.api.registered) == 1
    assert "agent: stopped" in machine.runner("status")


def test_a_stopped_machine_ends_its_job_in_order(machine: Machine) -> None:
    """`PartOf` stops the job with the agent: the runner is interrupted, and gets its time."""
    machine.install()
    with in_service(machine):
        machine.give_job("sleep 600")
        wait_for(lambda: "agent: working" in machine.runner("status"), "the job")
        assert machine.stop("inferfleet-runner.service") == 0
        assert machine.stop("inferfleet-job.service") == 0
        wait_for(lambda: "interrupted" in machine.said(), "the runner's word")
    assert machine.api.removed == []
    assert len(machine.api.registered) == 1


def test_what_github_refuses_is_no_fault_of_the_host(machine: Machine) -> None:
    machine.install()
    machine.api.refusals.append((403, "Resource not accessible by personal access token"))
    with in_service(machine):
        wait_for(lambda: "agent: refused" in machine.runner("status"), "the refusal")
        assert "Resource not accessible" in machine.runner("status")
        assert machine.stop("inferfleet-runner.service") == 0
    assert not (machine.state / "drained.json").exists()


def test_a_configuration_that_nobody_picks_up_is_taken_back_and_stops_the_machine(machine: Machine) -> None:
    """The path unit is not enabled, say: the agent alone, at a quick pace, until it has drained the host."""
    machine.install()
    places = Places.beneath(machine.root)
    places.run.mkdir(parents=True)
    alone = setup("this-machine", "box", organization=None, api=machine.api.url, places=places)
    alone = replace(alone, site=replace(alone.site, disk_gib=1))
    runners = Runners(api=machine.api.url, repository=REPOSITORY, organization=None, token=TOKEN)
    stop = threading.Event()
    agent = Agent(runners=runners, setup=alone, labels=("self-hosted",), stop=stop, pace=Pace(look_s=0.02, pick_up_s=0))
    thread = threading.Thread(target=agent.serve)
    thread.start()
    wait_for(lambda: marks.drained(places.state) is not None, "the drain")
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert machine.api.removed == [1, 2, 3]
    assert not places.configuration.exists()


def fleet_with_gpus(fleet: Path) -> Path:
    """Our data, with a host of two H200s."""
    import shutil

    from matrix.fleet import DATA

    shutil.copytree(DATA, fleet)
    (fleet / "hosts" / "gpus.yaml").write_text("gpu-host:\n  label: gpus\n  gpu: h200\n  devices: 2\n")
    return fleet


def gpus(machine: Machine, used: int) -> None:
    """What the fake `nvidia-smi` prints from now on."""
    lines = [
        f"{index}, {memory}, 700.00, 700.00, 1980, 1980, Disabled, 0, NVIDIA H200"
        for index, memory in enumerate((0, used))
    ]
    (machine.queue / "gpus.new").write_text("\n".join(lines) + "\n")
    (machine.queue / "gpus.new").rename(machine.queue / "gpus")


def test_the_agents_state_is_a_record(machine: Machine) -> None:
    machine.install()
    with in_service(machine):
        listening(machine, 1)
        wait_for((machine.state / "agent.json").exists, "the state")
        assert json.loads((machine.state / "agent.json").read_text())["phase"] == "waiting"
