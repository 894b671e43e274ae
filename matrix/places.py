"""Where a job can run: the hosts that have its accelerators, how many machines it takes, how many GPUs it holds.

A job holds its machines alone, idle GPUs included: a neighbour would change what is measured.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.serving import device_count

if TYPE_CHECKING:
    from matrix.facts import Host
    from matrix.fleet import Fleet
    from matrix.point import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`machines` are taken at once; `gpus` are all GPUs of these, where that is known."""

    host: str
    label: str
    machines: int
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlace:
    """No host can take it. `missing_gpus` would have to be added to the largest one; null where there is no host."""

    why: str
    missing_gpus: int | None = None


def hosts_by_gpu(fleet: Fleet) -> dict[str, tuple[str, ...]]:
    """Names of the hosts that have each GPU."""
    gpus = sorted({host.gpu for host in fleet.hosts.values()})
    return {gpu: tuple(sorted(name for name, host in fleet.hosts.items() if host.gpu == gpu)) for gpu in gpus}


def reach(host: Host) -> int | None:
    """The most devices one job can have here; null where nothing says."""
    if host.slots or host.devices is None:
        return None
    return host.devices * (host.machines if host.linked else 1)


def why_not_on(fleet: Fleet, host_id: str, point: Point) -> str | None:
    """Why a point cannot be measured on this host; None when it can."""
    host, recipe = fleet.hosts[host_id], fleet.recipes[point.recipe]
    if recipe.gpu != host.gpu:
        return f"needs {recipe.gpu}; host {host_id} has {host.gpu}"
    if recipe.host is not None and recipe.host != host_id:
        return f"runs only on host {recipe.host}"
    limit, devices = reach(host), device_count(point.layout)
    if limit is not None and devices > limit:
        return f"needs {devices} devices; host {host_id} has {limit}"
    return None


def place(fleet: Fleet, point: Point, job_id: str) -> Place | NoPlace:
    """The host of a job: the recipe's own, or one of those with its GPU, always the same as long as hosts stay."""
    recipe = fleet.recipes[point.recipe]
    of_nights = [name for name, host in fleet.hosts.items() if not host.by_hand]
    named = [recipe.host] if recipe.host else [name for name in of_nights if fleet.hosts[name].gpu == recipe.gpu]
    if recipe.host in fleet.hosts and recipe.host not in of_nights:
        return NoPlace(why=f"host {recipe.host} runs only what is started by hand")
    fitting = [name for name in named if name in fleet.hosts and why_not_on(fleet, name, point) is None]
    if fitting:
        return _on(fleet, max(fitting, key=lambda name: _weight(fleet.hosts[name], name, job_id)), point)
    hosts = [fleet.hosts[name] for name in named if name in fleet.hosts and fleet.hosts[name].gpu == recipe.gpu]
    if not hosts:
        return NoPlace(why=f"no host has {recipe.gpu}" if recipe.host is None else f"there is no host {recipe.host}")
    devices, largest = device_count(point.layout), max(reach(host) or 0 for host in hosts)
    why = f"needs {devices} {recipe.gpu} at once; the largest host has {largest}"
    return NoPlace(why=why, missing_gpus=devices - largest)


def _on(fleet: Fleet, host_id: str, point: Point) -> Place:
    host, devices = fleet.hosts[host_id], device_count(point.layout)
    node = devices_per_machine(fleet, host)
    machines = 1 if host.slots or host.devices is None else math.ceil(devices / host.devices)
    return Place(host=host_id, label=host.label, machines=machines, gpus=math.ceil(devices / node) * node)


def devices_per_machine(fleet: Fleet, host: Host) -> int:
    """Its own fact; else that of another host with this GPU, for estimates only; else one."""
    same = (other.devices for other in fleet.hosts.values() if other.gpu == host.gpu)
    return host.devices or next(filter(None, same), 1)


def _weight(host: Host, host_id: str, job_id: str) -> float:
    """Weighted rendezvous hashing: each host gets jobs in proportion to its machines, and a new one moves few."""
    drawn = int.from_bytes(hashlib.sha256(f"{host_id}/{job_id}".encode()).digest()[:8], "big")
    return -host.machines / math.log((drawn + 1) / (2**64 + 2))
