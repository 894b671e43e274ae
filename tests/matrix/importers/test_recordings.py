"""Other people's recordings: lengths are kept, and exactly what their hashes say is shared is shared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sessions import recorded
from matrix.errors import FleetError
from matrix.importers.recordings import Asked, Blocks, Whose, import_recordings
from matrix.trace import prompts_and_answers, read_trace

IDS = (10, 10**9)


def written(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def imported(tmp_path: Path, whose: Whose, *paths: Path) -> tuple[list[list[tuple[int, ...]]], list[str]]:
    """The prompts of every session as they would be sent, and what was left out."""
    _, left = import_recordings(paths, whose, "t", "a test", tmp_path / "t.jsonl")
    trace = read_trace(tmp_path / "t.jsonl")
    replay = recorded(trace, IDS, "s")
    prompts = [[one.token_ids for one in replay.at(number).prompts] for number in range(len(trace.sessions))]
    return prompts, list(left.lines())


def common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    same = [mine == theirs for mine, theirs in zip(one, other, strict=False)]
    return same.index(False) if False in same else len(same)


def test_requests_of_mooncake_share_the_blocks_they_name(tmp_path: Path) -> None:
    """The first is the beginning of their published tool-and-agent trace, shortened."""
    path = written(
        tmp_path / "m.jsonl",
        {"timestamp": 0, "input_length": 1100, "output_length": 500, "hash_ids": [0, 1, 2]},
        {"timestamp": 3000, "input_length": 1024, "output_length": 52, "hash_ids": [0, 1]},
        {"timestamp": 3000, "input_length": 700, "output_length": 5, "hash_ids": [0, 7]},
    )
    ((first,), (second,), (third,)), left = imported(tmp_path, "mooncake", path)
    assert [len(one) for one in (first, second, third)] == [1100, 1024, 700]
    assert common(first, second) == 1024
    assert common(first, third) == 512
    assert not left
    assert read_trace(tmp_path / "t.jsonl").sessions[1].arrival_s == 3.0


def test_chats_of_bailian_are_put_together_by_their_parents(tmp_path: Path) -> None:
    path = written(
        tmp_path / "b.jsonl",
        {"chat_id": 159, "parent_chat_id": -1, "timestamp": 61.0, "input_length": 40, "output_length": 13, "turn": 1,
         "type": "text", "hash_ids": [1, 2, 3]},
        {"chat_id": 161, "parent_chat_id": -1, "timestamp": 61.5, "input_length": 32, "output_length": 3,
         "hash_ids": [1, 9]},
        {"chat_id": 160, "parent_chat_id": 159, "timestamp": 62.5, "input_length": 70, "output_length": 8, "turn": 2,
         "hash_ids": [1, 2, 4, 5, 6]},
        {"chat_id": 170, "parent_chat_id": 12, "timestamp": 70.0, "input_length": 16, "output_length": 8,
         "hash_ids": [8]},
    )  # fmt: skip
    (chat, other, _), left = imported(tmp_path, "bailian", path)
    assert [len(one) for one in chat] == [40, 70]
    assert common(*chat) == 32
    assert common(chat[0], other[0]) == 16
    assert left == ["left out or changed: 1 x turn without the one before it: begins a session"]
    session = read_trace(tmp_path / "t.jsonl").sessions[0]
    assert (session.arrival_s, session.turns[1].think_s) == (61.0, 1.5)


def weka(**changes: object) -> dict[str, object]:
    request = {"type": "s", "model": "m", "output_types": ["text"], "stop": ""}
    return {
        "id": "trace_0079",
        "models": ["m"],
        "block_size": 64,
        "hash_id_scope": "local",
        "tool_tokens": 64,
        "requests": [
            {**request, "t": 0.0, "in": 150, "out": 86, "hash_ids": [1, 2, 3], "input_types": ["text"]},
            {**request, "t": 9.0, "in": 300, "out": 20, "hash_ids": [1, 2, 4, 5], "input_types": ["tool_result"],
             "think_time": 0.7, "api_time": 2.0},
            {"t": 9.5, "type": "subagent", "agent_id": "a", "requests": [], "status": "completed"},
            {**request, "t": 15.0, "in": 320, "out": 20, "hash_ids": [1, 2, 4, 5, 6], "input_types": ["text"]},
            {**request, "t": 16.0, "in": 320, "out": 0, "hash_ids": [1, 2, 4, 5, 6], "input_types": ["text"]},
        ],
        **changes,
    }  # fmt: skip


def test_a_session_of_weka_keeps_its_blocks_and_tells_tools_from_people(tmp_path: Path) -> None:
    (turns,), left = imported(tmp_path, "weka", written(tmp_path / "w.json", weka()))
    assert [len(one) for one in turns] == [150, 300, 320]
    assert common(turns[0], turns[1]) == 128
    assert common(turns[1], turns[2]) == 256  # 44 tokens more have no hash
    assert sorted(left) == [
        "left out or changed: 1 x request without a prompt, blocks or output",
        "left out or changed: 1 x sub-agent, with its requests",
    ]
    session = read_trace(tmp_path / "t.jsonl").sessions[0]
    assert [(turn.think_s, turn.tool_s) for turn in session.turns] == [(0, 0), (0, 0.7), (4.0, 0)]


@pytest.mark.parametrize(("scope", "shared"), [("local", 0), ("global", 128)])
def test_hashes_of_two_files_are_the_same_only_where_they_say_so(tmp_path: Path, scope: str, shared: int) -> None:
    one = written(tmp_path / "1.json", weka(hash_id_scope=scope))
    other = written(tmp_path / "2.json", weka(hash_id_scope=scope, id="other"))
    (first, second), _ = imported(tmp_path, "weka", one, other)
    assert common(first[1], second[1]) >= shared
    assert (common(first[0], second[0]) > 0) == (shared > 0)


def test_what_is_no_such_recording_is_refused_with_its_line(tmp_path: Path) -> None:
    good = {"timestamp": 0, "input_length": 11, "output_length": 5, "hash_ids": [0]}
    path = written(tmp_path / "m.jsonl", good, {"timestamp": 0})
    with pytest.raises(FleetError, match=r"m\.jsonl:2: not a request"):
        imported(tmp_path, "mooncake", path)
    with pytest.raises(FleetError, match="no session of it"):
        imported(tmp_path, "mooncake", written(tmp_path / "e.jsonl", {**good, "output_length": 0}))
    with pytest.raises(FleetError, match="not a recording of a session"):
        imported(tmp_path, "weka", path)


hashes = st.lists(st.integers(0, 12), min_size=1, max_size=6, unique=True).map(tuple)


@given(st.lists(st.tuples(hashes, st.integers(1, 8)), min_size=1, max_size=8))
def test_equal_blocks_are_equal_tokens_and_different_ones_are_not(asked: list[tuple[tuple[int, ...], int]]) -> None:
    """Whatever order they come in, and whatever runs they are put together to."""
    blocks = Blocks(size=8)
    found: dict[int, tuple[str, int]] = {}
    for number, (ids, last) in enumerate(asked):
        tokens = (len(ids) - 1) * 8 + last
        pieces = blocks.pieces(Asked(tokens=tokens, out=1, hashes=ids), 0, f"rest{number}")
        assert sum(piece.tokens for piece in pieces) == tokens
        spots = [(piece.block, piece.start + at) for piece in pieces for at in range(piece.tokens)]
        for place, one in enumerate(ids):
            spot = spots[place * 8]
            assert found.setdefault(one, spot) == spot
            end = min(tokens, place * 8 + 8)
            assert spots[place * 8 : end] == [(spot[0], spot[1] + at) for at in range(end - place * 8)]
    assert len(set(found.values())) == len(found)


def test_lengths_of_an_import_are_those_of_the_recording(tmp_path: Path) -> None:
    import_recordings((written(tmp_path / "w.json", weka()),), "weka", "t", "a test", tmp_path / "t.jsonl")
    (session,) = read_trace(tmp_path / "t.jsonl").sessions
    assert list(prompts_and_answers(session)) == [(150, 86), (300, 20), (320, 20)]
