"""InferenceX's files as records: master (both generations of its format), runners, and the flags of its scripts.

Facts about the format, from their published configuration reference: a range of concurrencies doubles from
`conc-start` and ends exactly on `conc-end`; `ep` is 1, `dp-attn` false, `spec-decoding` none where absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from matrix.importers.report import Findings, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.yamlfile import Value

Spec = Literal["none", "mtp", "draft_model"]


class Theirs(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Base of their records. Unknown keys are found before, so that none is dropped without a word."""


class Named(Theirs, frozen=True, kw_only=True, rename="kebab"):
    name: str
    version: str | int | float | None = None


class Side(Theirs, frozen=True, kw_only=True, rename="kebab"):
    """Equal servers of one role. Also the sizes of a single-node entry."""

    num_worker: int = 1
    tp: int = 1
    pp: int = 1
    dcp_size: int = 1
    pcp_size: int = 1
    ep: int | None = None
    dp_attn: bool | None = None
    hardware: str | None = None
    additional_settings: tuple[str, ...] | None = None


class Entry(Side, frozen=True, kw_only=True, rename="kebab"):
    """One line of a search space: a server and the concurrencies to measure on it."""

    spec_decoding: Spec = "none"
    conc_start: int | None = None
    conc_end: int | None = None
    conc_list: tuple[int, ...] | None = None
    prefill: Side | None = None
    decode: Side | None = None
    worker: Side | None = None
    kv_offloading: Literal["none", "dram"] = "none"
    kv_offload_backend: Named | None = None
    router: Named | None = None
    kv_p2p_transfer: str | None = None


class FixedLength(Theirs, frozen=True, kw_only=True, rename="kebab"):
    isl: int
    osl: int
    search_space: tuple[Entry, ...]


class Agentic(Theirs, frozen=True, kw_only=True, rename="kebab"):
    dram_utilization: float | None = None
    search_space: tuple[Entry, ...]


class Scenarios(Theirs, frozen=True, kw_only=True, rename="kebab"):
    fixed_seq_len: tuple[FixedLength, ...] = ()
    agentic_coding: tuple[Agentic, ...] = ()


class Config(Theirs, frozen=True, kw_only=True, rename="kebab"):
    image: str
    model: str
    model_prefix: str
    runner: str
    precision: str
    framework: str
    multinode: bool = False
    disagg: bool = False
    router: Named | None = None
    kv_p2p_transfer: str | None = None
    seq_len_configs: tuple[FixedLength, ...] = ()
    scenarios: Scenarios = Scenarios()

    @property
    def fixed(self) -> tuple[FixedLength, ...]:
        return self.seq_len_configs or self.scenarios.fixed_seq_len

    @property
    def era(self) -> str:
        """The date of the flags that belong to this generation of the format."""
        return "2025-12" if self.seq_len_configs else "2026-08"


class Hardware(Theirs, frozen=True, kw_only=True, rename="kebab"):
    available_cpu_dram_mib: int | None = None
    gpus_per_node: int | None = None


@dataclass(frozen=True, slots=True)
class Runners:
    """Machine names and hardware by runner label."""

    labels: dict[str, tuple[str, ...]]
    hardware: dict[str, Hardware]


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """The server command of one of their launch scripts. Values may hold shell variables of that script."""

    era: str
    config: str
    engine: str
    flags: dict[str, str | bool]
    env: dict[str, str]
    extra_config: dict[str, list[str]]


def configs(master: Value, file: str, findings: Findings) -> Iterator[tuple[str, Config]]:
    """Every configuration that can be read; the others are findings."""
    if not isinstance(master, dict):
        findings.add(Kind.SKIPPED, "the file is not a mapping of configurations", file)
        return
    for key, value in master.items():
        try:
            yield key, msgspec.convert(_known(value, key, findings), Config, strict=True)
        except msgspec.ValidationError as error:
            findings.add(Kind.SKIPPED, f"cannot be read: {error}", key)


