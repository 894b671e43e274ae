"""`inferfleet check`: do the facts agree with one another? Every disagreement, each with file, line and remedy."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from matrix.allowlist import loose_flags
from matrix.arguments import flag_error, variable_error
from matrix.errors import nearest
from matrix.expand import Dropped, expand, layout_name, layout_of
from matrix.plan import MAX_ID_CHARS
from matrix.point import point_id
from matrix.serving import device_count
from matrix.sources import unsourced
from matrix.workload import ReferenceWorkload, SizedWorkload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from matrix.errors import Problem
    from matrix.facts import Engine
    from matrix.fleet import Fleet
    from matrix.recipe import FlagValue, Recipe, RecipeLayout
    from matrix.serving import Layout
    from matrix.yamlfile import Where


def check(fleet: Fleet) -> list[Problem]:
    """All problems of a fleet that loaded; an empty list means it can be planned."""
    problems: list[Problem] = []
    for recipe_id, recipe in fleet.recipes.items():
        problems.extend(_recipe(fleet, recipe_id, recipe))
    problems.extend(unsourced(fleet))
    problems.extend(loose_flags(fleet))
    problems.extend(_gpus_of(fleet))
    problems.extend(_machines(fleet))
    problems.extend(_groups_of_nothing(fleet))
    if not problems:
        problems.extend(_ids(fleet))
    return sorted(problems)


def _ids(fleet: Fleet) -> Iterator[Problem]:
    """Names are made by joining: two points may come to the same one, and a long one is no file name."""
    seen: dict[str, str] = {}
    for point in expand(fleet):
        if isinstance(point, Dropped):
            continue
        name = point_id(point)
        if name in seen:
            message = f"a point here and one of {seen[name]} are both called {name!r}"
            yield fleet.problem(point.recipe, (), message, "rename the recipe, the layout or the workload")
        elif len(name) > MAX_ID_CHARS:
            message = f"the point {name!r} has more than {MAX_ID_CHARS} characters"
            yield fleet.problem(point.recipe, (), message, "give the layout a shorter `name:`")
        seen[name] = point.recipe


def _machines(fleet: Fleet) -> Iterator[Problem]:
    """A host that names its machines names all of them."""
    for name, host in fleet.hosts.items():
        if host.runners and len(set(host.runners)) != host.machines:
            message = f"`machines` is {host.machines}, and `runners` names {len(set(host.runners))}"
            yield fleet.fact_problem("hosts", name, ("machines",), message, "make the two agree")


def _groups_of_nothing(fleet: Fleet) -> Iterator[Problem]:
    """One load has one spelling: how many groups share nothing would be part of a point's key all the same."""
    for name, workload in fleet.workloads.items():
        if isinstance(workload, SizedWorkload) and workload.prefix_groups > 1 and not workload.shared_prefix_share:
            message = "`prefix_groups` without `shared_prefix_share`: no prompt shares anything"
            yield fleet.fact_problem("workloads", name, ("prefix_groups",), message, "remove it, or give the share")


def _gpus_of(fleet: Fleet) -> Iterator[Problem]:
    """Hosts and prices of accelerators there are."""
    for kind, facts in (("hosts", fleet.hosts), ("prices", fleet.prices)):
        for name, fact in facts.items():
            if fact.gpu not in fleet.gpus:
                remedy = nearest(fact.gpu, fleet.gpus)
                yield fleet.fact_problem(kind, name, ("gpu",), f"unknown gpu {fact.gpu!r}", remedy)


def _recipe(fleet: Fleet, recipe_id: str, recipe: Recipe) -> Iterator[Problem]:
    unknown = list(_references(fleet, recipe_id, recipe))
    yield from unknown
    if not recipe.source.strip():
        yield fleet.problem(recipe_id, ("source",), "has no source", "say where these settings come from")
    yield from _layouts(fleet, recipe_id, recipe)
    if not unknown:
        yield from _devices(fleet, recipe_id, recipe)
        yield from _all_flags(fleet, recipe_id, recipe)


def _references(fleet: Fleet, recipe_id: str, recipe: Recipe) -> Iterator[Problem]:
    known: tuple[tuple[str, str, Collection[str]], ...] = (
        ("model", recipe.model, fleet.models),
        ("gpu", recipe.gpu, fleet.gpus),
        ("engine", recipe.engine, fleet.engines),
    )
    for key, value, ids in known:
        if value not in ids:
            yield fleet.problem(recipe_id, (key,), f"unknown {key} {value!r}", nearest(value, ids))


