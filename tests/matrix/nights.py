"""Candidates, yards and whole fleets for tests of the night's plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from matrix.pack import Yard
from matrix.rota import Candidate, Policy, Seen

if TYPE_CHECKING:
    from pathlib import Path

TODAY = 740_000
POLICY = Policy(window_minutes=600.0, repeat_from=None)

_ONE = Candidate(
    id="p0",
    key="p0",
    curve="curve",
    job="job",
    label="a",
    gpu="h200",
    machines=1,
    gpus=8,
    start_minutes=10.0,
    minutes=2.0,
    measured_minutes=1.0,
    certified_minutes=None,
    every_nights=1,
    served="s",
    load=1.0,
)


def a_candidate(name: str, **changes: Any) -> Candidate:
    """`name` is its id and key; by default in a job and a curve of its own."""
    own = {"id": name, "key": name, "job": f"job-{name}", "curve": f"curve-{name}"}
    return replace(_ONE, **{**own, **changes})


def a_curve(name: str, points: int, **changes: Any) -> list[Candidate]:
    """Points of one job and one curve, with rising load."""
    return [
        a_candidate(f"{name}.c{number}", job=f"job-{name}", curve=name, load=float(number), **changes)
        for number in range(1, points + 1)
    ]


def seen(nights_ago: int, **changes: Any) -> Seen:
    return replace(Seen(served="s", seen=TODAY - nights_ago, ok=TODAY - nights_ago), **changes)


def a_yard(policy: Policy = POLICY, **labels: int | tuple[str, ...]) -> Yard:
    """Labels with their number of machines, or the machines' names."""
    named = {
        label: tuple(f"{label}/{number}" for number in range(found)) if isinstance(found, int) else found
        for label, found in labels.items()
    }
    machines = {name for names in named.values() for name in names}
    return Yard(labels=named, minutes=dict.fromkeys(machines, policy.window_minutes))


@st.composite
def matrices(draw: st.DrawFn, labels: tuple[str, ...] = ("a", "b"), most: int = 40) -> list[Candidate]:
    """Any matrix: jobs of one to five points on some label, starts and points of any length."""
    found: list[Candidate] = []
    for number in range(draw(st.integers(1, most // 2))):
        shape: dict[str, Any] = {
            "label": draw(st.sampled_from(labels)),
            "machines": draw(st.sampled_from((1, 1, 1, 2))),
            "gpus": draw(st.sampled_from((1, 8, 16))),
            "start_minutes": draw(st.floats(0.5, 60)),
            "every_nights": draw(st.sampled_from((1, 1, 1, 2, 7))),
        }
        for point in range(draw(st.integers(1, 5))):
            name = f"p{number}.{point}"
            minutes = draw(st.floats(0.5, 90))
            certified = draw(st.sampled_from((None, minutes + 20)))
            curve = f"curve{number // 2}"
            found.append(
                a_candidate(
                    name, job=f"job{number}", curve=curve, minutes=minutes, measured_minutes=minutes / 2,
                    certified_minutes=certified, load=float(point + 1), **shape,
                )
            )  # fmt: skip
    return found


@st.composite
def memories(draw: st.DrawFn, candidates: list[Candidate]) -> dict[str, Seen]:
    """Anything that may be remembered of them: nothing, other arguments, failures, any age."""
    found: dict[str, Seen] = {}
    for one in candidates:
        if draw(st.booleans()):
            age, failures = draw(st.integers(1, 20)), draw(st.sampled_from((0, 0, 0, 1, 3)))
            served = draw(st.sampled_from(("s", "s", "s", "before")))
            found[one.key] = seen(age, served=served, failures=failures)
    return found


HOSTS = """\
pool:
  label: pool
  gpu: cpu
  devices: 1
  machines: 2
  backend: process
"""


def many_points(root: Path, recipes: int, *, points: str = "[1, 2, 4, 8]") -> Path:
    """A fleet of small CPU recipes on a pool of two machines."""
    from tests.fleets import RECIPE, write_fleet

    text = "".join(
        RECIPE.replace("tiny-cpu:", f"tiny-cpu-{number}:").replace("[1, 4]", points) for number in range(recipes)
    )
    write_fleet(root, recipe=text)
    for path in (root / "hosts").glob("*.yaml"):
        path.unlink()
    (root / "hosts" / "pool.yaml").write_text(HOSTS)
    return root
