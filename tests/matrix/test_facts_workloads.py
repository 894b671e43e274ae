from __future__ import annotations

import msgspec
import pytest

from matrix.estimate import Estimator
from matrix.expand import context_tokens, expand
from matrix.fleet import DATA, load_fleet
from matrix.point import Point
from matrix.traits import traits_of
from matrix.workload import RandomWorkload, ReferenceWorkload, TraceWorkload, Workload, expects_cache_hits

TEXT = ReferenceWorkload(name="w", set="0" * 64, tokenizer="1" * 64, isl=1024, osl=128)
RANDOM = RandomWorkload(name="w", isl=1024, osl=128, ratio=1.0)


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        (RANDOM, False),
        (TEXT, False),
        (msgspec.structs.replace(RANDOM, shared_prefix_share=0.1), True),
        (msgspec.structs.replace(TEXT, shared_prefix_share=0.1), True),
        (TraceWorkload(name="w", trace="t"), True),
    ],
)
def test_cache_hits_are_expected_where_prompts_share_tokens_on_purpose(workload: Workload, *, expected: bool) -> None:
    assert expects_cache_hits(workload) is expected


def test_text_of_a_length_is_planned_as_random_tokens_of_that_length_are() -> None:
    fleet = load_fleet(DATA)
    point = next(item for item in expand(fleet) if isinstance(item, Point))
    pair = [msgspec.structs.replace(point, workload_id=one.name, workload=one) for one in (RANDOM, TEXT)]
    for facts in (context_tokens, traits_of(fleet), Estimator(fleet=fleet).point):
        random, text = (facts(one) for one in pair)
        assert random == text


def test_a_whole_prompt_cannot_be_shared() -> None:
    raw = msgspec.json.encode(TEXT).replace(b'"isl":1024', b'"isl":1024,"shared_prefix_share":1.0')
    with pytest.raises(msgspec.ValidationError, match="shared_prefix_share"):
        msgspec.json.decode(raw, type=Workload)
