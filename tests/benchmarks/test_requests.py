from __future__ import annotations

import json
from itertools import repeat

import pytest

from benchmarks.records import Prompt, Target
from benchmarks.requests import TEMPERATURE, RequestQueue, body_of
from matrix.dialect import Dialect
from matrix.errors import FleetError

PROMPT = Prompt(token_ids=(7, 8, 9), output_tokens=4)


def target(dialect: Dialect | None = None, api_key_env: str | None = None) -> Target:
    return Target(host="h", port=1, model="m", dialect=dialect or Dialect(), api_key_env=api_key_env)


def test_a_body_says_what_is_asked_and_nothing_else() -> None:
    assert json.loads(body_of(target(Dialect(usage_needs_stream_options=False)), PROMPT)) == {
        "model": "m",
        "prompt": [7, 8, 9],
        "max_tokens": 4,
        "temperature": TEMPERATURE,
        "stream": True,
    }


def test_the_dialect_adds_its_own_fields() -> None:
    dialect = Dialect(exact_length={"ignore_eos": True}, no_cache={"cache_prompt": False})
    body = json.loads(body_of(target(dialect), PROMPT))
    assert (body["ignore_eos"], body["cache_prompt"]) == (True, False)
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("dialect", [Dialect(prompt_token_ids=False), Dialect(path="/v1/chat/completions")])
def test_an_engine_that_needs_text_is_refused_with_a_remedy(dialect: Dialect) -> None:
    with pytest.raises(FleetError, match="needs text prompts"):
        RequestQueue(target(dialect), repeat(PROMPT), 1)


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
