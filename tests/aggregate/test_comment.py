from __future__ import annotations

import dataclasses

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from aggregate.comment import MARKER, News, PointLine, Swept, marker, text
from matrix.limits import COMMENT_CHARS
from matrix.pull_check import (
    LINE_CHARS,
    MOST_PROBLEMS,
    MOST_RECIPES,
    MOST_WHYS,
    PullCheck,
    RecipeChange,
    Totals,
)

SHA = "a" * 40
TOTALS = Totals(points=(64, 66), starts=(8, 9), gpu_hours=(12.0, 12.44))
CHANGE = RecipeChange(id="mine", sign="+", gpu="h200", added=2, removed=0, changed=0)
POINT = PointLine(
    point_id="mine.tp8.1k1k.c4",
    outcome="ok",
    reasons="",
    output_tok_per_s_per_gpu=1234.5,
    interactivity_tok_per_s=40.0,
    ttft_s_p50=0.25,
)
LONGEST = PullCheck(
    problems=("`" * LINE_CHARS,) * MOST_PROBLEMS,
    problem_count=10**9,
    recipes=tuple(
        RecipeChange(
            id=f"{number:03d}{'x' * 117}", sign="~", gpu="g" * 120, added=10**12, removed=10**12, changed=10**12,
            whys=("|" * LINE_CHARS,) * MOST_WHYS, blocked="|" * LINE_CHARS if number % 2 else "",
        )
        for number in range(MOST_RECIPES)
    ),
    recipe_count=10**9,
    totals=Totals(points=(0, 10**18), starts=(0, 10**18), gpu_hours=(0.0, 1e300)),
    stale="!" * LINE_CHARS,
)  # fmt: skip


def news(**changes: object) -> News:
    found: dict[str, object] = {
        "address": "https://github.com/example/fleet",
        "number": 7,
        "sha": SHA,
        "run": 601,
        "conclusion": "success",
        "check": PullCheck(recipes=(CHANGE,), recipe_count=1, totals=TOTALS),
        "refused": "",
        "beyond": None,
        "hosts": {"h200": ("h200-a", "h200-b")},
        "sweeps": (),
    }
    return News(**{**found, **changes})  # type: ignore[arg-type]


def test_it_says_what_changes_and_how_to_measure_exactly_that_commit() -> None:
    said = text(marker(1), news())
    assert said.startswith(MARKER)
    assert "| `mine` | new | +2 |" in said
    assert "Points 64 → 66; server starts 8 → 9;\nGPU-hours of one pass over everything 12.0 → 12.4 (+0.4)." in said
    assert f"gh workflow run approve-sweep.yml -f pull=7 -f sha={SHA} -f host=h200-a" in said
    assert "not a proof" in said


def test_what_cannot_be_measured_before_it_is_merged_says_why() -> None:
    assert "more than recipes (`matrix/data/models/x.yaml`)" in text("", news(beyond="matrix/data/models/x.yaml"))
    assert "No host has `h200`." in text("", news(hosts={"b200": ("b",)}))
    loose = msgspec.structs.replace(CHANGE, blocked="the image a/b:c has no digest")
    stuck = PullCheck(recipes=(loose,), totals=TOTALS)
    assert "- `mine` is not measured as it is now: `the image a/b:c has no digest`" in text("", news(check=stuck))
    gone = PullCheck(
        recipes=(RecipeChange(id="m", sign="-", gpu="h200", added=0, removed=2, changed=0),), totals=TOTALS
    )
    for said in (
        text("", news(beyond="x")),
        text("", news(hosts={})),
        text("", news(check=gone)),
        text("", news(check=stuck)),
    ):
        assert "gh workflow run" not in said


def test_problems_are_listed_and_what_is_left_out_is_counted() -> None:
    said = text("", news(check=PullCheck(problems=("a.yaml:3: unknown flag",), problem_count=4), conclusion="failure"))
    assert "**`inferfleet check` finds 4 problems:**\n\n```text\na.yaml:3: unknown flag\n```\n\n… and 3 more." in said
    stale = PullCheck(totals=TOTALS, stale="not as the fleet's data says: sweep-00.yml")
    assert "**Run `inferfleet render` and commit what it writes:** `not as" in text("", news(check=stale))


