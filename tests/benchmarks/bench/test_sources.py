"""Sessions are said as the server wants to be asked, and counted as it counts."""

from __future__ import annotations

from collections import defaultdict

import pytest

from benchmarks.bench.discover import discover
from benchmarks.bench.options import BenchOptions
from benchmarks.bench.sources import source_of
from benchmarks.client import run_load
from benchmarks.prompts import Seeds
from benchmarks.sessions import Sessions
from matrix.errors import FleetError
from matrix.point import Concurrency
from matrix.trace import prompts_and_answers, read_trace
from matrix.workload import ConversationWorkload, TraceWorkload
from tests.benchmarks.loads import errors, stop_after
from tests.benchmarks.test_sessions import common
from tests.fake_server.running import running
from tests.matrix.test_trace import SMALL

TALK = ConversationWorkload(name="t", turns=4, isl=20, added=6, osl=8, shared=5)
TRACE = read_trace(SMALL)
RECORDED = TraceWorkload(name="t", trace="t", digest=TRACE.digest)


def options(port: int, **changes: object) -> BenchOptions:
    said = {"url": f"127.0.0.1:{port}", "load": Concurrency(streams=2), "workload": TALK, "seconds": 9.0, "seed": "s"}
    return BenchOptions(**{**said, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("template", [0, 3])
def test_a_chat_is_messages_by_turns_counted_with_their_template(template: int) -> None:
    with running(tokenizer="vllm", template_tokens=template, keep_prompts=1) as server:
        asked = options(server.port, chat=True)
        found = discover(asked)
        source = source_of(asked, found)
        before = len(server.stamps())
        window = run_load(found.target, source(Seeds("x", "x")), Concurrency(streams=2), stop_after(16))
        stamps = server.stamps()[before:]
    assert errors(window) == {None}
    for record in window.records:
        assert record.turn_of is not None
        words = 25 + record.turn_of.turn * (8 + 6)
        assert record.asked_input_tokens == record.input_tokens == words + template * (1 + 2 * record.turn_of.turn)
    held = defaultdict(list)
    for one in stamps:
        held[one.request_id.partition("-")[0]].append(one)
    for turns in held.values():
        for place, one in enumerate(turns):
            assert one.roles == ["user", "assistant"] * place + ["user"]
            assert common(tuple(turns[0].prompt), tuple(one.prompt)) == len(turns[0].prompt)


@pytest.mark.parametrize("how", ["ids", "text", "chat"])
def test_a_trace_has_its_recorded_lengths_however_it_is_said(how: str) -> None:
    spellings: dict[str, dict[str, object]] = {"ids": {"token_ids": (10, 900)}, "text": {}, "chat": {"chat": True}}
    refuses = "nothing" if how == "ids" else "ids"
    with running(tokenizer="vllm", refuses=refuses, itl_ms=0) as server:
        asked = options(server.port, workload=RECORDED, trace=SMALL, **spellings[how])
        found = discover(asked)
        source = source_of(asked, found)
        window = run_load(found.target, source(Seeds("x", "x")), Concurrency(streams=6), stop_after(24))
    assert errors(window) == {None}
    for record in window.records:
        assert record.turn_of is not None
        lengths = list(prompts_and_answers(TRACE.sessions[record.turn_of.session % 6]))
        assert (record.input_tokens, record.output_tokens) == lengths[record.turn_of.turn]


def test_a_trace_without_its_file_is_refused() -> None:
    with running(tokenizer="vllm") as server:
        asked = options(server.port, workload=RECORDED)
        with pytest.raises(FleetError, match="where is its recording"):
            source_of(asked, discover(asked))
        plain = source_of(options(server.port), discover(asked))
    assert isinstance(plain(Seeds("x", "x")), Sessions)
