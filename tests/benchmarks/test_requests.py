from __future__ import annotations

import json
from itertools import repeat

import pytest

from benchmarks import requests
from benchmarks.records import Prompt, Target
from benchmarks.requests import TEMPERATURE, Form, Part, RequestQueue
from matrix.dialect import Dialect
from matrix.errors import FleetError

PROMPT = Prompt(token_ids=(7, 8, 9), output_tokens=4)


def target(dialect: Dialect | None = None, api_key_env: str | None = None) -> Target:
    return Target(host="h", port=1, model="m", dialect=dialect or Dialect(), api_key_env=api_key_env)


def test_a_body_says_what_is_asked_and_nothing_else() -> None:
    assert json.loads(Form(target(Dialect(usage_needs_stream_options=False))).body(PROMPT)) == {
        "model": "m",
        "prompt": [7, 8, 9],
        "max_tokens": 4,
        "temperature": TEMPERATURE,
        "stream": True,
    }


def test_the_dialect_adds_its_own_fields() -> None:
    dialect = Dialect(exact_length={"ignore_eos": True}, no_cache={"cache_prompt": False})
    body = json.loads(Form(target(dialect)).body(PROMPT))
    assert (body["ignore_eos"], body["cache_prompt"]) == (True, False)
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("dialect", [Dialect(prompt_token_ids=False), Dialect(path="/v1/chat/completions")])
def test_an_engine_that_needs_text_is_refused_with_a_remedy(dialect: Dialect) -> None:
    with pytest.raises(FleetError, match="needs text prompts"):
        RequestQueue(target(dialect), repeat(PROMPT), 1).make_one()


def test_text_goes_where_ids_are_not_taken() -> None:
    prompt = Prompt(token_ids=(7, 8), output_tokens=4, text='say "é"', template_tokens=3)
    assert json.loads(Form(target(Dialect(prompt_token_ids=False))).body(prompt))["prompt"] == 'say "é"'
    chat = target(Dialect(path="/v1/chat/completions"))
    body = json.loads(Form(chat).body(prompt))
    assert body["messages"] == [{"role": "user", "content": 'say "é"'}]
    assert "prompt" not in body
    assert RequestQueue(chat, repeat(prompt), 1).take().asked_input_tokens == 2 + 3


def test_the_length_of_a_body_is_stated() -> None:
    head, _, body = Form(target()).payload(PROMPT, "7").partition(b"\r\n\r\n")
    assert head.endswith(b"X-Request-Id: 7\r\nContent-Length: %d" % len(body))
    assert head.count(b"Content-Length") == 1


def test_a_worker_numbers_its_share() -> None:
    queue = RequestQueue(target(), repeat(PROMPT), 3, Part(2, 5))
    assert [queue.take().index for _ in range(3)] == [2, 7, 12]


def test_no_more_is_made_ahead_than_fits_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_AHEAD_BYTES", 1000)
    queue = RequestQueue(target(), repeat(PROMPT), 1000)
    while not queue.full():
        queue.make_one()
    made = 0
    while queue.full():
        queue.take()
        made += 1
    assert made == 1
    assert len(queue.take().payload) < 1000


def test_requests_are_numbered_and_made_ahead() -> None:
    queue = RequestQueue(target(), repeat(PROMPT), 3)
    while not queue.full():
        queue.make_one()
    taken = [queue.take() for _ in range(5)]
    assert [exchange.index for exchange in taken] == [0, 1, 2, 3, 4]
    assert b"X-Request-Id: 4\r\n" in taken[4].payload
    assert (taken[0].asked_input_tokens, taken[0].asked_output_tokens) == (3, 4)


def test_an_api_key_comes_from_the_named_variable_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_TEST_KEY", "secret")
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    assert (
        b"Authorization: Bearer secret\r\n"
        in RequestQueue(target(api_key_env="FLEET_TEST_KEY"), repeat(PROMPT), 1).take().payload
    )
    assert b"Authorization" not in RequestQueue(target(), repeat(PROMPT), 1).take().payload


@pytest.mark.parametrize("key", [None, "", "two\nlines"])
def test_an_unusable_api_key_is_the_users_error_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.delenv("FLEET_TEST_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("FLEET_TEST_KEY", key)
    with pytest.raises(FleetError, match="FLEET_TEST_KEY") as caught:
        RequestQueue(target(api_key_env="FLEET_TEST_KEY"), repeat(PROMPT), 1)
    assert "lines" not in str(caught.value)
