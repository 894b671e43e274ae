from __future__ import annotations

from pathlib import Path

import pytest

from runners.provision.gpus import parse, problems, what_is_wrong
from tests.runners.provision.sites import FLEET

IDLE = "0, 4, 700.00, 700.00, 1980, 1980, Disabled, 0, NVIDIA H200"


def wrong_with(gpu_id: str, count: int | None) -> list[str]:
    return what_is_wrong(gpu_id, FLEET.gpus[gpu_id], count)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def nvidia_smi(tools: Path, script: str) -> None:
    (tools / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "nvidia-smi").chmod(0o755)


def test_idle_gpus_as_they_came_are_fit(tools: Path) -> None:
    nvidia_smi(
        tools, f"echo '{IDLE}'; echo '1, 500, [N/A], [N/A], [Deprecated], [Deprecated], [N/A], [N/A], NVIDIA H200'"
    )
    assert wrong_with("h200", 2) == []


def test_a_gpu_that_is_missing_is_noticed(tools: Path) -> None:
    nvidia_smi(tools, f"echo '{IDLE}'")
    assert wrong_with("h200", 8) == ["1 GPUs are here, the fleet says 8"]


@pytest.mark.parametrize(
    ("name", "gpu_id", "same"),
    [
        ("NVIDIA H200", "h200", True),
        ("NVIDIA H100 80GB HBM3", "h100", True),
        ("NVIDIA GB200", "b200", False),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx6000pro", True),
        ("NVIDIA H100 80GB HBM3", "h200", False),
    ],
)
def test_a_machine_with_other_gpus_than_its_label_says_is_unfit(
    tools: Path, name: str, gpu_id: str, *, same: bool
) -> None:
    nvidia_smi(tools, f"echo '{IDLE.replace('NVIDIA H200', name)}'")
    wrong = wrong_with(gpu_id, 1)
    assert wrong == ([] if same else [f"GPU 0 calls itself {name}, no {gpu_id}"])


@pytest.mark.fault(44)
@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("0, 70000, 700.00, 700.00, 1, 1, Disabled, 0, x", "is in use: 70000 MiB"),
        ("0, 4, 500.00, 700.00, 1, 1, Disabled, 0, x", "power limit of 500.0 W, by default 700.0 W"),
        ("0, 4, 700.00, 700.00, 1200, 1980, Disabled, 0, x", "is set to 1200.0 MHz, by default 1980.0 MHz"),
        ("0, 4, 700.00, 700.00, 1, 1, Enabled, 0, x", "cut up"),
        ("0, 4, 700.00, 700.00, 1, 1, Disabled, 3, x", "3 uncorrected memory errors"),
    ],
)
def test_what_the_last_tenant_left_is_named(line: str, word: str) -> None:
    gpus = parse(line)
    assert not isinstance(gpus, str)
    (found,) = problems(gpus[0])
    assert word in found


@pytest.mark.fault(35)
def test_who_holds_a_gpu_is_named_and_left_alone(tools: Path) -> None:
    nvidia_smi(
        tools,
        "case $1 in *compute-apps*) echo '4242, python3';; *) echo '0, 70000, , , , , Disabled, 0, NVIDIA H200';; esac",
    )
    assert wrong_with("h200", 1)[-1] == "on the GPUs: 4242, python3"


@pytest.mark.fault(41)
def test_a_driver_that_hangs_is_given_up(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.tool.ask.__defaults__", (0.2,))
    nvidia_smi(tools, "exec sleep 600")
    (found,) = wrong_with("h200", 1)
    assert "the driver hangs" in found


def test_a_driver_that_fails_is_quoted(tools: Path) -> None:
    nvidia_smi(tools, "echo 'NVML: Driver/library version mismatch' >&2; exit 18")
    (found,) = wrong_with("h200", 1)
    assert found == "nvidia-smi failed (18): NVML: Driver/library version mismatch"


def test_a_host_that_should_have_gpus_and_no_driver_is_unfit(tools: Path) -> None:
    (found,) = wrong_with("h200", 1)
    assert "there is no nvidia-smi" in found


@pytest.mark.parametrize("text", ["0, 1", "0, much, 1, 1, 1, 1, Disabled, 0, x"])
def test_an_answer_of_another_shape_is_a_finding_and_not_a_crash(text: str) -> None:
    assert "not as documented" in str(parse(text))


def test_no_gpus_of_its_own_means_nothing_to_look_at(tools: Path) -> None:
    assert wrong_with("cpu", 1) == wrong_with("h200", None) == wrong_with("mi300x", 8) == []
