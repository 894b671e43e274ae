"""InferenceX's masters as our recipes: nothing is dropped without being counted in the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import msgspec

from matrix.check import unspelled
from matrix.importers import theirs
from matrix.importers.layouts import Context, layout_of, name_layouts, serving_of
from matrix.importers.names import engine_and_orchestrator, image_reference, slug
from matrix.importers.report import Findings, ImportReport, Kind
from matrix.importers.stubs import Stubs
from matrix.importers.theirs import Config, Entry, Runners, Script, concurrencies
from matrix.importers.tuned import Tuning, matching, tuning, untuned
from matrix.recipe import Recipe, RecipeLayout, pinned
from matrix.serving import Layout, Serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matrix.facts import Engine, Gpu, Host, Model, Precision
    from matrix.fleet import Fleet
    from matrix.workload import Workload
    from matrix.yamlfile import Value

Measured = dict[str, list[int]]  # workload -> concurrencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Recipes, and every other fact they refer to: as the known fleet has it, or as a stub."""

    recipes: Mapping[str, Recipe]
    models: Mapping[str, Model]
    gpus: Mapping[str, Gpu]
    hosts: Mapping[str, Host]
    workloads: Mapping[str, Workload]
    engines: Mapping[str, Engine]
    report: ImportReport