def _known(value: Value, key: str, findings: Findings) -> Value:
    """A configuration without the keys that its record lacks, each of them named in the findings."""
    config = _keep(value, Config, key, findings)
    scenarios = _keep(config.get("scenarios", {}), Scenarios, key, findings)
    if scenarios:
        config["scenarios"] = scenarios
    for holder, name, kind in (
        (config, "seq-len-configs", FixedLength),
        (scenarios, "fixed-seq-len", FixedLength),
        (scenarios, "agentic-coding", Agentic),
    ):
        sections = holder.get(name)
        if isinstance(sections, list):
            holder[name] = [_section(section, kind, key, findings) for section in sections]
    return config


def _section(value: Value, kind: type[Theirs], key: str, findings: Findings) -> Value:
    section = _keep(value, kind, key, findings)
    entries = section.get("search-space")
    if isinstance(entries, list):
        section["search-space"] = [_entry(entry, key, findings) for entry in entries]
    return section


def _entry(value: Value, key: str, findings: Findings) -> Value:
    """An entry's unknown keys become settings: two entries that differ in one stay two."""
    entry = _settled(value, Entry, key, findings)
    for role in ("prefill", "decode", "worker"):
        if role in entry:
            entry[role] = _settled(entry[role], Side, key, findings)
    return entry


def _settled(value: Value, kind: type[Theirs], key: str, findings: Findings) -> dict[str, Value]:
    mapping = _mapping(value)
    known = {name: item for name, item in mapping.items() if name in kind.__struct_encode_fields__}
    settings = known.get("additional-settings") or []
    for name in mapping.keys() - known.keys():
        item = mapping[name]
        plain = isinstance(item, str | int | float) and isinstance(settings, list)
        findings.add(Kind.OPAQUE if plain else Kind.LOST, f"the entry's key `{name}`", key)
        if plain and isinstance(settings, list):
            settings = [*settings, f"{name.upper().replace('-', '_')}={item}"]
    return {**known, "additional-settings": settings} if settings else known


def _keep(value: Value, kind: type[Theirs], key: str, findings: Findings) -> dict[str, Value]:
    mapping = _mapping(value)
    for name in mapping:
        if name not in kind.__struct_encode_fields__:
            findings.add(Kind.LOST, f"the key `{name}`", key)
    return {name: item for name, item in mapping.items() if name in kind.__struct_encode_fields__}


def _mapping(value: Value) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise msgspec.ValidationError(f"expected a mapping, got {value!r:.60}")
    return value


def runners(value: Value) -> Runners:
    """Either generation: a plain mapping of labels, or `labels` beside `hardware`."""
    top = _mapping(value)
    hardware = top.get("hardware") if "labels" in top else {}
    labels = top.get("labels") if "labels" in top else top
    return Runners(
        labels=msgspec.convert(labels, dict[str, tuple[str, ...]]),
        hardware={
            name: msgspec.convert({key: _whole(item) for key, item in facts.items()}, Hardware)
            for name, facts in (hardware if isinstance(hardware, dict) else {}).items()
            if isinstance(facts, dict)
        },
    )


def _whole(value: Value) -> Value:
    """`2_063_837` is a number in YAML 1.1 only; our reader leaves it as text."""
    text = value.replace("_", "") if isinstance(value, str) else ""
    return int(text) if text.isdecimal() else value


def concurrencies(entry: Entry) -> tuple[int, ...]:
    """As their generator counts them: the list, or doubling from the start, the end itself always included."""
    if entry.conc_list:
        return entry.conc_list
    if entry.conc_start is None or entry.conc_end is None or entry.conc_start < 1:
        return ()
    found: list[int] = []
    streams = entry.conc_start
    while streams < entry.conc_end:
        found.append(streams)
        streams *= 2
    return (*found, entry.conc_end) if entry.conc_start <= entry.conc_end else ()
