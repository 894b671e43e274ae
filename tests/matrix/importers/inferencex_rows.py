"""Their generator's rows and our points as the same comparable text: every field of theirs is in it or named here.

Left out, because no master says them: `run-eval` and `eval-conc` (which points get an accuracy run: policy), and
`exp-name` (a label made of other fields of the row). `max-model-len` must be the lengths plus one constant.
A pool without workers has no sizes, and `disagg` is then false: 59 entries of August 2026 differ in nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from matrix.expand import expand
from matrix.facts import HubWeights, NamedWeights
from matrix.importers.names import engine_and_orchestrator, host_id, image_reference
from matrix.point import Point
from matrix.serving import pools
from matrix.workload import RandomWorkload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from matrix.fleet import Fleet
    from matrix.serving import Sizes

COMPARED = {
    "image", "model", "model-prefix", "precision", "framework", "runner", "isl", "osl", "tp", "pp", "ep", "dp-attn",
    "dcp-size", "pcp-size", "spec-decoding", "prefill", "decode", "conc", "disagg", "router", "kv-p2p-transfer",
    "kv-offloading", "kv-offload-backend", "total-cpu-dram-gb", "scenario-type", "duration",
}  # fmt: skip
NOT_COMPARED = {"run-eval", "eval-conc", "exp-name", "max-model-len"}
SIDE = {"num-worker", "tp", "pp", "dcp-size", "pcp-size", "ep", "dp-attn", "additional-settings", "hardware"}

Json = dict[str, Any]


def their_points(rows: Iterable[Json]) -> Iterator[str]:
    """One text per concurrency of a row; a field that is neither compared nor excused is an error."""
    for row in rows:
        unknown = row.keys() - COMPARED - NOT_COMPARED
        assert not unknown, f"fields of theirs that nothing compares: {sorted(unknown)}"
        for streams in row["conc"] if isinstance(row["conc"], list) else [row["conc"]]:
            yield _text(_theirs(row, streams))


def our_points(fleet: Fleet) -> Iterator[str]:
    for item in expand(fleet):
        assert isinstance(item, Point), item
        yield _text(_ours(fleet, item))


def context_margins(rows: Iterable[Json]) -> set[int]:
    """`max-model-len` less the lengths, over all rows that have one."""
    return {row["max-model-len"] - row["isl"] - row["osl"] for row in rows if "max-model-len" in row}


def _text(row: Json) -> str:
    return json.dumps(row, sort_keys=True)


def _theirs(row: Json, streams: int) -> Json:
    sides = _their_pools(row)
    router, backend = row.get("router"), row.get("kv-offload-backend")
    return {
        "image": image_reference(row["image"]),
        "model": row["model"],
        "family": row["model-prefix"],
        "precision": row["precision"],
        "framework": engine_and_orchestrator(row["framework"]),
        "host": host_id(row["runner"]),
        "lengths": [row["isl"], row["osl"]] if "isl" in row else None,
        "scenario": row.get("scenario-type", "fixed"),
        "duration": row.get("duration"),
        "speculation": row["spec-decoding"],
        "pools": sides,
        "disagg": bool(row.get("disagg")) and len(sides) == 2,
        "streams": streams,
        "router": [router["name"], router.get("version")] if router else None,
        "transfer": row.get("kv-p2p-transfer"),
        "offload": [backend["name"], backend.get("version")] if backend else row.get("kv-offloading", "none"),
        "dram": row.get("total-cpu-dram-gb") or None,
    }


def _their_pools(row: Json) -> list[Json]:
    sides = [row["prefill"], row["decode"]] if "prefill" in row else [row]
    for side in sides if "prefill" in row else []:
        assert side.keys() <= SIDE, side
    working = [side for side in sides if side.get("num-worker", 1)]
    return [
        {
            "workers": side.get("num-worker", 1),
            "tp": side["tp"],
            "pp": side.get("pp", 1),
            "dcp": side.get("dcp-size", 1),
            "pcp": side.get("pcp-size", 1),
            "ep": side["ep"],
            "dpa": side["dp-attn"],
            "hardware": side.get("hardware"),
            "settings": side.get("additional-settings", []),
        }
        for side in working
    ]


def _ours(fleet: Fleet, point: Point) -> Json:
    recipe = fleet.recipes[point.recipe]
    model = fleet.models[recipe.model]
    weights = model.weights
    assert isinstance(weights, HubWeights | NamedWeights)
    fixed = isinstance(point.workload, RandomWorkload)
    serving, servers = point.serving, pools(point.layout)
    offload = serving.kv_offload
    return {
        "image": recipe.image,
        "model": weights.repo if isinstance(weights, HubWeights) else weights.called,
        "family": model.family,
        "precision": recipe.precision,
        "framework": (recipe.engine, recipe.orchestrator),
        "host": recipe.host,
        "lengths": [point.workload.isl, point.workload.osl] if isinstance(point.workload, RandomWorkload) else None,
        "scenario": "fixed" if fixed else point.workload_id,
        "duration": None if fixed else int(point.workload.run_length.min_s),
        "speculation": serving.speculation.method.replace("-", "_") if serving.speculation else "none",
        "pools": [_our_pool(sizes) for sizes in servers],
        "disagg": len(servers) == 2,
        "streams": point.load.streams,
        "router": [serving.router.name, serving.router.version] if serving.router else None,
        "transfer": serving.kv_transfer,
        "offload": [offload.backend, offload.version] if offload else "none",
        "dram": offload.gb if offload else None,
    }


def _our_pool(sizes: Sizes) -> Json:
    return {
        "workers": sizes.workers,
        "tp": sizes.tp,
        "pp": sizes.pp,
        "dcp": sizes.dcp,
        "pcp": sizes.pcp,
        "ep": sizes.ep,
        "dpa": sizes.dp_attention,
        "hardware": getattr(sizes, "gpu", None),
        "settings": list(sizes.settings),
    }
