"""Our own checks of workflow files: GitHub's limits that no validator knows (each was tried with a matrix of 257)."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, cast

import yaml

from matrix.limits import DISPATCH_INPUTS, EXPRESSION_CHARS, MATRIX_JOBS, WORKFLOW_CALLS, WORKFLOW_FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = str | list["Node"] | dict[str, "Node"] | None
"""YAML as GitHub reads it for our purposes: every scalar is text, so that the key `on` stays `on`."""

_FROM_OUTPUT = re.compile(r"\$\{\{ fromJSON\(needs\.(?P<job>[\w-]+)\.outputs\.(?P<name>[\w-]+)\) \}\}", re.ASCII)


def problems(text: str) -> list[str]:
    """What GitHub would refuse, or do otherwise than it reads, in one workflow file."""
    found = []
    if len(text.encode()) > WORKFLOW_FILE_BYTES:
        found.append(f"{len(text.encode())} bytes; a file of more than {WORKFLOW_FILE_BYTES} starts no runs")
    tree = cast("Node", yaml.load(text, Loader=yaml.BaseLoader))  # noqa: S506 - makes nothing but text
    found += [_too_long(scalar) for scalar in _scalars(tree) if "${{" in scalar and len(scalar) > EXPRESSION_CHARS]
    jobs = _mapping(_mapping(tree).get("jobs"))
    for name, job in jobs.items():
        found += [f"job {name}: {problem}" for problem in _job_problems(_mapping(job))]
    calls = sum("uses" in _mapping(job) for job in jobs.values())
    if calls > WORKFLOW_CALLS:
        found.append(f"calls {calls} workflows; GitHub allows {WORKFLOW_CALLS}")
    inputs = _mapping(_mapping(_mapping(_mapping(tree).get("on")).get("workflow_dispatch")).get("inputs"))
    if len(inputs) > DISPATCH_INPUTS:
        found.append(f"{len(inputs)} inputs; GitHub allows {DISPATCH_INPUTS}")
    return found


def _job_problems(job: dict[str, Node]) -> Iterator[str]:
    if "timeout-minutes" not in job and "uses" not in job:
        yield "has no timeout-minutes: a hung job would block its runner for six hours, or five days"
    matrix = _mapping(job.get("strategy")).get("matrix")
    if isinstance(matrix, str):
        yield from _dynamic(matrix, str(job.get("if", "")))
    elif matrix is not None:
        yield from _static(_mapping(matrix))


def _dynamic(matrix: str, condition: str) -> Iterator[str]:
    """A matrix made in the run is counted where it is made (`matrix.waves`); empty it must not be started."""
    match = _FROM_OUTPUT.fullmatch(matrix)
    if match is None:
        yield f"its matrix is {matrix}: only `fromJSON(needs.JOB.outputs.NAME)` is counted before it is used"
    elif f"needs.{match['job']}.outputs.jobs != '0'" not in condition:
        yield f"an empty matrix is an error; begin only if `needs.{match['job']}.outputs.jobs != '0'`"


def _static(matrix: dict[str, Node]) -> Iterator[str]:
    include = matrix.get("include")
    axes = [values for axis, values in matrix.items() if axis not in ("include", "exclude")]
    if any(not isinstance(values, list) for values in [*axes, include or []]):
        yield "one axis of its matrix is an expression: its jobs cannot be counted"
        return
    cells = prod(len(values or ()) for values in axes) if axes else 0
    jobs = cells + len(include or ())
    if jobs > MATRIX_JOBS:
        yield f"its matrix makes up to {jobs} jobs; GitHub allows {MATRIX_JOBS}"
    if jobs == 0:
        yield "its matrix is empty, which is an error"


def _too_long(scalar: str) -> str:
    return f"{scalar[:40]!r}... has {len(scalar)} characters with an expression in it; GitHub reads {EXPRESSION_CHARS}"


def _scalars(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _scalars(value)
    elif isinstance(node, list):
        for value in node:
            yield from _scalars(value)


def _mapping(node: Node) -> dict[str, Node]:
    return node if isinstance(node, dict) else {}