def test_the_numbers_of_an_approved_sweep_are_a_row_for_every_planned_point() -> None:
    lost = PointLine(
        point_id="mine.tp8.1k1k.c8", outcome="infra_failed", reasons="killed", output_tok_per_s_per_gpu=None,
        interactivity_tok_per_s=None, ttft_s_p50=None,
    )  # fmt: skip
    swept = Swept(run=501, host="h200-a", sha=SHA, finished=True, points=(POINT, lost))
    said = text("", news(sweeps=(swept, Swept(run=502, host="h200-b", sha="b" * 40, finished=False))))
    assert (
        "[run 501](https://github.com/example/fleet/actions/runs/501) on `h200-a`: 2 points planned, 1 ok, 1 not"
        in said
    )
    assert "| `mine.tp8.1k1k.c4` | `ok` | 1,234.5 | 40.0 | 250.0 |" in said
    assert "| `mine.tp8.1k1k.c8` | `infra_failed: killed` |  |  |  |" in said
    assert f"on `h200-b`, of the earlier commit {'b' * 40}: has not ended yet." in said


def test_a_commit_without_a_check_and_a_result_that_cannot_be_read_are_said() -> None:
    assert "has no finished `pr check` yet" in text("", news(run=None, check=None))
    assert "Its result cannot be shown: `zip: shares bytes`" in text("", news(check=None, refused="zip: shares bytes"))


def test_the_longest_there_can_be_fits_githubs_limit() -> None:
    point = PointLine(
        point_id="x" * 500, outcome="o" * 500, reasons="", output_tok_per_s_per_gpu=1e300,
        interactivity_tok_per_s=1e300, ttft_s_p50=1e300,
    )  # fmt: skip
    for count in (1, 8):
        swept = Swept(run=10**18, host="h" * 120, sha=SHA, finished=True, points=(point,) * 5000)
        said = text(marker(1), news(check=LONGEST, sweeps=(swept,) * count, conclusion="c" * 999))
        assert len(said.encode()) < COMMENT_CHARS
        assert said.count("… and ") >= 3


@given(st.text(), st.text())
def test_a_marker_is_one_line_and_differs_with_what_it_was_made_of(left: str, right: str) -> None:
    assert (marker(left) == marker(right)) == (left == right)
    assert "\n" not in marker(left)


HOSTILE = st.text(alphabet="`|\\<>[]()!#~*_-:/ a", max_size=40).map(lambda text: f"{text}@evil{text}")


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_nothing_a_stranger_writes_is_read_as_markdown_anywhere_in_it(a: str, b: str, c: str, d: str) -> None:
    changed = msgspec.structs.replace(CHANGE, sign="~", whys=(a, b), blocked=c)
    checks = (
        PullCheck(recipes=(CHANGE, changed), recipe_count=2, totals=TOTALS, stale=d),
        PullCheck(problems=(a, b, c), problem_count=3),
        None,
    )
    point = dataclasses.replace(POINT, point_id=a, outcome=b, reasons=c)
    sweeps = tuple(
        Swept(run=501, host="h200-a", sha=SHA, finished=True, points=points, problem=problem)
        for points, problem in (((point, POINT), ""), ((), d))
    )
    for check in checks:
        for beyond in (None, b):
            said = text(marker(a), news(check=check, refused=a, beyond=beyond, conclusion=d, sweeps=sweeps))
            found = [inner for one in MARKDOWN.parse(said) for inner in (one, *(one.children or ()))]
            loose = [one for one in found if "evil" in f"{one.content} {one.attrs}" and not one.children]
            assert {one.type for one in loose} <= {"code_inline", "fence"}
            assert {one.attrs["href"] for one in found if one.type == "link_open"} <= LINKS
            assert sum(one.type == "html_block" for one in found) == 1  # the marker


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
LINKS = {
    f"https://github.com/example/fleet/actions/{page}"
    for page in ("runs/501", "runs/601", "workflows/approve-sweep.yml")
}