def _layouts(fleet: Fleet, recipe_id: str, recipe: Recipe) -> Iterator[Problem]:
    if not recipe.layouts:
        yield fleet.problem(recipe_id, ("layouts",), "has no layouts, so it measures nothing", "add one")
    names = Counter(layout_name(layout) for layout in recipe.layouts)
    for index, layout in enumerate(recipe.layouts):
        where: Where = ("layouts", index)
        name = layout_name(layout)
        if names[name] > 1:
            yield fleet.problem(recipe_id, where, f"two layouts are called {name!r}", "give one a `name:`")
        if not layout.points and not layout.searches:
            yield fleet.problem(recipe_id, where, f"layout {name} has no points", "add `points: {1k1k: [4, 16]}`")
        for workload, concurrencies in layout.points.items():
            at = (*where, "points", workload)
            if workload not in fleet.workloads:
                remedy = nearest(workload, fleet.workloads)
                yield fleet.problem(recipe_id, at, f"unknown workload {workload!r}", remedy)
            yield from _prompts(fleet, recipe_id, workload, at)
            if not concurrencies or len(set(concurrencies)) != len(concurrencies):
                yield fleet.problem(recipe_id, at, "concurrencies are missing or repeated", "list each once")
        yield from _searches(fleet, recipe_id, layout, where)


def _searches(fleet: Fleet, recipe_id: str, layout: RecipeLayout, where: Where) -> Iterator[Problem]:
    """A recipe says between which loads to look; how far that may go is the workload's to say."""
    for workload, searches in layout.searches.items():
        known = fleet.workloads.get(workload)
        if known is None:
            remedy = nearest(workload, fleet.workloads)
            yield fleet.problem(recipe_id, (*where, "searches", workload), f"unknown workload {workload!r}", remedy)
            continue
        limit = known.run_length.search.max_load
        for number, asked in enumerate(searches):
            at: Where = (*where, "searches", workload, number, "loads")
            first, last = asked.loads
            if last < first:
                yield fleet.problem(recipe_id, at, f"the loads end before they begin: {first} to {last}", "swap them")
            elif last > limit:
                message = f"a search up to {last} streams; workload {workload} allows {limit:g}"
                yield fleet.problem(recipe_id, at, message, f"write `loads: [{first}, {limit:g}]`")


def _prompts(fleet: Fleet, recipe_id: str, workload_id: str, at: Where) -> Iterator[Problem]:
    """Reference prompts are exact for the tokenizer they were made with, and for no other."""
    workload, model_id = fleet.workloads.get(workload_id), fleet.recipes[recipe_id].model
    model = fleet.models.get(model_id)
    if not isinstance(workload, ReferenceWorkload) or model is None or model.tokenizer == workload.tokenizer:
        return
    remedy = f"make a set for {model_id}: `inferfleet prompts build --tokenizer ...`, and a workload with its digest"
    if model.tokenizer is None:
        message = f"{workload_id} has prompts for one tokenizer, and {model_id} does not say which is its own"
        remedy = f"add `tokenizer:` to {model_id}; `inferfleet prompts build` prints it"
    else:
        message = f"{workload_id} has prompts for another tokenizer than that of {model_id}"
    yield fleet.problem(recipe_id, at, message, remedy)


def _devices(fleet: Fleet, recipe_id: str, recipe: Recipe) -> Iterator[Problem]:
    engine, device = fleet.engines[recipe.engine], fleet.gpus[recipe.gpu].device
    if device not in engine.devices:
        message = f"{recipe.engine} does not run on {device} devices"
        yield fleet.problem(recipe_id, ("engine",), message, "it runs on: " + ", ".join(engine.devices))
    for index, layout in enumerate(recipe.layouts):
        devices = device_count(layout_of(layout))
        for axis in unspelled(engine, layout) if recipe.flags_unknown is None else ():
            message = f"{recipe.engine} has no flag for {axis}={getattr(layout, axis)} ({devices} devices)"
            yield fleet.problem(recipe_id, ("layouts", index, axis), message, "remove it or use another engine")


def unspelled(engine: Engine, layout: Layout) -> list[str]:
    """The sizes of a layout that differ from one and for which the engine has no flag."""
    spelled = engine.layout_flags
    axes = [axis for axis in ("tp", "pp", "pcp", "dcp", "dp", "ep") if getattr(layout, axis) > 1]
    if layout.dp_attention:
        axes.append("dp_attention")
    return [axis for axis in axes if getattr(spelled, axis) is None]


def _all_flags(fleet: Fleet, recipe_id: str, recipe: Recipe) -> Iterator[Problem]:
    yield from _flags(fleet, recipe_id, recipe.flags, ("flags",))
    yield from _env(fleet, recipe_id, recipe.env, ("env",))
    for index, layout in enumerate(recipe.layouts):
        yield from _flags(fleet, recipe_id, layout.flags, ("layouts", index, "flags"))
        yield from _env(fleet, recipe_id, layout.env, ("layouts", index, "env"))


def _flags(fleet: Fleet, recipe_id: str, flags: dict[str, FlagValue], where: Where) -> Iterator[Problem]:
    engine = fleet.engines[fleet.recipes[recipe_id].engine]
    for name, value in flags.items():
        if wrong := flag_error(engine, name, value):
            message, remedy = wrong
            yield fleet.problem(recipe_id, (*where, name), message, remedy)


def _env(fleet: Fleet, recipe_id: str, env: dict[str, str], where: Where) -> Iterator[Problem]:
    engine = fleet.engines[fleet.recipes[recipe_id].engine]
    for name, value in env.items():
        if wrong := variable_error(engine, name, value):
            message, remedy = wrong
            yield fleet.problem(recipe_id, (*where, name), message, remedy)
