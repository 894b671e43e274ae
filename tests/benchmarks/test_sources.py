from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec
import pytest

from benchmarks.prompts import Purpose, point_seeds
from benchmarks.records import Prompt, Target
from benchmarks.reference.build import normalise
from benchmarks.reference.commands import SHIPPED_CORPUS, read_corpus
from benchmarks.reference.sets import SHIPPED, digest_of, read_set, write_set
from benchmarks.sources import NoPrompts, cuts_of, prompts_of, require_tokenizer, target_for
from matrix.dialect import Dialect
from matrix.facts import FileWeights, Model
from matrix.fleet import DATA, load_fleet
from matrix.words import Reason
from matrix.workload import RandomWorkload, ReferenceWorkload, TraceWorkload
from tests.benchmarks.reference.letters import small_set
from tests.fake_server.running import running

MODEL = Model(name="m", weights=FileWeights(path="m"), prompt_token_ids=(10, 50_000), source="a test")
MADE = small_set(16)
REFERENCE = ReferenceWorkload(name="r", set=digest_of(MADE), tokenizer=MADE.tokenizer.fingerprint, isl=64, osl=8)
RANDOM = RandomWorkload(name="t", isl=100, osl=8, ratio=0.5, shared_prefix_share=0.6)


def drawn(workload: RandomWorkload, count: int, night: int = 7, purpose: Purpose = "measure") -> list[Prompt]:
    return list(islice(prompts_of(workload, MODEL, point_seeds(night, "k", purpose), Path("none")), count))


def test_a_share_of_each_random_prompt_is_common_to_all_of_a_point() -> None:
    prompts = drawn(RANDOM, 60) + drawn(RANDOM, 20, purpose="warmup")
    longest = max((prompt.token_ids for prompt in prompts), key=len)
    for prompt in prompts:
        shared = len(prompt.token_ids) * 6 // 10
        assert prompt.token_ids[:shared] == longest[:shared]
    assert len({prompt.token_ids[-20:] for prompt in prompts}) == 80
    assert {len(prompt.token_ids) for prompt in prompts} <= set(range(50, 101))


def test_groups_have_a_prefix_each_and_nights_others() -> None:
    grouped = msgspec.structs.replace(RANDOM, prefix_groups=3)
    tonight = {prompt.token_ids[:30] for prompt in drawn(grouped, 60)}
    assert len(tonight) == 3
    assert not tonight & {prompt.token_ids[:30] for prompt in drawn(grouped, 60, night=8)}


def test_without_a_share_prompts_are_what_they_always_were() -> None:
    from benchmarks.prompts import random_prompts

    plain = msgspec.structs.replace(RANDOM, shared_prefix_share=0.0)
    assert drawn(plain, 5) == list(islice(random_prompts(plain, (10, 50_000), point_seeds(7, "k", "measure").own), 5))


def test_reference_prompts_come_from_the_set_the_workload_names(tmp_path: Path) -> None:
    write_set(MADE, tmp_path)
    (prompt,) = islice(prompts_of(REFERENCE, MODEL, point_seeds(7, "k", "measure"), tmp_path), 1)
    assert len(prompt.token_ids) == 64
    assert (prompt.text or "")[-40:] in MADE.text


def test_a_set_that_is_missing_or_another_tokenizers_is_a_reason(tmp_path: Path) -> None:
    other = msgspec.structs.replace(REFERENCE, tokenizer="0" * 64)
    for workload, why in ((REFERENCE, "no set"), (other, "correct `tokenizer:`")):
        with pytest.raises(NoPrompts, match=why) as caught:
            prompts_of(workload, MODEL, point_seeds(7, "k", "measure"), tmp_path)
        assert caught.value.reason is Reason.PROMPTS_MISSING
        write_set(MADE, tmp_path)


def test_a_server_that_tokenizes_otherwise_is_not_measured_with_these_prompts() -> None:
    with running(tokenizer="vllm") as server:
        with pytest.raises(NoPrompts, match="the server's tokenizer is") as caught:
            require_tokenizer(REFERENCE, server.target())
        assert caught.value.reason is Reason.MODEL_MISMATCH
    with running() as silent:
        require_tokenizer(REFERENCE, silent.target())


def test_a_prefix_cache_is_used_only_where_it_is_meant_to_be() -> None:
    dialect = Dialect(no_cache={"cache_prompt": False}, cache={"cache_prompt": True})
    target = Target(host="h", port=1, model="m", dialect=dialect)
    plain = RandomWorkload(name="t", isl=8, osl=8)
    trace = TraceWorkload(name="t", trace="t")
    asked = [target_for(workload, target).dialect.no_cache for workload in (plain, REFERENCE, RANDOM, trace)]
    assert asked == [{"cache_prompt": value} for value in (False, False, True, True)]


def test_every_shipped_reference_workload_has_its_set_and_models_that_can_read_it() -> None:
    fleet = load_fleet(DATA)
    shipped = {name: one for name, one in fleet.workloads.items() if isinstance(one, ReferenceWorkload)}
    assert shipped
    for workload in shipped.values():
        assert len(cuts_of(workload, SHIPPED).passages[workload.isl]) >= 16
        assert workload.tokenizer in {model.tokenizer for model in fleet.models.values()}


def test_every_shipped_set_is_of_the_shipped_text() -> None:
    corpus, raw = read_corpus(SHIPPED_CORPUS)
    text = normalise(raw)
    for path in SHIPPED.glob("*.json.gz"):
        made, digest = read_set(path)
        assert digest[:12] in path.name
        assert made.corpus == corpus
        assert text.startswith(made.text)
