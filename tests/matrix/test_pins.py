from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from matrix.errors import FleetError
from matrix.gitinfo import ROOT
from matrix.pins import PINS, adopted, pins, with_pins
from matrix.render import WORKFLOWS
from matrix.workflow_commands import render_workflows
from tests.fleets import write_fleet

NEWER = f"actions/checkout@{'1' * 40} # v7.0.0"


def edit(root: Path, old: str, new: str, *names: str) -> None:
    """As Dependabot does: in all files, or in those named."""
    for path in (root / WORKFLOWS).glob("*.yml"):
        if not names or path.name in names:
            path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """A fleet, its workflows with the handwritten one, and a pins' file of its own."""
    (tmp_path / WORKFLOWS).mkdir(parents=True)
    shutil.copy(ROOT / WORKFLOWS / "ci.yml", tmp_path / WORKFLOWS)
    shutil.copy(PINS, tmp_path / PINS.name)
    write_fleet(tmp_path / "fleet")
    run(tmp_path)
    return tmp_path


def run(root: Path, *, check_only: bool = False, adopt: bool = False) -> str:
    return render_workflows(root / "fleet", root, check_only=check_only, adopt=adopt, kept=root / PINS.name)


def test_every_workflow_of_ours_uses_the_pins_that_are_kept() -> None:
    files = {path.name: path.read_text() for path in (ROOT / WORKFLOWS).glob("*.yml")}
    assert adopted(files, pins()) == pins()
    assert sum(text.count("uses: ") for text in files.values()) == sum(
        text.count(f"uses: {pin}\n") for text in files.values() for pin in pins().values()
    )


def test_what_dependabot_writes_is_adopted_once_and_then_agrees(rendered: Path) -> None:
    old = pins()["actions/checkout"]
    edit(rendered, old, NEWER)
    with pytest.raises(FleetError, match="`inferfleet render --adopt-pins` keeps it"):
        run(rendered, check_only=True)
    assert run(rendered, adopt=True).endswith(f": {NEWER}")
    kept = (rendered / PINS.name).read_text()
    assert pins(kept) == pins() | {"actions/checkout": NEWER}
    assert kept.startswith("# The actions that workflows use")
    assert run(rendered, check_only=True).endswith("nothing changed")
    assert run(rendered, adopt=True).endswith("nothing changed")


def test_a_new_pin_reaches_files_that_are_rendered_later(rendered: Path) -> None:
    edit(rendered, pins()["actions/checkout"], NEWER)
    (rendered / WORKFLOWS / "sweep-00.yml").unlink()
    run(rendered, adopt=True)
    assert NEWER in (rendered / WORKFLOWS / "sweep-00.yml").read_text()


def test_files_that_disagree_are_named_and_nothing_is_adopted(rendered: Path) -> None:
    edit(rendered, pins()["actions/checkout"], NEWER, "ci.yml", "publish.yml")
    with pytest.raises(FleetError, match=r"disagree about actions/checkout: .*v7.0.0 in ci.yml, publish.yml"):
        run(rendered, adopt=True)
    assert (rendered / PINS.name).read_text() == PINS.read_text()
    run(rendered)  # undoes what is rendered
    assert NEWER not in (rendered / WORKFLOWS / "publish.yml").read_text()


@pytest.mark.parametrize(
    "pin",
    [
        "actions/checkout@v7",
        f"actions/checkout@{'1' * 40}",
        f"actions/checkout@{'1' * 39} # v7.0.0",
        f"actions/checkout@{'1' * 40} # main",
        f"actions/checkout@{'1' * 40} # v7.0.0 ${{{{ github.token }}}}",
    ],
)
def test_what_is_no_whole_pin_is_never_adopted(rendered: Path, pin: str) -> None:
    edit(rendered, pins()["actions/checkout"], pin)
    with pytest.raises(FleetError, match="is no pin: write"):
        run(rendered, adopt=True)
    assert (rendered / PINS.name).read_text() == PINS.read_text()


def test_the_file_of_pins_is_read_strictly() -> None:
    with pytest.raises(FleetError, match="is not one"):
        pins("actions/checkout@v7\n")
    with pytest.raises(FleetError, match="is not one"):
        pins(f"{NEWER}\n{NEWER}\n")
    assert pins(with_pins("# a word\n", {"actions/checkout": NEWER})) == {"actions/checkout": NEWER}
