"""The folder of artifacts: which of its entries belong to the plan, and their JSON files as bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aggregate.bounded import read_folder, read_zip_file
from aggregate.coverage import Refused
from aggregate.read import read_host
from matrix.errors import ArtifactRefused, FleetError, one_line
from matrix.words import Quarantine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME = re.compile(r"job-(?P<job>[a-z0-9][a-z0-9.-]{0,119})-a(?P<attempt>[1-9][0-9]{0,3})(\.zip)?", re.ASCII)
MAX_DETAIL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact of a planned job: its JSON files by name, or the `problem` for which it was refused whole.

    The driver is a note beside the numbers: an unreadable host file is reported, and costs no point.
    """

    name: str
    job_id: str
    attempt: int
    files: Mapping[str, bytes]
    driver: str | None = None
    problem: str = ""


def scan(folder: Path, jobs: set[str]) -> tuple[list[Artifact], list[Refused]]:
    """Artifacts of planned jobs in name order, and the account of everything not used. Only those are opened."""
    if not folder.is_dir():
        raise FleetError(f"{folder}: not a folder of artifacts")
    found: list[Artifact] = []
    refused: list[Refused] = []
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is None or match["job"] not in jobs:
            refused.append(refusal(path.name, Quarantine.UNPLANNED, "no job of the plan has this name"))
            continue
        artifact = _open(path, match["job"], int(match["attempt"]))
        if artifact.problem:
            refused.append(refusal(path.name, Quarantine.UNREADABLE, artifact.problem))
        try:
            found.append(replace(artifact, driver=_driver(artifact.files)))
        except ArtifactRefused as error:
            refused.append(refusal(f"{path.name}/host.json", Quarantine.UNREADABLE, str(error)))
            found.append(artifact)
    return found, refused


def refusal(name: str, reason: Quarantine, detail: str) -> Refused:
    """Names and messages come from outside: one bounded line of printable ASCII each."""
    return Refused(name=plain(name), reason=reason.value, detail=plain(detail))


def plain(text: str) -> str:
    """Text from outside, bounded as a row's."""
    return one_line(text)[:MAX_DETAIL]


def _open(path: Path, job_id: str, attempt: int) -> Artifact:
    read = read_zip_file if path.name.endswith(".zip") else read_folder
    try:
        files = read(path, wanted=_is_json)
    except ArtifactRefused as error:
        # only its own name: where the folder lies must not change the account of a run
        problem = str(error).replace(str(path), path.name)
        return Artifact(name=path.name, job_id=job_id, attempt=attempt, files={}, problem=plain(problem))
    top = f"{path.name.removesuffix('.zip')}/"
    if files and all(name.startswith(top) for name in files):  # a zip of the folder, not of what is in it
        files = {name.removeprefix(top): data for name, data in files.items()}
    return Artifact(name=path.name, job_id=job_id, attempt=attempt, files=files)


def _driver(files: Mapping[str, bytes]) -> str | None:
    return read_host(files["host.json"]).driver if "host.json" in files else None


def _is_json(name: str) -> bool:
    return name.endswith(".json")
