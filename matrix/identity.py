"""What a server is, apart from the points measured on it: two digests that begin a new history when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.point import digest

if TYPE_CHECKING:
    from matrix.fleet import Fleet
    from matrix.group import ServerGroup


def recipe_digest(fleet: Fleet, recipe_id: str) -> str:
    """Identity of what is served, apart from the server's arguments: model, GPU, engine, precision, image.

    The list of points is left out on purpose: asking for one more concurrency must not begin a new history.
    """
    recipe = fleet.recipes[recipe_id]
    model = fleet.models[recipe.model]
    served = [recipe_id, recipe.model, model.weights, recipe.gpu, recipe.engine, recipe.precision, recipe.image]
    return digest(served if recipe.orchestrator is None else [*served, recipe.orchestrator])


def args_digest(found: ServerGroup) -> str:
    """Identity of a server's flags and environment."""
    return digest([found.args, found.env] if found.env else found.args)
