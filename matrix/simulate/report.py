"""A study as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.nighttext import clock, table_of, text_of

if TYPE_CHECKING:
    from rich.table import Table

    from matrix.simulate.campaign import CampaignResult
    from matrix.simulate.study import Need, Study

_FIGURES = (
    "server starts\na night", "GPU-hours\na night", "measuring", "makespan", "points ok\na night",
    "ok within\n7 nights", "ever ok", "oldest",
)  # fmt: skip

WIDTH = 150
SERVERS = {True: "shared", False: "one per point"}
ORDERS = {True: "the rota", False: "as listed"}


def study_text(study: Study) -> str:
    """Everything, beginning with what was assumed."""
    tables = (_nights(study), _pass_table(study), _factors(study), _starts(study), _needs(study))
    return f"{_assumed(study)}\n\n{text_of(tables, width=WIDTH)}"


def _assumed(study: Study) -> str:
    world = study.world
    budget = "" if study.gpu_hours is None else f", at most {study.gpu_hours:,.0f} GPU-hours"
    counted = "counted in" if study.even_blocked else "left out"
    blocked = f", {study.blocked} that must not be launched yet {counted}" if study.blocked else ""
    rates = ", ".join(f"{gpu} {share:.1%}" for gpu, share in world.success.items())
    return (
        f"{study.points} points{blocked}, {study.impossible} that no host can take left out; {study.nights} nights of "
        f"{clock(study.window_minutes)}{budget}; seed {study.seed}\n"
        f"a job of one point succeeds: {rates or 'always'}; others {world.otherwise:.1%}. Assumed: "
        f"{world.at_start:.0%} of failures (in logs) before the server is ready, {world.host_fault:.0%} the host's "
        f"fault and tried once more,\n{world.takes_server:.0%} of failed points take the server with them, "
        f"{world.lost_runner:.1%} of jobs lose their runner for the night, durations vary by {world.spread:.0%}"
    )


def _nights(study: Study) -> Table:
    figures = ("planned", "ok", "failed", "not run", "tried again", *_FIGURES[:4], *_FIGURES[5:])
    table = table_of("The plan, night after night", (), ("night", *figures))
    for number, one in enumerate(study.plan.nights, start=1):
        table.add_row(
            str(number), str(one.planned), str(one.ok), str(one.failed), str(one.not_run), str(one.tried_again),
            str(one.server_starts), f"{one.gpu_hours:,.0f}", f"{one.measuring_share:.1%}", clock(one.makespan_minutes),
            f"{one.covered:.1%}", f"{one.ever:.1%}", str(one.oldest),
        )  # fmt: skip
    return table


def _pass_table(study: Study) -> Table:
    title = "The whole matrix once, on paper, at equal measured minutes per point"
    table = table_of(title, ("points", "servers"), ("points", "server starts", "GPU-hours", "measuring"))
    for one in study.passes:
        table.add_row(
            one.what, SERVERS[one.shared], f"{one.points:,}", f"{one.server_starts:,}", f"{one.gpu_hours:,.0f}",
            f"{one.measuring_share:.1%}",
        )  # fmt: skip
    return table


def _factors(study: Study) -> Table:
    title = "Factors apart, at equal measured minutes per point: medians of a night once settled, coverage at the end"
    table = table_of(title, ("servers", "order", "agentic points"), _FIGURES)
    for one in study.factors:
        variant = one.variant
        agentic = "every night" if variant.agentic_nights == 1 else f"1 night in {variant.agentic_nights}"
        table.add_row(SERVERS[variant.shared], ORDERS[variant.by_age], agentic, *_steady(one.result))
    return table


def _starts(study: Study) -> Table:
    table = table_of("If every server start took", ("start", "servers"), _FIGURES)
    for one in study.starts:
        table.add_row(f"{one.variant.start_minutes:.0f} min", SERVERS[one.variant.shared], *_steady(one.result))
    return table


def _steady(result: CampaignResult) -> tuple[str, ...]:
    return (
        f"{result.server_starts:,.0f}",
        f"{result.gpu_hours:,.0f}",
        f"{result.measuring_share:.1%}",
        clock(result.makespan_minutes),
        f"{result.ok:,.0f}",
        f"{result.covered:.1%}",
        f"{result.ever:.1%}",
        str(result.oldest),
    )


def _needs(study: Study) -> Table:
    title = (
        "What the rota asks of the labels in a steady state, those that share machines together; coverage at the end"
    )
    figures = (
        "machines", "machine-hours a night\nneeded", "there\nare", "used", "largest job\nGPUs", "short of\nmachines",
        "short of\nGPUs", "ok within\n7 nights",
    )  # fmt: skip
    table = table_of(title, ("labels",), figures)
    for need in sorted(study.needs, key=lambda one: -one.needed_hours / one.available_hours):
        table.add_row(
            ", ".join(need.labels), str(need.machines), f"{need.needed_hours:,.1f}", f"{need.available_hours:,.1f}",
            f"{need.needed_hours / need.available_hours:.0%}", str(need.largest_job_gpus),
            str(need.short_machines or ""), str(need.short_gpus or ""), _covered(study, need),
        )  # fmt: skip
    return table


def _covered(study: Study, need: Need) -> str:
    found = [one for one in study.plan.labels if one.label in need.labels]
    return f"{sum(one.covered * one.points for one in found) / sum(one.points for one in found):.1%}"
