"""``harness population estimate``, ``simulate`` and ``results``: what comes of an event, and what that takes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import Timeout
from harness.cli.model_session import Asking, ended
from harness.console import echo, echo_json, on_one_line
from harness.experiments.population.commands.stages import BaseUrl, MaxCost, Model, Prices, Seed, group

if TYPE_CHECKING:
    from harness.experiments.population.simulation.estimate import EstimateCase
    from harness.experiments.population.simulation.segments import SegmentView
    from harness.experiments.population.simulation.simulation import Progress
    from harness.gateway.gateway import Gateway
    from harness.model import Usage

ENGINES = ("own", "extropy")
Concurrency = Annotated[str, typer.Option(help="Model calls in flight, or 'unlimited'.")]
Threshold = Annotated[int, typer.Option(help="Further exposures that make an agent think again.")]
ChunkSize = Annotated[int, typer.Option(help="Agents between two checkpoints.")]
PersonaFile = Annotated[Path | None, typer.Option("--personas", help="Phrasings of personas.")]


@group.command()
def estimate(
    scenario: Annotated[Path, typer.Argument(help="scenario.yaml.")],
    personas: PersonaFile = None,
    model: Model = "rehearsal",
    threshold: Threshold = 3,
    chunk_size: ChunkSize = 50,
    seed: Seed = 0,
    prices: Prices = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a simulation would take: calls, tokens and dollars. Makes no call."""
    from harness.experiments.population.inputs import read_inputs
    from harness.experiments.population.simulation.estimate import as_rows
    from harness.experiments.population.simulation.estimate import estimate as work_out
    from harness.experiments.population.simulation.simulation import SimulationOptions
    from harness.gateway.prices import find_prices

    options = SimulationOptions(seed, threshold, chunk_size, model)
    cases = asyncio.run(work_out(read_inputs(scenario, personas), options, find_prices(prices)))
    if as_json:
        echo_json(as_rows(cases))
    else:
        echo("\n".join(_estimate_lines(cases, model)))


def _estimate_lines(cases: tuple[EstimateCase, ...], model: str) -> list[str]:
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
    return lines if cases[0].dollars is not None else [*lines, f"No price is known for {model!r}."]


@group.command()
def simulate(
    scenario: Annotated[Path, typer.Argument(help="scenario.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of results.")],
    personas: PersonaFile = None,
    model: Model = "rehearsal",
    routine_model: Annotated[
        str | None, typer.Option(help="Who sorts what was said; default: the model.")
    ] = None,
    base_url: BaseUrl = None,
    threshold: Threshold = 3,
    chunk_size: ChunkSize = 50,
    seed: Seed = 0,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    concurrency: Concurrency = "16",
    rpm: Annotated[int | None, typer.Option(help="Model calls in any minute.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens in any minute.")] = None,
    timeout: Timeout = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
    engine: Annotated[str, typer.Option(help="Who simulates: own or extropy.")] = "own",
    accept_lost_journal: Annotated[
        bool, typer.Option("--accept-lost-journal", help="Send calls again whose replies are lost.")
    ] = False,
) -> None:
    """Simulate; the same command again goes on where it was left, and changes nothing once it is done."""
    from harness.errors import ConfigurationError
    from harness.experiments.population.extropy.process import ENGINE
    from harness.experiments.population.extropy.simulation import check_engine, simulate_in_folder
    from harness.experiments.population.inputs import read_inputs
    from harness.experiments.population.simulation.folder import RUN, simulate
    from harness.experiments.population.simulation.results import META
    from harness.experiments.population.simulation.simulation import DATABASE, SimulationOptions
    from harness.runtime.settings import parse_concurrency

    if engine not in ENGINES:
        raise ConfigurationError(f"--engine {engine}: expected one of {', '.join(ENGINES)}.")
    _check(out, temperature)
    check_engine(out, ENGINE if engine == "extropy" else "own")
    inputs = read_inputs(scenario, personas)
    asked = model if routine_model is None else f"{model} + {routine_model}"
    options = SimulationOptions(
        seed, threshold, chunk_size, asked if temperature is None else f"{asked} at {temperature:g}"
    )
    asking = Asking(
        model, base_url, seed, max_cost, prices, out, routine_model, concurrency, rpm, tpm, temperature, timeout,
        accept_lost_journal,
    )  # fmt: skip

    async def work(gateway: Gateway) -> dict[str, Any]:
        gateway.open_run(RUN, begun=(out / DATABASE).exists() and not (out / META).exists())
        if engine == "extropy":
            at_once = parse_concurrency(concurrency) or chunk_size
            return await simulate_in_folder(
                scenario, personas, options, gateway, out, at_once=at_once, say=_told_by_calls
            )
        return await simulate(inputs, options, gateway, out, say=_told)

    meta = ended(asking, work)
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
        echo(f"FAILED: {meta['failed_requests']:,} requests to the gateway came to nothing.")
    echo(f"Written: {out}")


def _check(out: Path, temperature: float | None) -> None:
    from harness.errors import ConfigurationError

    file = next((one for one in (out, *out.parents) if one.exists() and not one.is_dir()), None)
    if file is not None:
        raise ConfigurationError(f"--out {out}: {file} is a file; expected a folder, or a new one.")
    if temperature is not None and not 0 <= temperature <= 2:
        raise ConfigurationError(f"--temperature {temperature:g}: expected 0 to 2.")


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


@group.command()
def results(
    folder: Annotated[Path, typer.Argument(help="The folder of results.")],
    scenario: Annotated[Path, typer.Option("--scenario", help="The scenario that was simulated.")],
    segment: Annotated[
        list[str] | None, typer.Option(help="An attribute, or a number's cuts: age:30,65.")
    ] = None,
    min_n: Annotated[int, typer.Option(help="Values from which shares are shown.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print outcomes of all agents and by segment, each share with its denominator."""
    from harness.experiments.population.formats.scenario import read_scenario
    from harness.experiments.population.simulation.results_file import check_outcomes, read_states
    from harness.experiments.population.simulation.segments import overall, view

    states, meta = read_states(folder)
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
