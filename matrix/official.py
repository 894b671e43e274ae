"""What an official night asks beyond `check`: nothing that is run may change under its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.facts import HubWeights, NamedWeights
from matrix.pin.reference import REGISTRIES, Failed, parse_reference
from matrix.recipe import pinned
from matrix.workload import TraceWorkload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.errors import Problem
    from matrix.fleet import Fleet
    from matrix.recipe import Recipe


def unpinned(fleet: Fleet) -> list[Problem]:
    """Images, model revisions and recordings that recipes use and that could become something else tomorrow."""
    problems = [problem for recipe in fleet.recipes for problem in _image(fleet, recipe)]
    used: dict[str, str] = {}
    for recipe, facts in fleet.recipes.items():
        used |= dict.fromkeys(models_of(facts), recipe)
    problems += [problem for model, recipe in used.items() for problem in _weights(fleet, model, recipe)]
    traces = {name for recipe in fleet.recipes.values() for layout in recipe.layouts for name in layout.points}
    problems += [problem for name in traces for problem in _recording(fleet, name)]
    return sorted(problems)


def models_of(recipe: Recipe) -> tuple[str, ...]:
    """The models a recipe loads: its own, and those that draft for it."""
    servings = (recipe.serving, *(layout.serving for layout in recipe.layouts))
    speculations = (serving.speculation for serving in servings if serving is not None)
    drafts = (speculation.draft_model for speculation in speculations if speculation is not None)
    return tuple(dict.fromkeys((recipe.model, *(draft for draft in drafts if draft is not None))))


def _image(fleet: Fleet, recipe: str) -> Iterator[Problem]:
    image = fleet.recipes[recipe].image
    if image is None:
        return
    reference = parse_reference(image)
    if isinstance(reference, Failed):
        yield fleet.problem(recipe, ("image",), f"image {image!r} {reference.why}")
    elif not pinned(image):
        remedy = f"inferfleet pin --recipe {recipe}"
        yield fleet.problem(recipe, ("image",), f"image {image!r} is a tag, which can be moved", remedy)
    elif reference.host not in REGISTRIES:
        remedy = "use one of " + ", ".join(REGISTRIES)
        yield fleet.problem(recipe, ("image",), f"image {image!r} is from an unknown registry", remedy)


def _weights(fleet: Fleet, model: str, recipe: str) -> Iterator[Problem]:
    weights = fleet.models[model].weights
    if isinstance(weights, HubWeights) and weights.revision is None:
        message, remedy = "weights have no revision, so they can change", f"inferfleet pin --models --recipe {recipe}"
        yield fleet.fact_problem("models", model, ("weights", "repo"), message, remedy)
    if isinstance(weights, NamedWeights):
        message = f"weights are known only by the name {weights.called!r}"
        yield fleet.fact_problem("models", model, ("weights",), message, "say which hub repository they are")


def _recording(fleet: Fleet, name: str) -> Iterator[Problem]:
    workload = fleet.workloads[name]
    if isinstance(workload, TraceWorkload) and workload.digest is None:
        message, remedy = "the recording has no digest, so it can change", "add its sha256 as `digest:`"
        yield fleet.fact_problem("workloads", name, ("trace",), message, remedy)
