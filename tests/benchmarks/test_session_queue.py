"""Requests of sessions are made ahead, sent in order, and numbered as they are sent."""

from __future__ import annotations

import json

import pytest

from benchmarks import session_queue
from benchmarks.records import Target
from benchmarks.requests import Part
from benchmarks.session_queue import SessionQueue
from benchmarks.sessions import made_up
from matrix.dialect import Dialect
from matrix.workload import ConversationWorkload

TARGET = Target(host="127.0.0.1", port=1, model="m", dialect=Dialect(no_cache={}))
TALK = ConversationWorkload(name="t", turns=3, isl=9, added=5, osl=4)


def queue(part: Part = Part(), *, warmup: bool = False) -> SessionQueue:  # noqa: B008 - a constant
    return SessionQueue(TARGET, made_up(TALK, (10, 99), "s").share(*part), 2, part, warmup=warmup)


def prompt_of(payload: bytes) -> list[int]:
    asked: list[int] = json.loads(payload.partition(b"\r\n\r\n")[2])["prompt"]
    return asked


def test_a_session_is_sent_turn_by_turn_and_then_over() -> None:
    one = queue()
    first = one.take()
    talk = first.talk
    assert talk is not None
    exchanges = [first, one.next_of(talk), one.next_of(talk)]
    assert talk.over
    assert [exchange.asked_input_tokens for exchange in exchanges] == [9, 18, 27]
    prompts = [prompt_of(exchange.payload) for exchange in exchanges]
    assert prompts[2][: len(prompts[1])] == prompts[1]
    assert [exchange.turn_of and exchange.turn_of.turn for exchange in exchanges] == [0, 1, 2]
    assert b"X-Request-Id: 0-2\r\n" in exchanges[2].payload
    with pytest.raises(StopIteration):
        one.next_of(talk)


def test_numbers_are_given_when_sent_in_steps_of_the_part() -> None:
    one = queue(Part(1, 2), warmup=True)
    for _ in range(4):
        one.make_one()
    begun = [one.take(), one.take()]
    talk = begun[1].talk
    assert talk is not None
    again = one.next_of(talk)
    assert [exchange.index for exchange in (*begun, again)] == [1, 3, 5]
    assert [exchange.turn_of and exchange.turn_of.session for exchange in (*begun, again)] == [1, 3, 3]
    assert all(exchange.warmup for exchange in begun)
    assert b"X-Request-Id: warmup-3-1\r\n" in again.payload


def test_next_turns_are_made_before_new_sessions() -> None:
    one = queue()
    while not one.full():
        one.make_one()
    talk = one.take().talk
    assert talk is not None
    assert talk.made == 1
    assert not one.full()
    one.make_one()
    assert talk.made == 2
    assert talk.gap_ns == 0


def test_the_turn_that_is_due_first_is_made_out_of_turn_and_once() -> None:
    one = queue()
    first, second = one.take().talk, one.take().talk
    assert first is not None
    assert second is not None
    one.make_next(second)
    one.make_next(second)
    assert (first.made, second.made) == (1, 2)
    for _ in range(5):
        one.make_one()
    assert (first.made, second.made) == (2, 2)
    assert one.full()


def test_a_session_that_does_not_go_on_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    one = queue()
    talk = one.take().talk
    assert talk is not None
    one.make_one()
    monkeypatch.setattr(session_queue, "MAX_AHEAD_BYTES", 1)
    assert one.full()
    one.forget(talk)
    assert talk.over
    assert not one.full()
