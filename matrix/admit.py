"""Admitting a pull request's recipes to be measured before it is merged: as data, at one commit, or not at all.

Everything is read over the API as bytes and laid over a copy of main's own data; nothing of the pull request is
checked out, imported or executed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from matrix.check import check
from matrix.errors import DataProblems, FleetError, nearest
from matrix.fleet import DATA, load_fleet
from matrix.waves import as_lines

if TYPE_CHECKING:
    from matrix.fleet import Fleet
    from matrix.github import GitHub
    from matrix.github_records import ChangedFile, Pull

MAX_FILES = 50
MAX_FILE_BYTES = 1 << 18
_SHA = re.compile(r"[0-9a-f]{40}", re.ASCII)
_RECIPE = re.compile(
    r"matrix/data/(?P<inside>recipes/[a-z0-9][a-z0-9-]{0,63}/[a-z0-9][a-z0-9.-]{0,119}\.yaml)", re.ASCII
)
_GENERATED = re.compile(r"\.github/workflows/sweep-[0-9]{2}\.yml", re.ASCII)


def admit(github: GitHub, number: int, sha: str, host: str, out: Path) -> str:
    """Write main's data with the pull request's recipes into `out`; step outputs naming those that `host` can run.

    Raises `FleetError` when the pull request is closed, is not at `sha`, moves while it is read, or changes anything
    but recipes (and the sweeps generated from them, which are not read).
    """
    if not _SHA.fullmatch(sha):
        raise FleetError(f"{sha!r} is not a commit: give all 40 digits of the one that was read")
    files = _recipes_only(github.changed_files(_unmoved(github, number, sha)))
    shutil.copytree(DATA, out)
    written = [path for file in files for path in _lay_over(github, file, sha, out)]
    _unmoved(github, number, sha)
    fleet = load_fleet(out)
    if problems := check(fleet):
        raise DataProblems(problems)
    theirs = {path.resolve() for path in written}
    recipes = [name for name, document in fleet.documents.items() if Path(document.file).resolve() in theirs]
    return as_lines({"recipes": " ".join(_runnable(fleet, recipes, host))})


def _runnable(fleet: Fleet, recipes: list[str], host: str) -> list[str]:
    """A pull request may change recipes of several GPUs; each host is asked for what is its own."""
    if host not in fleet.hosts:
        raise FleetError(f"there is no host {host!r}: {nearest(host, fleet.hosts)}")
    gpu = fleet.hosts[host].gpu
    found = [recipe for recipe in recipes if fleet.recipes[recipe].gpu == gpu]
    if not found:
        needed = ", ".join(sorted({fleet.recipes[recipe].gpu for recipe in recipes})) or "none: it only removes recipes"
        raise FleetError(f"no recipe of it can run on host {host} ({gpu}); GPUs that are needed: {needed}")
    return found


def _unmoved(github: GitHub, number: int, sha: str) -> Pull:
    pull = github.pull(number)
    if pull.state != "open":
        raise FleetError(f"pull request {number} is {pull.state}")
    if pull.head.sha != sha:
        raise FleetError(f"pull request {number} is at {pull.head.sha} now; what was approved is {sha}: read it again")
    return pull


def beyond_recipes(files: list[ChangedFile]) -> str | None:
    """The first file that is neither a recipe nor a sweep generated from recipes; null where there is none."""
    names = (name for file in _read(files) for name in (file.filename, file.previous_filename or file.filename))
    return next((name for name in names if not _RECIPE.fullmatch(name)), None)


def _read(files: list[ChangedFile]) -> list[ChangedFile]:
    return [file for file in files if not _GENERATED.fullmatch(file.filename)]


def _recipes_only(files: list[ChangedFile]) -> list[ChangedFile]:
    if (name := beyond_recipes(files)) is not None:
        raise FleetError(f"it changes {name!r}: only recipes can be measured before they are merged")
    read = _read(files)
    if len(read) > MAX_FILES:
        raise FleetError(f"it changes {len(read)} recipe files; at most {MAX_FILES} are measured at once")
    return read


def _lay_over(github: GitHub, file: ChangedFile, sha: str, out: Path) -> list[Path]:
    """Apply one change to the copy; the files that are now as the pull request has them."""
    for name in (file.filename, file.previous_filename or file.filename):
        (out / _place(name)).unlink(missing_ok=True)
    if file.status == "removed":
        return []
    path = out / _place(file.filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(github.content(file.filename, sha, MAX_FILE_BYTES))
    return [path]


def _place(name: str) -> str:
    match = _RECIPE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} was not looked at")
    return match["inside"]
