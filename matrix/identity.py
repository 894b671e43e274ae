"""What a server is, apart from the points measured on it.

Two digests are part of a series: when one changes, a new history begins. The image is not: a history is there to show
what a new image did, and every row names its own. To the rota, which measures at once what changed, it is a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.point import digest

if TYPE_CHECKING:
    from matrix.fleet import Fleet
    from matrix.group import ServerGroup


def recipe_digest(fleet: Fleet, recipe_id: str) -> str:
    """Identity of what is served, apart from the server's arguments and its image: model, GPU, engine, precision.

    The list of points is left out on purpose: asking for one more concurrency must not begin a new history.
    """
    recipe = fleet.recipes[recipe_id]
    model = fleet.models[recipe.model]
    served = [recipe_id, recipe.model, model.weights, recipe.gpu, recipe.engine, recipe.precision]
    return digest(served if recipe.orchestrator is None else [*served, recipe.orchestrator])


def args_digest(found: ServerGroup) -> str:
    """Identity of a server's flags and environment."""
    return digest([found.args, found.env] if found.env else found.args)


def served(recipe: str, args: str, image: str | None) -> str:
    """All that a point is measured with, from the two digests and the image: what is changed is measured tonight."""
    return f"{recipe}/{args}/{image or '-'}"
