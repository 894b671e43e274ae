"""Rendering: the fleet's shards, hosts and pins into the workflow files that are committed. Templates carry no logic.

What a template holds is `<[ name ]>` or a loop in `<% %>`: `${{ }}` is GitHub's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from matrix.errors import FleetError
from matrix.fleet import ID
from matrix.pins import pins
from matrix.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matrix.fleet import Fleet

HOSTED = "ubuntu-24.04"
JOB_MINUTES = 14 * 60
"""A GPU job's last resort, far above any night's window: `--not-after` is what ends a night."""

CHECKOUT, UPLOAD, DOWNLOAD = "actions/checkout", "actions/upload-artifact", "actions/download-artifact"

WORKFLOWS = ".github/workflows"
ONCE = ("nightly.yml", "run-one.yml", "approve-sweep.yml", "pr-check.yml", "comment.yml", "publish.yml")
PINNED = {"run-one.yml": "${{ inputs.unpinned && '--unpinned' || '--pinned' }}"}
"""Who may run what could change under its name: only who asks for it by hand, on a host they chose."""
SWEEP = re.compile(r"sweep-(?P<number>[0-9]{2})\.yml", re.ASCII)
_JOBS = re.compile(r"^ {8}  SHARD_JOBS: >-\n(?P<jobs>(?: {12}[^\n]*\n)*)", re.MULTILINE)


def render(fleet: Fleet, shards: Iterable[Shard], actions: Mapping[str, str] | None = None) -> dict[str, str]:
    """Every generated file by its path in the repository. `actions`: pins by action; null: as they are kept."""
    fill = _Filler(actions or pins())
    hosts = sorted(fleet.hosts)
    labels = sorted({host.label for host in fleet.hosts.values()})
    files = {
        f"{WORKFLOWS}/{name}": fill(name, hosts=hosts, shard="one", pinned=PINNED.get(name, "--pinned"))
        for name in ONCE
    }
    for shard in shards:
        number = f"{shard.number:02d}"
        files[f"{WORKFLOWS}/sweep-{number}.yml"] = fill(
            "sweep.yml", number=number, shard=f'"{number}"', pinned="--pinned", jobs=_of_grammar(shard.jobs)
        )
    files[".github/actionlint.yaml"] = fill("actionlint.yaml", labels=labels)
    return files


def committed_shards(files: Mapping[str, str]) -> list[Shard]:
    """The shards in the workflow files there are, by file name -> text; a file that is no sweep is passed over."""
    shards: list[Shard] = []
    for name, text in files.items():
        if (match := SWEEP.fullmatch(name)) is None:
            continue
        found = _JOBS.findall(text)
        if len(found) != 1:
            raise FleetError(f"{WORKFLOWS}/{name}: has no list of job ids; delete it and run `inferfleet render`")
        jobs = tuple(line.strip() for line in found[0].splitlines())
        shards.append(Shard(number=int(match["number"]), jobs=jobs))
    return shards


def _of_grammar(jobs: Iterable[str]) -> list[str]:
    """Ids as they are. Anything else must never reach a file that GitHub executes."""
    found = list(jobs)
    if bad := [job for job in found if not ID.fullmatch(job)]:
        raise ValueError(f"{bad[0]!r} is not an id")
    return found


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills templates in. What every one of them may use is added here."""

    actions: Mapping[str, str]

    def __call__(self, template: str, **values: object) -> str:
        fixed = {
            "hosted": HOSTED,
            "job_minutes": JOB_MINUTES,
            "checkout": self.actions[CHECKOUT],
            "upload": self.actions[UPLOAD],
            "download": self.actions[DOWNLOAD],
        }
        return _ENVIRONMENT.get_template(template).render(fixed, **values)


_ENVIRONMENT = Environment(  # noqa: S701 - YAML, not HTML: what is filled in is ids and the constants above
    loader=PackageLoader("matrix", "templates"),
    variable_start_string="<[",
    variable_end_string="]>",
    block_start_string="<%",
    block_end_string="%>",
    comment_start_string="<#",
    comment_end_string="#>",
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)
