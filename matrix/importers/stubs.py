"""The facts that imported recipes refer to: found in a known fleet, else written as stubs that say what is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from matrix.dialect import Dialect
from matrix.facts import Device, Engine, Gpu, Host, HubWeights, Model, NamedWeights
from matrix.importers.layouts import MIB
from matrix.importers.names import device_of, gpu_id, host_id, slug, workload_id
from matrix.importers.report import Findings, Kind
from matrix.workload import RandomWorkload, RunLength, TraceWorkload

if TYPE_CHECKING:
    from matrix.fleet import Fleet
    from matrix.importers.theirs import Config, FixedLength, Runners
    from matrix.workload import Workload

RATIO = 0.8
"""Of their client: lengths are uniform on [0.8 x length, length]."""
AGENTIC_S = 3600.0
"""Their generator gives every agentic point an hour."""
AGENTIC = "agentic-coding"
SOURCE = "stub written by `inferfleet import inferencex`: nothing but the name is known"


class Stubs:
    """Ids of models, GPUs, hosts, workloads and engines; what no known fleet has is added here."""

    def __init__(self, known: Fleet, runners: Runners, findings: Findings) -> None:
        self.known = known
        self.runners = runners
        self.findings = findings
        self.models: dict[str, Model] = {}
        self.gpus: dict[str, Gpu] = {}
        self.hosts: dict[str, Host] = {}
        self.workloads: dict[str, Workload] = {}
        self.engines: dict[str, Engine] = {}
        self._by_weights = {_called(model): name for name, model in known.models.items()}

    def model(self, config: Config) -> str:
        """The known model with these weights, else a stub named after them."""
        if config.model in self._by_weights:
            name = self._by_weights[config.model]
            model = self.known.models.get(name) or self.models[name]
            self.models[name] = model
            if model.family != slug(config.model_prefix):
                self.findings.add(Kind.LOST, f"model-prefix {config.model_prefix!r} of model {name}", config.model)
            return name
        name = slug(config.model.rsplit("/", 1)[-1])
        if name in self.models or name in self.known.models:
            name = slug(config.model.replace("/", "."))
        self._by_weights[config.model] = name
        self.models[name] = _model_stub(config)
        self.findings.add(Kind.UNKNOWN, "a model's vocabulary, context and dimensions", name)
        return name

    def gpu(self, runner: str) -> str | None:
        """Null where the runner's label does not say what kind of device it has."""
        name = gpu_id(runner)
        device = device_of(name)
        if name in self.known.gpus:
            self.gpus[name] = self.known.gpus[name]
        elif device is None:
            return None
        elif name not in self.gpus:
            facts = ("memory_bytes", "memory_bytes_per_s", "tdp_w", "dense_tflops", "link")
            self.gpus[name] = Gpu(name=name, device=cast("Device", device), unknown=_nothing(facts), source=SOURCE)
            self.findings.add(Kind.UNKNOWN, "an accelerator's memory, bandwidth and power", name)
        return name

    def host(self, config: Config) -> str:
        name = host_id(config.runner)
        if name in self.known.hosts:
            self.hosts[name] = self.known.hosts[name]
        elif name not in self.hosts or (config.multinode and not self.hosts[name].linked):
            self.hosts[name] = self._host_stub(config)
        return name

    def _host_stub(self, config: Config) -> Host:
        hardware = self.runners.hardware.get(config.runner)
        devices = hardware.gpus_per_node if hardware else None
        memory_mib = hardware.available_cpu_dram_mib if hardware else None
        unknown = {"backend": "their files name machines, not how a job is started on them"}
        if devices is None:
            unknown["devices"] = "their runners file gives no hardware for this label"
            self.findings.add(Kind.UNKNOWN, "devices and memory of a host", config.runner)
        return Host(
            label=host_id(config.runner),
            gpu=gpu_id(config.runner),
            devices=devices,
            machines=max(1, len(self.runners.labels.get(config.runner, ()))),
            runners=self.runners.labels.get(config.runner, ()),
            linked=config.multinode,
            slots=config.multinode,  # one runner of theirs drives all nodes of a job
            memory_bytes=memory_mib * MIB if memory_mib else None,
            backend=None,
            unknown=unknown,
            source="InferenceX runners file",
        )

    def per_node(self, config: Config) -> int | None:
        """Devices of one machine: by the runners file, else by a known host with this accelerator."""
        hardware = self.runners.hardware.get(config.runner)
        if hardware and hardware.gpus_per_node:
            return hardware.gpus_per_node
        same = [host.devices for host in self.known.hosts.values() if host.gpu == gpu_id(config.runner)]
        return next(filter(None, same), None)

    def fixed_workload(self, lengths: FixedLength) -> str:
        wanted = (lengths.isl, lengths.osl, RATIO)
        for name, known in {**self.known.workloads, **self.workloads}.items():
            if isinstance(known, RandomWorkload) and (known.isl, known.osl, known.ratio) == wanted:
                self.workloads[name] = known
                return name
        name = workload_id(lengths.isl, lengths.osl)
        shown = f"{lengths.isl} in, {lengths.osl} out"
        self.workloads[name] = RandomWorkload(name=shown, isl=lengths.isl, osl=lengths.osl, ratio=RATIO)
        return name

    def agentic_workload(self) -> str:
        stub = TraceWorkload(
            name="replayed coding-agent conversations",
            trace=AGENTIC,
            run_length=RunLength(min_s=AGENTIC_S, max_s=AGENTIC_S),
            source="InferenceX scenario agentic-coding; the recording itself is not in their files",
        )
        self.workloads[AGENTIC] = self.known.workloads.get(AGENTIC, stub)
        return AGENTIC

    def engine(self, name: str, gpu: str) -> str:
        if name in self.known.engines:
            self.engines[name] = self.known.engines[name]
            return name
        device = self.gpus[gpu].device
        devices = self.engines[name].devices if name in self.engines else ()
        if not devices:
            self.findings.add(Kind.UNKNOWN, "an engine's flags and request API", name)
        together = devices if device in devices else (*devices, device)
        self.engines[name] = Engine(name=name, source=SOURCE, dialect=Dialect(), flags={}, devices=together)
        return name


def _called(model: Model) -> str:
    weights = model.weights
    if isinstance(weights, HubWeights):
        return weights.repo
    return weights.called if isinstance(weights, NamedWeights) else ""


def _model_stub(config: Config) -> Model:
    facts = ("vocab_size", "prompt_token_ids", "max_context", "dimensions")
    on_hub = config.model.count("/") == 1
    return Model(
        name=config.model,
        family=slug(config.model_prefix),
        weights=HubWeights(repo=config.model) if on_hub else NamedWeights(called=config.model),
        unknown=_nothing(("weights.revision", *facts) if on_hub else facts),
        source=SOURCE,
    )


def _nothing(facts: tuple[str, ...]) -> dict[str, str]:
    return dict.fromkeys(facts, SOURCE)
