"""The trace format: what is read is what was written, and nothing that is wrong is read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import DataProblems, FleetError
from matrix.trace import (
    Header,
    Piece,
    Trace,
    TraceSession,
    Turn,
    parse_trace,
    prompts_and_answers,
    read_trace,
    write_trace,
)

SMALL = Path(__file__).parents[1] / "data" / "traces" / "six-sessions.jsonl"
HEADER = b'{"format":"inferfleet-trace","version":1,"name":"x","source":"a test"}\n'


def test_the_small_trace_is_what_it_says() -> None:
    trace = read_trace(SMALL)
    assert (len(trace.sessions), trace.requests, trace.longest_tokens) == (6, 30, 534)
    assert trace.digest == hashlib.sha256(SMALL.read_bytes()).hexdigest()
    turns = [turn for session in trace.sessions for turn in session.turns]
    assert any(turn.think_s for turn in turns)
    assert any(turn.tool_s for turn in turns)
    assert any(turn.keep is not None for turn in turns)
    assert trace.sessions_per_s == pytest.approx(5 / 2.0)


def test_a_context_grows_by_what_was_added_and_answered_unless_less_of_it_is_kept() -> None:
    turns = (
        Turn(add=(Piece("a", 10),), out=3),
        Turn(add=(Piece("b", 5),), out=2),
        Turn(add=(Piece("c", 4),), out=1, keep=6),
    )
    assert list(prompts_and_answers(TraceSession(id="s", turns=turns))) == [(10, 3), (18, 2), (10, 1)]


def test_another_recording_than_the_one_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="its sha256 is 19be"):
        read_trace(SMALL, "0" * 64)
    with pytest.raises(FleetError, match="cannot be read"):
        read_trace(tmp_path / "none.jsonl")


def line(session: str, turns: str) -> bytes:
    return f'{{"id":"{session}","turns":[{turns}]}}\n'.encode()


@pytest.mark.parametrize(
    ("lines", "where", "what"),
    [
        (b"", 0, "no session"),
        (HEADER, 0, "no session"),
        (b'{"format":"other"}\n' + line("a", '{"add":[["x",1]],"out":1}'), 1, "not the header"),
        (HEADER.replace(b'"version":1', b'"version":2') + line("a", '{"add":[["x",1]],"out":1}'), 1, "not the header"),
        (HEADER + b"{", 2, "not a session"),
        (HEADER + line("a", ""), 2, "length >= 1"),
        (HEADER + line("a", '{"add":[["x",0]],"out":1}'), 2, ">= 1"),
        (HEADER + line("a", '{"add":[["x",1]],"out":0}'), 2, ">= 1"),
        (HEADER + line("a", '{"add":[["x",1.5]],"out":1}'), 2, "Expected `int`"),
        (HEADER + line("a", '{"add":[["x",1]],"out":1,"gap_s":2}'), 2, "gap_s"),
        (HEADER + line("a", '{"add":[],"out":1}'), 2, "empty prompt"),
        (HEADER + line("a", '{"add":[["x",1]],"out":1,"think_s":1}'), 2, "the first turn"),
        (HEADER + line("a", '{"add":[["x",1]],"out":1},{"add":[["x",1]],"out":1,"tool_s":-1}'), 2, ">= 0"),
        (HEADER + line("a", '{"add":[["x",1]],"out":1},{"add":[["x",1]],"out":1,"keep":3}'), 2, "keeps 3 tokens of 2"),
        (HEADER + line("a", '{"add":[["x",9000000],["y",9000000]],"out":1}'), 2, "at most"),
        (HEADER + 2 * line("a", '{"add":[["x",1]],"out":1}'), 3, "there twice"),
    ],
)
def test_every_wrong_line_is_named(lines: bytes, where: int, what: str) -> None:
    with pytest.raises(DataProblems) as refused:
        parse_trace(lines, "t.jsonl")
    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == ("t.jsonl", where)
    assert what in problem.message


def test_all_wrong_lines_are_named_at_once() -> None:
    good = line("a", '{"add":[["x",1]],"out":1}')
    with pytest.raises(DataProblems) as refused:
        parse_trace(HEADER + b"{\n" + good + b"[]\n", "t.jsonl")
    assert [problem.line for problem in refused.value.problems] == [2, 4]


pieces = st.builds(Piece, st.sampled_from("abc"), st.integers(1, 30), st.integers(0, 9))
first = st.builds(Turn, add=st.lists(pieces, min_size=1, max_size=3).map(tuple), out=st.integers(1, 20))
later = st.builds(
    Turn,
    add=st.lists(pieces, min_size=1, max_size=3).map(tuple),
    out=st.integers(1, 20),
    keep=st.none() | st.integers(0, 2),
    think_s=st.floats(0, 99),
    tool_s=st.floats(0, 99),
)
histories = st.tuples(first, st.lists(later, max_size=4)).map(lambda pair: (pair[0], *pair[1]))


@st.composite
def traces(draw: st.DrawFn) -> tuple[TraceSession, ...]:
    arrivals = draw(st.lists(st.floats(0, 1000), min_size=1, max_size=5))
    return tuple(
        TraceSession(id=str(number), arrival_s=arrival_s, turns=draw(histories))
        for number, arrival_s in enumerate(arrivals)
    )


@given(traces())
def test_what_is_written_is_read_back(sessions: tuple[TraceSession, ...]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        written = write_trace(path, Header(name="x", source="a test"), sessions)
        read: Trace = read_trace(path, written.digest)
    assert read == written
    assert sorted(read.sessions, key=lambda one: one.id) == sorted(sessions, key=lambda one: one.id)
    assert [one.arrival_s for one in read.sessions] == sorted(one.arrival_s for one in sessions)
