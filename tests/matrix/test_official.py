from __future__ import annotations

from pathlib import Path

import pytest

from matrix.fleet import load_fleet
from matrix.official import models_of, unpinned
from matrix.serving import Serving, Speculation
from tests.fleets import MODEL, RECIPE, WORKLOADS, write_fleet

SHA = "sha256:" + "a" * 64
HUB = "weights: {kind: hub, repo: a/b}"
TRACE = "short:\n  kind: trace\n  name: t\n  trace: t\n  source: s\n" + WORKLOADS[WORKLOADS.index("long:") :]


def said(root: Path, **files: str) -> str:
    return "\n".join(map(str, unpinned(load_fleet(write_fleet(root, **files)))))


def image(name: str) -> str:
    return RECIPE.replace("  layouts:", f'  image: "{name}"\n  layouts:')


def test_what_cannot_change_is_official(tmp_path: Path) -> None:
    assert said(tmp_path, recipe=image(f"nvcr.io/a/b:c@{SHA}")) == ""
    assert said(tmp_path) == ""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"recipe": image("vllm/vllm-openai:v1")},
            "recipes/test.yaml:6: recipe tiny-cpu: image 'vllm/vllm-openai:v1' is a tag, which can be moved",
        ),
        ({"recipe": image(f"evil.example/a/b@{SHA}")}, "is from an unknown registry"),
        ({"recipe": image("a//b")}, "is not an image reference"),
        (
            {"model": MODEL.replace('weights: {kind: file, path: "PATH"}', HUB)},
            "models/test.yaml:3: models/tiny: weights have no revision, so they can change",
        ),
        (
            {"model": MODEL.replace('kind: file, path: "PATH"', "kind: named, called: their-name")},
            "known only by the name 'their-name'",
        ),
        ({"workloads": TRACE}, "workloads/test.yaml:4: workloads/short: the recording has no digest"),
    ],
)
def test_what_can_change_is_named_with_its_line_and_the_remedy(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    assert words in said(tmp_path, **files)


def test_the_remedy_is_the_command_to_type(tmp_path: Path) -> None:
    text = said(tmp_path, recipe=image("a/b:c"), model=MODEL.replace('weights: {kind: file, path: "PATH"}', HUB))
    assert "fix: inferfleet pin --recipe tiny-cpu\n" in f"{text}\n"
    assert "fix: inferfleet pin --models --recipe tiny-cpu\n" in f"{text}\n"


def test_a_model_no_recipe_uses_is_nobodys_problem(tmp_path: Path) -> None:
    unused = MODEL.replace("tiny:", "unused:").replace('weights: {kind: file, path: "PATH"}', HUB)
    assert said(tmp_path, model=MODEL + unused) == ""


def test_the_models_that_draft_are_models_of_a_recipe(tmp_path: Path) -> None:
    import msgspec

    recipe = load_fleet(write_fleet(tmp_path)).recipes["tiny-cpu"]
    drafting = Serving(speculation=Speculation(method="eagle3", draft_model="drafter"))
    assert models_of(recipe) == ("tiny",)
    assert models_of(msgspec.structs.replace(recipe, serving=drafting)) == ("tiny", "drafter")
