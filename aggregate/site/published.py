"""Numbers that others measured: read strictly, shown apart. Nothing here ever meets a measured row."""

from __future__ import annotations

import csv
import io
from typing import Annotated

import msgspec

from matrix.errors import FleetError
from matrix.facts import Fact

_BIG = 1e9
Natural = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=_BIG)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
IsoDate = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]


class PublishedRow(Fact, frozen=True, kw_only=True):
    """One row of `aggregate/data/published_history.csv`; `aggregate/data/README.md` says what the columns mean."""

    model: Words
    gpu: Words
    engine: Words
    engine_version: Words
    image: Words
    precision: Words
    tp: Natural
    gpus: Natural
    isl: Natural
    osl: Natural
    concurrency: Natural
    ttft_ms: Milliseconds
    tpot_ms: Milliseconds
    measured_on: IsoDate
    source: Words


class PublishedDot(Fact, frozen=True, kw_only=True):
    """A published row and the two figures derived from it."""

    row: PublishedRow
    interactivity_tok_per_s: float
    output_tok_per_s_per_gpu: float


class PublishedSeries(Fact, frozen=True, kw_only=True):
    """One concurrency curve, in order of concurrency."""

    label: str
    dots: tuple[PublishedDot, ...]


class PublishedGroup(Fact, frozen=True, kw_only=True):
    """The curves that share a chart: one model, precision, engine and nominal shape."""

    id: str
    title: str
    series: tuple[PublishedSeries, ...]


def load_published(text: str, name: str) -> tuple[PublishedRow, ...]:
    """Every row of the CSV, or a `FleetError` that names the first bad line of the file called `name`."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows = []
    for record in reader:
        try:
            rows.append(msgspec.convert(record, PublishedRow, strict=False, str_keys=True))
        except msgspec.ValidationError as error:
            raise FleetError(f"{name}:{reader.line_num}: {error}; fix the row or take it out") from error
    return tuple(rows)


def interactivity_tok_per_s(row: PublishedRow) -> float:
    """What one user receives after the first token: 1 / TPOT."""
    return 1e3 / row.tpot_ms


def output_tok_per_s_per_gpu(row: PublishedRow) -> float:
    """Little's law on nominal lengths: concurrency x osl / (ttft + tpot x (osl - 1)) / GPUs. Derived, not measured."""
    e2e_s = (row.ttft_ms + row.tpot_ms * (row.osl - 1)) / 1e3
    return row.concurrency * row.osl / e2e_s / row.gpus


def published_groups(rows: tuple[PublishedRow, ...]) -> tuple[PublishedGroup, ...]:
    """The rows as charts of curves; groups and curves in the order of their names."""
    ids = sorted({_group_id(row) for row in rows})
    return tuple(_group(group, tuple(row for row in rows if _group_id(row) == group)) for group in ids)


def _group(group: tuple[str, int, int, str, str], rows: tuple[PublishedRow, ...]) -> PublishedGroup:
    model, isl, osl, engine, precision = group
    title = f"{model} · {tokens(isl)} in / {tokens(osl)} out · {engine} · {precision}"
    labels = sorted({_series_label(row) for row in rows})
    series = tuple(_series(label, rows) for label in labels)
    return PublishedGroup(id=f"{model} {isl}/{osl} {engine} {precision}", title=title, series=series)


def _series(label: str, rows: tuple[PublishedRow, ...]) -> PublishedSeries:
    mine = sorted((row for row in rows if _series_label(row) == label), key=lambda row: row.concurrency)
    return PublishedSeries(label=label, dots=tuple(_dot(row) for row in mine))


def _dot(row: PublishedRow) -> PublishedDot:
    return PublishedDot(
        row=row,
        interactivity_tok_per_s=interactivity_tok_per_s(row),
        output_tok_per_s_per_gpu=output_tok_per_s_per_gpu(row),
    )


def _group_id(row: PublishedRow) -> tuple[str, int, int, str, str]:
    return row.model, row.isl, row.osl, row.engine, row.precision


def _series_label(row: PublishedRow) -> str:
    return f"{row.gpu} · tp{row.tp} · {row.engine} {row.engine_version}"


def tokens(count: int) -> str:
    """`1k` for 1024, `8k` for 8192, else the number: how these shapes are spoken of."""
    return f"{count // 1024}k" if count % 1024 == 0 else str(count)
