"""Why a server group is planned but must not be launched. Everything here is a fact we lack, never a judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.facts import HubWeights, NamedWeights
from matrix.recipe import pinned
from matrix.serving import pools
from matrix.workload import ReferenceWorkload, TraceWorkload

if TYPE_CHECKING:
    from matrix.facts import Model
    from matrix.fleet import Fleet
    from matrix.plan import Server
    from matrix.point import Point


def why_blocked(fleet: Fleet, point: Point) -> str | None:
    """The first reason why the server of this point's group may not be started; None when it may."""
    recipe = fleet.recipes[point.recipe]
    if recipe.flags_unknown is not None:
        return f"its server flags are unknown: {recipe.flags_unknown}"
    if any(pool.settings for pool in pools(point.layout)):
        return "its layout has another launcher's settings, which we cannot carry out"
    if point.layout.prefill is not None or point.layout.decode is not None:
        return "no backend joins prefill and decode pools yet"
    return _why_not_measurable(fleet.models[recipe.model], point)


def _why_not_measurable(model: Model, point: Point) -> str | None:
    if isinstance(model.weights, NamedWeights):
        return f"its weights are known only by the name {model.weights.called!r}"
    if isinstance(point.workload, TraceWorkload) and (why := _why_not_replayable(point.workload)):
        return why
    if not isinstance(point.workload, ReferenceWorkload) and model.prompt_token_ids is None:
        return "the model's ordinary token ids are unknown, so no random prompt can be made"
    speculation = point.serving.speculation
    if speculation is not None and speculation.method != "none":
        if not isinstance(point.workload, ReferenceWorkload):
            return "speculative decoding on random tokens would measure the acceptance of noise"
        return "how many drafted tokens were accepted is not published yet, and without it a speedup cannot be judged"
    return None


def _why_not_replayable(workload: TraceWorkload) -> str | None:
    if workload.digest is None:
        return f"the recording {workload.trace} has no digest, so nobody can say what would be replayed"
    if workload.longest_tokens is None:
        return f"how long the longest request of {workload.trace} is, is unknown"
    return None


def why_unpinned(server: Server) -> str | None:
    """What of a server could change under its name between two nights; None when nothing can."""
    if not pinned(server.image):
        return f"the image {server.image} has no digest"
    weights = server.model.weights
    if isinstance(weights, HubWeights) and weights.revision is None:
        return f"the model {server.model_id} has no revision"
    return None
