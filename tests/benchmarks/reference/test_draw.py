from __future__ import annotations

import hashlib
import pickle
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.prompts import Numbered, Purpose, Seeds, point_seeds
from benchmarks.records import Prompt
from benchmarks.reference.draw import SALT_TOKENS, Cuts, reference_prompts, word_prompts
from benchmarks.reference.sets import digest_of
from matrix.errors import FleetError
from matrix.workload import ReferenceWorkload
from tests.benchmarks.reference.letters import Letters, small_set

MADE = small_set()
CUTS = Cuts.of(MADE)
LETTERS = Letters()
WORKLOAD = ReferenceWorkload(name="t", set=digest_of(MADE), tokenizer=MADE.tokenizer.fingerprint, isl=64, osl=8)


def drawn(workload: ReferenceWorkload, count: int, night: int = 7, purpose: Purpose = "measure") -> list[Prompt]:
    return list(islice(reference_prompts(workload, CUTS, point_seeds(night, "k", purpose)), count))


def workload(share: float, groups: int = 1, isl: int = 64) -> ReferenceWorkload:
    return ReferenceWorkload(
        name="t",
        set=WORKLOAD.set,
        tokenizer=WORKLOAD.tokenizer,
        isl=isl,
        osl=8,
        shared_prefix_share=share,
        prefix_groups=groups,
    )


def passages(prompts: list[Prompt]) -> list[str]:
    """The end of each prompt: long enough to tell passages apart."""
    return [(prompt.text or "")[-60:] for prompt in prompts]


def common(one: Prompt, other: Prompt) -> int:
    pairs = zip(one.token_ids, other.token_ids, strict=False)
    return next((n for n, (left, right) in enumerate(pairs) if left != right), len(one.token_ids))


@settings(max_examples=40, deadline=None)
@given(
    night=st.integers(0, 2**40),
    isl=st.sampled_from([64, 256]),
    share=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 0.99]),
    groups=st.sampled_from([1, 3]),
)
def test_every_prompt_has_exactly_its_tokens_as_ids_and_as_text(
    night: int, isl: int, share: float, groups: int
) -> None:
    for prompt in drawn(workload(share, groups, isl), 3, night):
        assert len(prompt.token_ids) == isl
        assert prompt.text is not None
        assert LETTERS.ids(prompt.text) == prompt.token_ids
        assert prompt.output_tokens == 8


def test_passages_are_used_once_before_one_comes_again_and_then_in_another_order() -> None:
    pool = 32 - 32 // 8
    ends = passages(drawn(WORKLOAD, 2 * pool))
    assert len(set(ends[:pool])) == pool
    assert set(ends[pool:]) == set(ends[:pool])
    assert ends[pool:] != ends[:pool]


def test_no_two_prompts_begin_alike_not_even_those_of_one_passage() -> None:
    prompts = drawn(WORKLOAD, 200) + drawn(WORKLOAD, 200, night=8)
    assert len({prompt.token_ids[:SALT_TOKENS] for prompt in prompts}) == 400


def test_another_night_takes_other_passages_in_another_order() -> None:
    nights = [tuple(passages(drawn(WORKLOAD, 8, night))) for night in range(12)]
    assert len(set(nights)) == 12
    assert len({frozenset(night) for night in nights}) > 6


def test_the_same_night_and_point_give_the_same_prompts() -> None:
    assert drawn(WORKLOAD, 30)[:5] == drawn(WORKLOAD, 5)
    other = list(islice(reference_prompts(WORKLOAD, CUTS, point_seeds(7, "other", "measure")), 5))
    assert drawn(WORKLOAD, 5) != other


@pytest.mark.parametrize(("share", "groups"), [(0.0, 1), (0.5, 1), (0.5, 8)])
def test_a_warm_up_reads_other_passages_than_the_measurement(share: float, groups: int) -> None:
    of = workload(share, groups)
    assert not set(passages(drawn(of, 100))) & set(passages(drawn(of, 100, purpose="warmup")))


def test_a_shared_prefix_is_common_to_all_prompts_and_to_the_warm_up() -> None:
    prompts = drawn(workload(0.5, isl=256), 40) + drawn(workload(0.5, isl=256), 10, purpose="warmup")
    lengths = [common(prompts[0], prompt) for prompt in prompts[1:]]
    assert min(lengths) == 128
    assert max(lengths) < 128 + SALT_TOKENS


def test_groups_share_a_prefix_each_and_none_between_them() -> None:
    prompts = drawn(workload(0.5, 4, isl=256), 80)
    heads = {prompt.token_ids[:128] for prompt in prompts}
    assert len(heads) == 4
    assert len({head[:SALT_TOKENS] for head in heads}) == 4


def test_a_shared_prefix_is_another_one_each_night() -> None:
    assert common(drawn(workload(0.5), 1, night=1)[0], drawn(workload(0.5), 1, night=2)[0]) < SALT_TOKENS


def test_a_length_the_set_lacks_is_refused_with_what_makes_it() -> None:
    with pytest.raises(FleetError, match=r"passages of 64, 256 tokens, none of 100.*--isl 100"):
        reference_prompts(workload(0.0, isl=100), CUTS, Seeds("a", "b"))


def test_more_groups_than_passages_are_refused() -> None:
    with pytest.raises(FleetError, match="has 32 passages of 64 tokens, and 42 are needed"):
        reference_prompts(workload(0.5, 40), CUTS, Seeds("a", "b"))


def test_workers_share_the_prompts_out_without_one_twice() -> None:
    whole = drawn(WORKLOAD, 12)
    parts = [reference_prompts(WORKLOAD, CUTS, point_seeds(7, "k", "measure")).share(part, 3) for part in range(3)]
    assert [next(parts[number % 3]) for number in range(12)] == whole


def test_prompts_travel_to_another_process_as_they_are() -> None:
    prompts = reference_prompts(workload(0.5, 2), CUTS, point_seeds(7, "k", "measure"))
    sent: Numbered = pickle.loads(pickle.dumps(prompts))
    assert [next(sent) for _ in range(5)] == [next(prompts) for _ in range(5)]


def test_a_small_question_is_made_of_words_of_the_text() -> None:
    for prompt in islice(word_prompts(CUTS, 8, 2, "s"), 20):
        assert len(prompt.token_ids) == 8
        assert LETTERS.ids(prompt.text or "") == prompt.token_ids


def test_a_word_begins_with_a_space_and_a_letter() -> None:
    starts = np.flatnonzero(CUTS.word_starts)[:-1]
    begins = [CUTS.text[int(CUTS.ends[start - 1]) if start else 0 :][:2] for start in starts.tolist()]
    assert all(begin[0] == " " and begin[1].isalpha() for begin in begins)


def test_prompts_of_a_set_and_a_seed_never_change() -> None:
    """Tonight's numbers can be measured again with tonight's prompts."""
    text = "\n".join(prompt.text or "" for prompt in drawn(workload(0.25, 2), 5))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "561dd92daed68dae"
