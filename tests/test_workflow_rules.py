"""The security rules every workflow of ours keeps, read from the files themselves; and that breaking one is noticed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
import yaml

from matrix.flowcheck import Node
from matrix.gitinfo import ROOT
from matrix.render import WORKFLOWS

FILES = sorted((ROOT / WORKFLOWS).glob("*.yml"))
TRIGGERS = {"schedule", "workflow_dispatch", "pull_request", "push"}
WRITES = {
    ("nightly.yml", "dispatch", "actions"),
    ("publish.yml", "publish", "contents"),
    ("comment.yml", "comment", "pull-requests"),
}
ENVIRONMENTS = {("publish.yml", "publish"): "publish", ("approve-sweep.yml", "select"): "approve-sweep"}
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")
Tree = dict[str, Node]


def tree(node: Node) -> Tree:
    return node if isinstance(node, dict) else {}


def steps(job: Tree) -> list[Tree]:
    found = job.get("steps")
    return [tree(step) for step in found] if isinstance(found, list) else []


def violations(name: str, text: str) -> list[str]:
    """Every rule a workflow file breaks, in words."""
    workflow = tree(cast("Node", yaml.load(text, Loader=yaml.BaseLoader)))
    triggers = set(tree(workflow.get("on")))
    jobs = {job: tree(found) for job, found in tree(workflow.get("jobs")).items()}
    found = [f"trigger {trigger}" for trigger in triggers - TRIGGERS]
    if workflow.get("permissions") != {}:
        found.append("permissions at the top")
    if "concurrency" not in workflow:
        found.append("no concurrency group")
    if name != "run-one.yml" and "--unpinned" in text:
        found.append("runs what could change under its name, though nobody asked for it")
    found += [word for word in ("secrets.", "secrets:", "actions/cache", "GITHUB_ENV", "id-token") if word in text]
    found += [
        f"no version beside {line.strip()}" for line in text.splitlines() if re.search(r"uses: .*@(?!.* # v)", line)
    ]
    found += [f"no reason beside {line.strip()}" for line in text.splitlines() if re.search(r": (read|write)$", line)]
    for job, described in jobs.items():
        found += [f"{job}: {broken}" for broken in _job_violations((name, job), described, triggers)]
    return found


def _job_violations(place: tuple[str, str], job: Tree, triggers: set[str]) -> list[str]:
    grants = tree(job.get("permissions"))
    ours = "self-hosted" in str(job.get("runs-on"))
    found = [f"writes {what}" for what, how in grants.items() if how == "write" and (*place, what) not in WRITES]
    if "permissions" not in job or "timeout-minutes" not in job:
        found.append("no permissions or no timeout")
    if place in ENVIRONMENTS and job.get("environment") != ENVIRONMENTS[place]:
        found.append("no environment")
    if "pull_request" in triggers and set(grants.items()) - {("contents", "read")}:
        found.append("whoever opens a pull request may do more than read")
    if "write" in grants.values() and job.get("if") != "github.ref == 'refs/heads/main'" and "needs" not in job:
        found.append("writes from another branch than main")
    if ours and triggers & {"pull_request", "push"}:
        found.append("a runner of ours for whoever opens a pull request")
    if ours and grants != {"contents": "read"}:
        found.append("a runner of ours may do more than read")
    for step in steps(job):
        found += _step_violations(step, ours=ours)
    return found


def _step_violations(step: Tree, *, ours: bool) -> list[str]:
    run, uses, given = str(step.get("run", "")), str(step.get("uses", "")), tree(step.get("with"))
    found = []
    if "${{" in run:
        found.append("a value pasted into a script")
    if uses and not PINNED.fullmatch(uses):
        found.append("an action that is not pinned")
    if uses.startswith("actions/checkout@") and given.get("persist-credentials") != "false":
        found.append("credentials left in the checkout")
    if ours and "token" in str(step).lower():
        found.append("a token on a runner of ours")
    if ours and "inferfleet" in run and not re.fullmatch(r"exec \.ci/inferfleet run [^\n]*--not-after [^\n]*", run):
        found.append("a job that is not one `exec` with an end")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_workflow_keeps_every_rule(path: Path) -> None:
    assert violations(path.name, path.read_text()) == []


def test_there_are_workflows_to_look_at() -> None:
    assert {"ci.yml", "nightly.yml", "sweep-00.yml", "publish.yml"} <= {path.name for path in FILES}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("sweep-00.yml", "  workflow_dispatch:", "  pull_request:"),
        ("sweep-00.yml", "  workflow_dispatch:", "  workflow_run:"),
        ("pr-check.yml", "  pull_request:", "  pull_request_target:"),
        ("pr-check.yml", "runs-on: ubuntu-24.04", "runs-on: [self-hosted, h200]"),
        ("sweep-00.yml", "permissions: {}\n", ""),
        ("sweep-00.yml", "persist-credentials: false", "persist-credentials: true"),
        ("sweep-00.yml", '--job "$JOB"', '--job "${{ matrix.id }}"'),
        ("sweep-00.yml", ' --not-after "$NOT_AFTER"\n      - if', "\n      - if"),
        ("sweep-00.yml", "run: exec .ci/inferfleet run", "run: .ci/inferfleet run"),
        ("sweep-00.yml", "          JOB: ${{ matrix.id }}", "          GITHUB_TOKEN: ${{ github.token }}"),
        ("sweep-00.yml", "contents: read # to check out\n    strategy", "contents: write # hm\n    strategy"),
        ("sweep-00.yml", "    timeout-minutes: 840\n", ""),
        ("sweep-00.yml", "PINNED: --pinned", "PINNED: --unpinned"),
        ("approve-sweep.yml", "PINNED: --pinned", "PINNED: --unpinned"),
        ("sweep-00.yml", " # v5.0.0", ""),
        ("nightly.yml", "08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5"),
        ("nightly.yml", " # to start the sweeps", ""),
        ("publish.yml", "    environment: publish\n", ""),
        ("publish.yml", "${{ github.token }}", "${{ secrets.PAT }}"),
        ("publish.yml", "concurrency:", "other:"),
        ("comment.yml", "  workflow_dispatch:", "  workflow_run:"),
        ("comment.yml", "  schedule:", "  pull_request:"),
        ("comment.yml", "github.ref == 'refs/heads/main'", "true"),
        ("comment.yml", "    steps:", "    steps:\n      - uses: actions/download-artifact@v6"),
        ("comment.yml", "actions: read # to find", "actions: write # to find"),
        ("pr-check.yml", "contents: read # to check out", "pull-requests: write # to comment"),
        ("run-one.yml", "contents: read # to check out\n    strategy", "id-token: write # hm\n    strategy"),
    ],
)
def test_a_broken_rule_is_noticed(name: str, old: str, new: str) -> None:
    text = (ROOT / WORKFLOWS / name).read_text()
    assert old in text
    assert violations(name, text.replace(old, new)) != []
