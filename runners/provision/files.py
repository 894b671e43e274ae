"""The files of a machine, as text: what `show` prints and `install` writes. No secret is in any of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from runners.provision.setup import AGENT, DISK_GIB, JOBS, WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path

    from runners.provision.setup import Places, Setup, Site

_STAMP = re.compile(r"^# Written by `inferfleet runner install` \(sha256 (?P<sum>[0-9a-f]{64})\).*\n", re.MULTILINE)


class Whose(StrEnum):
    """Who wrote a file that stands where one of ours belongs."""

    OURS = "ours"
    CHANGED = "ours, and changed by hand since"
    FOREIGN = "not ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`path` is where it lies on the machine; root owns it."""

    path: Path
    text: str
    mode: int = 0o644


def files(setup: Setup) -> tuple[File, ...]:
    """Everything that is installed for a machine, in the order to read it in."""
    places = setup.site.places
    units = (
        "inferfleet-runner.service",
        "inferfleet-job.path",
        "inferfleet-job.service",
        "inferfleet-prefetch.service",
        "inferfleet-prefetch.timer",
    )
    scripts = ("job.sh", "job-started.sh", "job-completed.sh")
    return (
        *(_file(setup, name, places.units / name) for name in units),
        *(_file(setup, name, places.scripts / name, 0o755) for name in scripts),
        _file(setup, "job.env", places.job_env),
        *(_file(setup, name, path) for name, path in _declarations(places)),
    )


def options(setup: Setup) -> str:
    """The agent's arguments. Each was held against a grammar without spaces, quotes and `%`."""
    words = [setup.site.host, "--machine", setup.machine, "--repo", setup.repository]
    words += ["--org", setup.organization, "--group", setup.group] if setup.organization else []
    words += ["--even-open"] if setup.even_open else []
    return " ".join([*words, "--api", setup.api, *here(setup.site)])


def here(site: Site) -> list[str]:
    """What the checks on this machine are told, where it is not the default."""
    disk = [] if site.disk_gib == DISK_GIB else ["--disk-gib", str(site.disk_gib)]
    fleet = [] if site.fleet is None else ["--fleet", str(site.fleet)]
    return [*fleet, *disk, *(["--under", str(site.places.under)] if site.places.under else [])]


def whose(text: str) -> Whose:
    """By the sum in its stamp, which is of all the rest of the file."""
    match = _STAMP.search(text)
    if match is None:
        return Whose.FOREIGN
    rest = text[: match.start()] + text[match.end() :]
    return Whose.OURS if _sum(rest) == match["sum"] else Whose.CHANGED


def stamped(text: str) -> str:
    """With a first comment that says who wrote it, and lets us see whether it was changed."""
    first, second = text.split("\n", 1) if text.startswith("#!") else ("", text)
    stamp = f"# Written by `inferfleet runner install` (sha256 {_sum(text)}). Change it there, not here.\n"
    return f"{first}\n{stamp}{second}" if first else stamp + text


def _declarations(places: Places) -> tuple[tuple[str, Path], ...]:
    return (
        ("sysusers.conf", places.etc / "sysusers.d" / "inferfleet.conf"),
        ("tmpfiles.conf", places.etc / "tmpfiles.d" / "inferfleet.conf"),
        ("sysctl.conf", places.etc / "sysctl.d" / "60-inferfleet.conf"),
    )


def _file(setup: Setup, template: str, path: Path, mode: int = 0o644) -> File:
    text = _ENVIRONMENT.get_template(template).render(
        setup=setup,
        places=setup.site.places,
        options=options(setup),
        here="".join(f" {word}" for word in here(setup.site)),
        fleet="" if setup.site.fleet is None else f" --fleet {setup.site.fleet}",
        agent=AGENT,
        jobs=JOBS,
        weights=WEIGHTS,
    )
    return File(path=path, text=stamped(text), mode=mode)


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_ENVIRONMENT = Environment(  # noqa: S701 - unit files and scripts: what is filled in was held against a grammar
    loader=PackageLoader("runners", "provision/templates"),
    variable_start_string="<[",
    variable_end_string="]>",
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)