def import_masters(
    masters: Mapping[str, Value], runners: Runners, scripts: tuple[Script, ...], known: Fleet
) -> Imported:
    """`masters` by file name, parsed. `known` is asked for models, GPUs, engines, hosts and workloads first."""
    run = _Import(runners=runners, scripts=scripts, stubs=Stubs(known, runners, findings := Findings()), found=findings)
    for file, master in masters.items():
        for key, config in theirs.configs(master, file, findings):
            run.add(file, key, config)
    return run.finish()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One server of a configuration, with what to measure on it."""

    layout: Layout
    serving: Serving
    points: Measured


class _Import:
    def __init__(self, *, runners: Runners, scripts: tuple[Script, ...], stubs: Stubs, found: Findings) -> None:
        self.runners = runners
        self.scripts = scripts
        self.stubs = stubs
        self.findings = found
        self.recipes: dict[str, Recipe] = {}
        self.seen: dict[tuple[object, ...], str] = {}  # a point of theirs -> the configuration that asked first
        self.configs = self.entries = self.asked = 0

    def add(self, file: str, key: str, config: Config) -> None:
        """One configuration is one recipe."""
        self.configs += 1
        gpu = self.stubs.gpu(config.runner)
        if gpu is None or slug(key) in self.recipes:
            why = "its runner names no accelerator we know" if gpu is None else "another one has its name"
            self.findings.add(Kind.SKIPPED, f"a configuration: {why}", key)
            return
        recipe = self._recipe(file, key, config, gpu)
        if not recipe.layouts:
            self.findings.add(Kind.SKIPPED, "a configuration without a point of its own", key)
            return
        try:
            self.recipes[slug(key)] = msgspec.convert(msgspec.to_builtins(recipe), Recipe)
        except msgspec.ValidationError as error:
            self.findings.add(Kind.SKIPPED, f"a configuration: {error}", key)

    def _recipe(self, file: str, key: str, config: Config, gpu: str) -> Recipe:
        servers = self._servers(key, config)
        engine_id, orchestrator = engine_and_orchestrator(config.framework)
        engine = self.stubs.engine(engine_id, gpu)
        tuned = self._tuning(key, config, gpu, engine, servers)
        return Recipe(
            model=self.stubs.model(config),
            gpu=gpu,
            engine=engine,
            precision=cast("Precision", config.precision),
            image=self._image(config.image),
            orchestrator=orchestrator,
            host=self.stubs.host(config),
            serving=_shared(servers) or Serving(),
            flags=tuned.flags,
            flags_unknown=tuned.unknown,
            env=tuned.env,
            layouts=_layouts(servers),
            source=f"InferenceX {file}: {key}",
        )

    def _servers(self, key: str, config: Config) -> list[_Asked]:
        """The distinct servers of a configuration; equal ones of several workloads are one."""
        servers: dict[tuple[Layout, Serving], _Asked] = {}
        for workload, dram, entry in self._measurements(config):
            self.entries += 1
            context = Context(
                key=key,
                config=config,
                hardware=self.runners.hardware.get(config.runner),
                per_node=self.stubs.per_node(config),
                dram_utilization=dram,
                findings=self.findings,
            )
            server = (layout_of(entry, context), serving_of(entry, context))
            wanted = concurrencies(entry)
            self.asked += len(wanted)
            if not wanted:
                self.findings.add(Kind.SKIPPED, "an entry without concurrencies", key)
            for streams in self._unseen(key, config, (*server, workload), wanted):
                asked = servers.setdefault(server, _Asked(layout=server[0], serving=server[1], points={}))
                asked.points.setdefault(workload, []).append(streams)
        return list(servers.values())

    def _unseen(
        self, key: str, config: Config, where: tuple[Layout, Serving, str], wanted: tuple[int, ...]
    ) -> Iterator[int]:
        """The concurrencies that no configuration before asked for on an equal server."""
        served = (config.model, config.image, config.framework, config.precision, config.runner)
        for streams in wanted:
            point = (served, where, streams)
            if point in self.seen:
                self.findings.add(Kind.DUPLICATE, f"a point of {self.seen[point]}", key)
            else:
                self.seen[point] = key
                yield streams

    def _measurements(self, config: Config) -> Iterator[tuple[str, float | None, Entry]]:
        for lengths in config.fixed:
            workload = self.stubs.fixed_workload(lengths)
            for entry in lengths.search_space:
                yield workload, None, entry
        for section in config.scenarios.agentic_coding:
            workload = self.stubs.agentic_workload()
            for entry in section.search_space:
                yield workload, section.dram_utilization, entry

    def _image(self, image: str) -> str:
        reference = image_reference(image)
        if not pinned(reference):
            self.findings.add(Kind.UNPINNED, "an image named by a tag", reference)
        return reference

    def _tuning(self, key: str, config: Config, gpu: str, engine_id: str, servers: list[_Asked]) -> Tuning:
        why = self._why_untuned(config)
        engine = self.stubs.engines[engine_id]
        specs = {server.serving.speculation is not None for server in servers}
        words = (config.model_prefix, config.precision, gpu)
        found = matching(self.scripts, words, engine_id, "mtp" if True in specs else "none", config.era)
        if why is None and (len(specs) > 1 or not found):
            why = f"the flags file has no script for {'_'.join(words)} with {engine_id}"
        if why is not None:
            self.findings.add(Kind.UNKNOWN, f"server flags: {why.split(' for ')[0]}", key)
            return untuned(why)
        tuned = tuning(found, engine, key, self.findings)
        unspelled_axes = sorted({axis for server in servers for axis in unspelled(engine, server.layout)})
        if unspelled_axes:
            also = f"{engine_id} has no flag in our list for {', '.join(unspelled_axes)}"
            self.findings.add(Kind.UNKNOWN, also, key)
            return replace(tuned, unknown="; ".join(filter(None, (tuned.unknown, also))))
        return tuned

    def _why_untuned(self, config: Config) -> str | None:
        if not self.scripts:
            return "no file of flags was given"
        if config.multinode:
            return "their multi-node launcher keeps flags in files of its own"
        return "the flags file covers fixed lengths only" if config.scenarios.agentic_coding else None

    def finish(self) -> Imported:
        layouts = [layout for recipe in self.recipes.values() for layout in recipe.layouts]
        points = sum(len(found) for layout in layouts for found in layout.points.values())
        for model_id, model in self.stubs.models.items():
            if getattr(model.weights, "revision", "") is None:
                self.findings.add(Kind.UNPINNED, "a model without a revision", model_id)
        self.findings.add(Kind.LOST, "max-model-len: the fleet computes a server's context itself", "every point")
        self.findings.add(Kind.LOST, "run-eval, eval-conc: which points get an accuracy run is policy", "every point")
        report = ImportReport(
            configs=self.configs,
            entries=self.entries,
            recipes=len(self.recipes),
            layouts=len(layouts),
            asked=self.asked,
            points=points,
            launchable=sum(recipe.flags_unknown is None for recipe in self.recipes.values()),
            findings=self.findings.closed(),
        )
        stubs = self.stubs
        return Imported(
            recipes=self.recipes,
            models=stubs.models,
            gpus=stubs.gpus,
            hosts=stubs.hosts,
            workloads=stubs.workloads,
            engines=stubs.engines,
            report=report,
        )


def _shared(servers: list[_Asked]) -> Serving | None:
    """What all servers of a configuration have beside the model; null where they differ."""
    return servers[0].serving if len({server.serving for server in servers}) == 1 else None


def _layouts(servers: list[_Asked]) -> tuple[RecipeLayout, ...]:
    shared = _shared(servers) or Serving()
    names = name_layouts([(server.layout, server.serving) for server in servers])
    return tuple(
        RecipeLayout(
            **msgspec.structs.asdict(server.layout),
            name=name,
            serving=None if server.serving == shared else server.serving,
            points={workload: tuple(found) for workload, found in server.points.items()},
        )
        for name, server in zip(names, servers, strict=True)
    )
