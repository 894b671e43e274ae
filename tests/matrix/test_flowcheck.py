from __future__ import annotations

from pathlib import Path

import pytest

from matrix.flowcheck import problems
from matrix.gitinfo import ROOT
from matrix.render import WORKFLOWS

WORKFLOW = """\
on:
  workflow_dispatch:
jobs:
  one:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    strategy:
      matrix:
        MATRIX
    steps:
      - run: "true"
"""
LIST = "[" + ", ".join(map(str, range(17))) + "]"


def with_matrix(matrix: str) -> str:
    return WORKFLOW.replace("matrix:\n        MATRIX", f"matrix: {matrix}")


@pytest.mark.parametrize("path", sorted((ROOT / WORKFLOWS).glob("*.yml")), ids=lambda path: path.name)
def test_no_workflow_of_ours_has_a_problem(path: Path) -> None:
    assert problems(path.read_text()) == []


@pytest.mark.parametrize(
    ("matrix", "problem"),
    [
        (f"{{a: {LIST}, b: {LIST}}}", "up to 289 jobs; GitHub allows 256"),
        ("{include: [" + ", ".join(["{a: 1}"] * 257) + "]}", "up to 257 jobs"),
        ("{include: []}", "is empty"),
        ("{a: []}", "is empty"),
        ('{a: "${{ fromJSON(inputs.a) }}"}', "cannot be counted"),
        ("${{ fromJSON(inputs.matrix) }}", "is counted before it is used"),
        ("${{ fromJSON(needs.plan.outputs.matrix) }}", "an empty matrix is an error"),
    ],
)
def test_a_matrix_that_github_would_refuse_is_named(matrix: str, problem: str) -> None:
    (found,) = problems(with_matrix(matrix))
    assert problem in found


@pytest.mark.parametrize("matrix", ["{a: [1, 2], include: [{b: 3}]}", "{a: " + LIST + "}"])
def test_a_matrix_that_github_accepts_is_not(matrix: str) -> None:
    assert problems(with_matrix(matrix)) == []


def test_long_expressions_large_files_and_jobs_without_end_are_named() -> None:
    fine = with_matrix("{a: [1]}")
    assert problems(fine.replace('"true"', f'"${{{{ github.sha }}}} {"x" * 21_000}"'))[0].endswith("GitHub reads 21000")
    assert problems(fine.replace('"true"', f'"{"x" * 21_000}"')) == []
    assert "starts no runs" in problems(fine + "#" * 500_000)[0]
    assert "no timeout-minutes" in problems(fine.replace("    timeout-minutes: 5\n", ""))[0]
    inputs = "    inputs: {" + ", ".join(f"i{n}: {{type: string}}" for n in range(26)) + "}\n"
    assert problems(fine.replace("  workflow_dispatch:\n", f"  workflow_dispatch:\n{inputs}"))[0].startswith(
        "26 inputs"
    )
    calls = "".join(f"  c{n}: {{uses: ./.github/workflows/a.yml}}\n" for n in range(51))
    assert problems(fine + calls) == ["calls 51 workflows; GitHub allows 50"]
