"""``harness population estimate``, ``simulate`` and ``results``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common_options import AsJson, with_results, with_settings
from harness.cli.model_session import ended
from harness.console import echo, echo_json, on_one_line
from harness.experiments.population.commands.stages import ASKING, group
from harness.runtime.settings import Settings

if TYPE_CHECKING:
    from harness.experiments.population.simulation.estimate import EstimateCase
    from harness.experiments.population.simulation.segments import SegmentView
    from harness.experiments.population.simulation.simulation import Progress
    from harness.gateway.gateway import Gateway
    from harness.model import Usage

ENGINES = ("own", "extropy")
Threshold = Annotated[int, typer.Option(metavar="N", help="Further exposures that make an agent reconsider.")]
ChunkSize = Annotated[int, typer.Option(metavar="N", help="Agents between two checkpoints.")]
PersonaFile = Annotated[Path | None, typer.Option("--personas", help="Phrasings of personas.")]


@group.command()
@with_settings("model", "prices", seed="Seed of the simulation.")
def estimate(
    scenario: Annotated[Path, typer.Argument(help="scenario.yaml.")],
    settings: Settings,
    personas: PersonaFile = None,
    threshold: Threshold = 3,
    chunk_size: ChunkSize = 50,
    as_json: AsJson = False,
) -> None:
    """Estimate calls, tokens and dollars of a simulation. Makes no call."""
    from harness.experiments.population.inputs import read_inputs
    from harness.experiments.population.simulation.estimate import as_rows
    from harness.experiments.population.simulation.estimate import estimate as work_out
    from harness.experiments.population.simulation.simulation import SimulationOptions
    from harness.gateway.prices import find_prices

    options = SimulationOptions(settings.seed, threshold, chunk_size, settings.model)
    cases = asyncio.run(work_out(read_inputs(scenario, personas), options, find_prices(settings.prices)))
    if as_json:
        echo_json(as_rows(cases))
    else:
        echo("\n".join(_estimate_lines(cases, settings.model)))


def _estimate_lines(cases: tuple[EstimateCase, ...], model: str) -> list[str]:
    from harness.gateway.batch.api import BATCH_PROVIDERS, BATCH_SHARE

    lines = [
        f"{'':<10}{'share':>7}{'steps':>7}{'reached':>9}{'calls':>10}{'tokens in':>13}{'tokens out':>12}{'dollars':>11}"
    ]
    for one in cases:
        dollars = "–" if one.dollars is None else f"{one.dollars:,.2f}"
        lines.append(
            f"{one.name:<10}{one.sharing:>7.0%}{one.timesteps:>7}{one.reached:>9.1%}{one.calls:>10,}"
            f"{one.tokens_in:>13,}{one.tokens_out:>12,}{dollars:>11}"
        )
    lines.append(
        "share: of those who reason, how many speak of it, assumed. Replies are assumed at 250 tokens and 15"
    )
    lines.append("per outcome, prompts at 4 characters a token; a call that is repeated is not in it.")
    prices = [one.dollars for one in cases if one.dollars is not None]
    if len(prices) < len(cases):
        return [*lines, f"No price is known for {model!r}."]
    if model.partition(":")[0] in BATCH_PROVIDERS:
        half = ", ".join(f"{one * BATCH_SHARE:,.2f}" for one in prices)
        lines.append(f"With batches (--batch) every call costs half: {half} dollars.")
    return lines


@group.command()
@with_settings(
    *(*ASKING, "temperature", "concurrency", "rpm", "tpm", "accept_lost_journal", "batch"),
    seed="Seed of the simulation.",
)
def simulate(
    scenario: Annotated[Path, typer.Argument(help="scenario.yaml.")],
    settings: Settings,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write results to.")],
    personas: PersonaFile = None,
    routine_model: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER:MODEL", help="Model that classifies statements. Default: --model."),
    ] = None,
    threshold: Threshold = 3,
    chunk_size: ChunkSize = 50,
    engine: Annotated[str, typer.Option(metavar="NAME", help="What simulates: own or extropy.")] = "own",
) -> None:
    """Simulate an event. Rerun to resume; does nothing once finished."""
    from harness.errors import ConfigurationError, expected_one_of
    from harness.experiments.population.extropy.process import ENGINE
    from harness.experiments.population.extropy.simulation import check_engine, simulate_in_folder
    from harness.experiments.population.inputs import read_inputs
    from harness.experiments.population.simulation.folder import RUN, simulate
    from harness.experiments.population.simulation.results import META
    from harness.experiments.population.simulation.simulation import DATABASE, SimulationOptions

    if engine not in ENGINES:
        raise ConfigurationError(f"--engine {engine}: {expected_one_of(engine, ENGINES)}")
    _check(out)
    check_engine(out, ENGINE if engine == "extropy" else "own")
    inputs = read_inputs(scenario, personas)
    models = settings.model if routine_model is None else f"{settings.model} + {routine_model}"
    warmth = "" if settings.temperature is None else f" at {settings.temperature:g}"
    options = SimulationOptions(settings.seed, threshold, chunk_size, models + warmth)
    settings = replace(settings, judge_model=routine_model, judge_base_url=None, results_dir=out)

    async def work(gateway: Gateway) -> dict[str, Any]:
        gateway.open_run(RUN, begun=(out / DATABASE).exists() and not (out / META).exists())
        if engine == "extropy":
            at_once = settings.concurrency or chunk_size
            return await simulate_in_folder(
                scenario, personas, options, gateway, out, at_once=at_once, say=_told_by_calls
            )
        return await simulate(inputs, options, gateway, out, say=_told)

    meta = ended(settings, work)
    cost = meta["cost"]
    echo(
        f"{meta['stopped_reason']} ({meta['stopped_detail']}); {meta['agents_reasoned']:,} of "
        f"{meta['population_size']:,} agents reasoned, {meta['final_exposure_rate']:.1%} aware; "
        f"{meta['total_reasoning_calls']:,} calls, "
        + (
            f"${cost['total_cost']:,.2f}"
            if cost["total_cost"] is not None
            else f"cost not known: {cost['cost_reason']}"
        )
    )
    if meta["agents_failed"]:
        echo(
            f"NOT REASONED: {meta['agents_failed']:,} times no usable reply came; reasons in timeline.jsonl."
        )
    if meta["rehearsal"]:
        echo("REHEARSAL: replies were generated offline. Nothing here is evidence.")
    if meta.get("exit_code"):
        echo(f"EXIT CODE {meta['exit_code']}: {meta['engine']} said that it failed; its files are whole.")
    if meta.get("failed_requests"):
        echo(f"FAILED: {meta['failed_requests']:,} requests to the gateway failed.")
    echo(f"Written: {out}")


def _check(out: Path) -> None:
    from harness.errors import ConfigurationError

    file = next((one for one in (out, *out.parents) if one.exists() and not one.is_dir()), None)
    if file is not None:
        raise ConfigurationError(f"--out {out}: {file} is a file; expected a folder, or a new one.")


def _told_by_calls(usage: Usage) -> None:
    cost = "" if usage.cost is None else f", ${usage.cost:,.2f}"
    echo(f"{usage.total_calls:,} calls{cost}", err=True)


def _told(progress: Progress) -> None:
    cost = "" if progress.cost is None else f", ${progress.cost:,.2f}"
    chunk = f"chunk {progress.chunk} of {progress.chunks}"
    echo(
        f"step {progress.timestep + 1} of {progress.timesteps}, {chunk}: {progress.calls:,} calls{cost}",
        err=True,
    )


@group.command("results")
@with_results()
def results_(
    results: Path,
    scenario: Annotated[Path, typer.Option("--scenario", help="The scenario that was simulated.")],
    segment: Annotated[
        list[str] | None,
        typer.Option(help="An attribute, or a number with cut points: age:30,65; may be repeated."),
    ] = None,
    min_n: Annotated[int, typer.Option(metavar="N", help="Hide shares of fewer answers.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Print outcomes overall and by segment, each share with its n."""
    from harness.experiments.population.formats.scenario import read_scenario
    from harness.experiments.population.simulation.results_file import check_outcomes, read_states
    from harness.experiments.population.simulation.segments import overall, view

    states, meta = read_states(results)
    outcomes = [
        one for one in read_scenario(scenario).outcomes.suggested_outcomes if one.type != "open_ended"
    ]
    check_outcomes(states, outcomes)
    views = [
        view(states, one, by, min_n) if by else overall(states, one, min_n)
        for by in [None, *(segment or [])]
        for one in outcomes
    ]
    if as_json:
        from dataclasses import asdict

        content = {"meta": meta, "views": [asdict(one) for one in views]}
        echo_json(content)
        return
    if meta.get("rehearsal"):
        echo("REHEARSAL: replies were generated offline. Nothing below is evidence.\n")
    echo("\n\n".join("\n".join(_view_lines(one)) for one in views))


def _view_lines(one: SegmentView) -> list[str]:
    by = f" by {one.attribute}" if one.attribute else ""
    lines = [f"{one.outcome}{by}; shares and means are of those who answered", ""]
    lines.append(f"{'segment':<20}{'n':>7}{'aware':>7}{'answered':>10}  ")
    for row in one.rows:
        figures = row.reason or ", ".join(
            f"{name} {_figure(name, value)}" for name, value in (row.figures or {}).items()
        )
        segment = on_one_line(row.segment)
        lines.append(f"{segment:<20.20}{row.n:>7,}{row.aware:>7,}{row.answered:>10,}  {figures}")
    return lines


def _figure(name: str, value: float) -> str:
    return (
        f"{value:.2f}"
        if name in ("mean", "std", "min", "max")
        else f"{value:,}"
        if name == "count"
        else f"{value:.1%}"
    )
