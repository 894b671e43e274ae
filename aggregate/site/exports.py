"""The same numbers as files: CSV for people, classic scripts for the page. Both are read by strangers' programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import msgspec

from aggregate.export import FORMULA_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aggregate.site.page import PageModel
    from aggregate.site.records import Measurement

Cell = str | int | float | None

# Nothing in a script's text may end a <script> element, open a comment, or be a line end to old JavaScript.
_BREAKOUTS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPES = str.maketrans(_BREAKOUTS)


def script(call: str, *values: object) -> str:
    """`call(json, json);` as a classic script: it loads from file://, where fetch and modules do not."""
    arguments = ",".join(msgspec.json.encode(value).decode() for value in values)
    return f"{call}({arguments.translate(_ESCAPES)});\n"


def safe_cell(value: Cell) -> Cell:
    """`value`, with a text that a spreadsheet would run as a formula made inert by a leading quote."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """RFC 4180 with Unix line ends; null is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


MEASURED_HEADER = (
    "model", "workload", "configuration", "concurrency", "rate_per_s", "on_frontier",
    "interactivity_tok_per_s", "ttft_p50_s", "e2e_p50_s", "output_tok_per_s_per_device", "total_tok_per_s_per_device",
    "goodput_requests_per_s", "goodput_share", "goodput_limits",
    "requests", "nights", "spread", "night", "run_id", "attempt", "job_id", "point_id", "point_key", "host", "engine",
    "engine_version", "image", "precision", "recipe", "recipe_digest", "server_args_digest", "git_sha", "seed",
    "duration_s",
)  # fmt: skip


def measured_csv(model: PageModel) -> str:
    """Every dot of the page with its provenance; unrounded."""
    return csv_text(
        MEASURED_HEADER,
        (
            (
                view.group.model,
                view.group.workload,
                *_measured(dot, dot.id in view.frontiers.get("interactivity.output", ())),
            )
            for view in model.groups
            for series in view.series
            for dot in series.dots
        ),
    )


def _measured(dot: Measurement, on_frontier: bool) -> tuple[Cell, ...]:
    figures, origin = dot.figures, dot.origin
    return (
        dot.label, dot.concurrency, dot.rate_per_s, str(on_frontier).lower(),
        figures.interactivity_tok_per_s, figures.ttft_p50_s, figures.e2e_p50_s,
        figures.output_tok_per_s_per_device, figures.total_tok_per_s_per_device,
        figures.goodput_requests_per_s, figures.goodput_share, origin.goodput_limits,
        figures.requests, figures.nights, figures.spread, origin.night, origin.run_id, origin.attempt, origin.job_id,
        origin.point_id, origin.point_key, origin.host, origin.engine, origin.engine_version, origin.image,
        origin.precision, origin.recipe, origin.recipe_digest, origin.server_args_digest, origin.git_sha, origin.seed,
        origin.duration_s,
    )  # fmt: skip


GAPS_HEADER = ("point_id", "job_id", "outcome", "reasons", "detail", "attempt", "host")


def gaps_csv(model: PageModel) -> str:
    """Every planned point of the run that gave no usable number."""
    return csv_text(
        GAPS_HEADER,
        (
            (gap.point_id, gap.job_id, gap.outcome, " ".join(gap.reasons), gap.detail, gap.attempt, gap.host)
            for gap in (*model.failed, *model.missing)
        ),
    )
