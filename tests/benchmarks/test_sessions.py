"""Replayed prompts are exactly as long as recorded, and exactly what was shared is shared."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.sessions import Blocks, Sessions, conversation, made_up, recorded, spoken
from matrix.trace import Header, Piece, Trace, TraceSession, Turn, prompts_and_answers, read_trace
from matrix.workload import ConversationWorkload
from tests.matrix.test_trace import SMALL, traces

IDS = (10, 100_000)
MADE_UP = ConversationWorkload(name="t", turns=4, isl=40, added=12, osl=10, shared=16, ratio=0.5, gap_s=2.0)


def trace_of(*sessions: TraceSession) -> Trace:
    return Trace(header=Header(name="t", source="a test"), sessions=sessions, digest="0" * 64)


def prompts(sessions: Sessions, number: int) -> list[tuple[int, ...]]:
    return [prompt.token_ids for prompt in sessions.at(number).prompts]


def common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Tokens of the prefix they share."""
    same = [mine == theirs for mine, theirs in zip(one, other, strict=False)]
    return same.index(False) if False in same else len(same)


@given(traces())
@settings(max_examples=50)
def test_prompts_have_the_recorded_lengths_and_keep_the_recorded_prefixes(sessions: tuple[TraceSession, ...]) -> None:
    replay = recorded(trace_of(*sessions), IDS, "s")
    for number, session in enumerate(sessions):
        found = list(replay.at(number).prompts)
        assert [(len(one.token_ids), one.output_tokens) for one in found] == list(prompts_and_answers(session))
        for before, after, turn in zip(found, found[1:], session.turns[1:], strict=False):
            kept = len(before.token_ids) if turn.keep is None else min(turn.keep, len(before.token_ids))
            assert after.token_ids[:kept] == before.token_ids[:kept]
    assert replay.arrivals_s == tuple(session.arrival_s for session in sessions)


def test_the_answer_stands_in_the_context_between_the_prompt_and_what_is_added() -> None:
    turns = (Turn(add=(Piece("a", 5),), out=7), Turn(add=(Piece("a", 3, 2),), out=1))
    first, second = prompts(recorded(trace_of(TraceSession(id="s", turns=turns)), IDS, "s"), 0)
    assert second[:5] == first
    assert len(second) == 5 + 7 + 3
    assert second[12:] == first[2:5]  # the same stretch of the same block


def test_sessions_share_the_prefixes_that_were_recorded_and_no_more() -> None:
    replay = recorded(read_trace(SMALL), IDS, "s")
    agent_1, agent_2, chat_1, agent_3, _, chat_3 = (prompts(replay, number) for number in range(6))
    assert common(agent_1[0], agent_2[0]) == 160
    assert agent_2[0][160:240] == agent_1[1][-80:]  # what the same tool said, after another answer
    assert common(agent_1[0], agent_3[0]) == 140
    assert common(chat_1[0], chat_3[0]) == 30
    assert common(agent_1[0], chat_1[0]) == 0
    assert common(agent_1[3], agent_1[4]) == 120  # its context was summed up: the system prompt is left


def test_another_pass_or_seed_shares_nothing() -> None:
    replay = recorded(read_trace(SMALL), IDS, "s")
    first, again = prompts(replay, 0), prompts(replay, 6)
    assert list(map(len, first)) == list(map(len, again))
    assert common(first[0], again[0]) == 0
    assert common(first[0], prompts(recorded(read_trace(SMALL), IDS, "another"), 0)[0]) == 0


def test_waits_are_the_recorded_ones_cut_where_asked() -> None:
    trace = read_trace(SMALL)
    gaps = recorded(trace, IDS, "s").at(0).gaps_ns
    assert gaps == tuple(round((turn.think_s + turn.tool_s) * 1e9) for turn in trace.sessions[0].turns)
    assert max(recorded(trace, IDS, "s", longest_gap_s=0.1).at(0).gaps_ns) == 100_000_000


@pytest.mark.parametrize("kind", ["recorded", "made up"])
def test_a_session_is_the_same_however_it_is_come_by(kind: str) -> None:
    def fresh() -> Sessions:
        return recorded(read_trace(SMALL), IDS, "s") if kind == "recorded" else made_up(MADE_UP, IDS, "s")

    in_order = [[prompt.token_ids for prompt in session.prompts] for session in islice(fresh(), 9)]
    assert prompts(fresh(), 7) == in_order[7]
    shares = [fresh().share(part, 2) for part in range(2)]
    numbers = [[next(share).number for _ in range(3)] for share in shares]
    assert numbers == [[0, 2, 4], [1, 3, 5]]
    assert all(share.arrivals_s == fresh().arrivals_s for share in shares)


@given(st.integers(0, 10**6), st.integers(0, 50), st.integers(1, 50))
def test_a_stretch_of_a_block_is_the_same_from_wherever_it_is_taken(seed: int, start: int, tokens: int) -> None:
    blocks = Blocks(seed=str(seed), token_range=(3, 11))
    whole = blocks.stretch("b", 0, 200)
    assert blocks.stretch("b", start, tokens).tolist() == whole[start : start + tokens].tolist()
    assert min(whole) >= 3
    assert max(whole) < 11


def test_made_up_conversations_have_the_lengths_they_are_asked_for() -> None:
    records = [conversation(MADE_UP, "s", number) for number in range(200)]
    assert {len(record.turns) for record in records} == {4}
    first = [record.turns[0].add[-1].tokens for record in records]
    later = [turn.add[0].tokens for record in records for turn in record.turns[1:]]
    assert (min(first), max(first), min(later), max(later)) == (20, 40, 6, 12)
    longest = max(sum(lengths) for record in records for lengths in prompts_and_answers(record))
    assert longest <= MADE_UP.longest_tokens
    gaps = [turn.think_s for record in records for turn in record.turns[1:]]
    assert sum(gaps) / len(gaps) == pytest.approx(2.0, rel=0.2)
    assert len({record.turns[1].think_s for record in records}) == 200


def test_made_up_conversations_share_what_they_are_told_to_and_nothing_else() -> None:
    replay = made_up(MADE_UP, IDS, "s")
    one, other = prompts(replay, 0), prompts(replay, 1)
    assert common(one[0], other[0]) == 16
    assert all(common(before, after) == len(before) for before, after in pairwise(one))


def test_tools_and_people_are_told_apart() -> None:
    workload = ConversationWorkload(
        name="t", turns=2, isl=4, added=4, osl=4, gap_s=1.5, gap_shape="constant", waits_for="tool"
    )
    later = conversation(workload, "s", 3).turns[1]
    assert (later.tool_s, later.think_s) == (1.5, 0.0)
    assert workload.longest_tokens == 4 + 4 + 4 + 4


@pytest.mark.parametrize(
    ("messages", "kept", "added", "found"),
    [
        ((), 0, 9, (9,)),
        ((9, 4), 13, 5, (9, 4, 5)),
        ((9, 4), 11, 5, (9, 2, 5)),  # an answer was cut
        ((9, 4), 9, 5, (14,)),  # it was thrown away: the user goes on
        ((9, 4, 5, 6), 3, 5, (8,)),
        ((9, 4), 13, 0, (9, 4)),
    ],
)
def test_messages_are_the_users_and_the_assistants_by_turns(
    messages: tuple[int, ...], kept: int, added: int, found: tuple[int, ...]
) -> None:
    assert spoken(messages, kept, added) == found
