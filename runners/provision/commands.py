"""What `inferfleet runner ...` does, as text in and text out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from launch.leftovers import remove
from matrix.errors import FleetError
from matrix.github_runners import Runners
from matrix.gitinfo import ROOT
from matrix.options import UNSENDABLE, is_token
from matrix.patience import Patience
from runners.commands import state_folder
from runners.preflight import label_of
from runners.provision import marks
from runners.provision.agent import Agent, Signals
from runners.provision.files import files
from runners.provision.hostcheck import unfit
from runners.provision.install import changes, is_root, require_trusted, write
from runners.provision.prefetch import prefetch, wanted
from runners.provision.register import checked_labels, loose, register, workflows_for_gpus, write_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matrix.fleet import Fleet
    from runners.provision.download import Source
    from runners.provision.setup import Places, Setup, Site


def show(setup: Setup) -> Iterator[str]:
    """Every file with its path and mode, then what a person does besides."""
    for file in files(setup):
        yield f"# ==> {file.path} ({file.mode:04o}, root)\n{file.text}"
    yield steps(setup)


def install(setup: Setup, root: Path, *, dry_run: bool) -> Iterator[str]:
    """A diff of every change, which is then made."""
    here = root.resolve() == Path("/")
    if here and not dry_run:
        if not is_root():
            raise FleetError("only root can install into /: use sudo, or --root DIR, or --dry-run")
        require_trusted(setup.site.places)
    found = changes(files(setup), root)
    for change in found:
        yield "\n".join(change.lines())
    if dry_run:
        yield f"{len(found)} files would change"
        return
    write(found)
    yield f"{len(found)} files changed" + ("" if not found else f"\n\n{steps(setup)}")


def steps(setup: Setup) -> str:
    """What remains to be done by a person, in order."""
    places = setup.site.places
    lines = [
        "# then, as root:",
        "systemd-sysusers && systemd-tmpfiles --create inferfleet.conf && sysctl --system >/dev/null",
        f"install -m 600 /dev/stdin {places.token}    # paste the token, then Ctrl-D; needed: see runners/HOSTS.md",
        "systemctl daemon-reload",
        "systemctl enable --now inferfleet-job.path inferfleet-prefetch.timer inferfleet-runner.service",
        f"{places.checkout}/.ci/inferfleet runner status",
    ]
    return "\n".join(lines)


def group(runners: Runners, name: str, *, create: bool, public: bool) -> str:
    """Say whether the runner group lets in only our workflows on main; make it so where there is none."""
    found = runners.group(name)
    if found is None and not create:
        raise FleetError(f"{runners.organization} has no runner group {name!r}; --create makes it")
    workflows = workflows_for_gpus(ROOT, runners.repository)
    group = found or runners.create_group(name, workflows, public=public)
    if why := loose(group, runners.repository):
        raise FleetError(f"runner group {name}: {why}. Put that right on GitHub, or use a group of its own")
    absent = [workflow for workflow in workflows if workflow not in group.selected_workflows]
    lines = [f"group {name} ({group.id}): {len(group.selected_workflows)} workflows on main may use it"]
    return "\n".join(lines + [f"not among them, so its jobs would wait for ever: {workflow}" for workflow in absent])


def register_once(runners: Runners, fleet: Fleet, setup: Setup, labels: Sequence[str], out: Path) -> str:
    """Announce one runner and write its configuration where only this user can read it."""
    announced = register(runners, setup, checked_labels(fleet, setup, labels))
    write_secret(out, announced.encoded)
    return f"{announced.name} ({announced.id}) may take one job: {out}"


def serve(setup: Setup, runners_of: Runners) -> None:
    """Be this machine's agent until a signal comes."""
    told = Signals()

    def nap(seconds: float) -> None:
        told.wait(seconds)

    patient = Runners(
        api=runners_of.api,
        repository=runners_of.repository,
        organization=runners_of.organization,
        token=runners_of.token,
        patience=Patience(sleep=nap),
    )
    with told.kept_waiting():
        Agent(runners=patient, setup=setup, labels=setup.site.labels, stop=told).serve()


def preflight(site: Site, refuse_into: Path | None, *, clean: bool) -> str:
    """Say that this machine is fit for a job. If it is not: leave word for the agent, and a `FleetError`."""
    left = remove(label_of(state_folder())) if clean else ()
    wrong = [f"{process.name} ({process.pid}) cannot be killed" for process in left] + unfit(site)
    if wrong:
        if refuse_into is not None:
            marks.refuse(refuse_into, "; ".join(wrong))
        raise FleetError(f"{site.host} is not fit for a job: {'; '.join(wrong)}")
    return f"{site.host} is fit for a job"


def drain(places: Places, why: str) -> str:
    mark = marks.drain(places.state, why, os.environ.get("SUDO_USER") or os.environ.get("USER") or "somebody")
    return f"drained since {mark.since} by {mark.by}: {mark.why}"


def undrain(places: Places) -> str:
    mark = marks.undrain(places.state)
    return "was not drained" if mark is None else f"takes jobs again; was drained since {mark.since}: {mark.why}"


def status(places: Places) -> tuple[str, bool]:
    """What this machine does, and whether it takes jobs."""
    mark, agent = marks.drained(places.state), marks.agent_state(places.state)
    lines = [f"drained since {mark.since} by {mark.by}: {mark.why}"] if mark else []
    lines.append(f"agent: {agent.phase} since {agent.since}: {agent.detail}" if agent else "agent: has never run here")
    return "\n".join(lines), mark is None


def fetch(fleet: Fleet, gpu: str, cache: Path, source: Source, *, only_list: bool) -> Iterator[str]:
    """Fetch the weights of every recipe on this GPU, or list them."""
    models = wanted(fleet, gpu)
    if only_list:
        yield from (f"{one.model}: {one.repo}@{one.commit or 'not pinned'}" for one in models)
        return
    yield from prefetch(models, cache, source)
    yield f"{len(models)} models for {gpu}"


def token_from(environment: dict[str, str], variable: str, credential: str) -> str | None:
    """A secret from the environment, or from the file that the service manager made of it; never an argument."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / credential if folder else None
    token = environment.get(variable)
    if not token and path is not None and path.is_file():
        token = path.read_bytes().decode(errors="replace").strip()
    if token and not is_token(token):
        raise FleetError(f"{variable} (or {path or 'its credential'}) {UNSENDABLE}")
    return token or None


def required_token() -> str:
    token = token_from(dict(os.environ), "GITHUB_TOKEN", "github-token")
    if token is None:
        raise FleetError("no token: set GITHUB_TOKEN (never an argument: everybody here could read it)")
    return token
