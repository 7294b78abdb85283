"""``harness population``: the stages of a survey population, from its spec to the results of a simulation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from harness.cli.app import app
from harness.errors import ConfigurationError, ExitCode, HarnessError, ModelCallError, raise_if_any

if TYPE_CHECKING:
    from harness.llm.calls import ModelClient
    from harness.llm.gateway import Gateway
    from harness.studies.population.estimate import Case
    from harness.studies.population.segments import View

group = typer.Typer(no_args_is_help=True, help="A survey population, stage by stage.", rich_markup_mode=None)
app.add_typer(group, name="population")

Made = TypeVar("Made")
Out = Annotated[Path, typer.Option("--out", "-o", help="The file to write.")]
Seed = Annotated[int, typer.Option(help="Seed; the same gives the same file.")]
Spec = Annotated[Path, typer.Option("--population", "-p", help="population.yaml.")]
AgentsFile = Annotated[Path, typer.Option("--agents", "-a", help="agents.json.")]
ByHand = Annotated[Path | None, typer.Option(help="Check this file of yours instead of asking a model.")]
Model = Annotated[str, typer.Option(help="rehearsal (offline), or PROVIDER:MODEL.")]
BaseUrl = Annotated[str | None, typer.Option(help="Endpoint of the model.")]
Concurrency = Annotated[str, typer.Option(help="Model calls in flight, or 'unlimited'.")]
MaxCost = Annotated[float | None, typer.Option(help="US dollars that this may spend.")]
Prices = Annotated[Path | None, typer.Option(help="JSON of your own prices.")]


@dataclass(frozen=True, slots=True)
class _Asking:
    """How a stage asks a model."""

    model: str
    base_url: str | None
    seed: int
    max_cost: float | None
    prices: Path | None
    journal: Path
    judge: str | None = None
    concurrency: str = "16"
    rpm: int | None = None
    tpm: int | None = None
    temperature: float | None = None

    def gateway(self) -> Gateway:
        from harness.plugin.parts import make_gateway
        from harness.runner.settings import Settings, bound_problems, parse_concurrency

        raise_if_any(bound_problems(max_cost=self.max_cost, rpm=self.rpm, tpm=self.tpm))
        return make_gateway(
            Settings(
                model=self.model,
                base_url=self.base_url,
                judge_model=self.judge,
                seed=self.seed,
                max_cost=self.max_cost,
                prices=self.prices,
                rpm=self.rpm,
                tpm=self.tpm,
                temperature=self.temperature,
                concurrency=parse_concurrency(self.concurrency),
                results_dir=self.journal,
            )
        )


@group.command()
def example(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write the example: a town, its network config, phrasings of personas, and a scenario."""
    from harness.studies.population.example import write_example

    for path in write_example(folder):
        typer.echo(f"Written: {path}")


@group.command()
def spec(
    out: Out,
    description: Annotated[str, typer.Argument(help="Who they are.")] = "",
    size: Annotated[int, typer.Option(min=1, help="How many agents.")] = 1000,
    by_hand: ByHand = None,
    model: Model = "rehearsal",
    base_url: BaseUrl = None,
    seed: Seed = 0,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Write a population's spec: attributes and how they are distributed."""
    from harness.studies.population.authoring import write_spec
    from harness.studies.population.files import write_yaml
    from harness.studies.population.spec import read_spec

    _one_of(description, by_hand)
    asking = _Asking(model, base_url, seed, max_cost, prices, out.parent)
    made = (
        read_spec(by_hand) if by_hand else _asked(asking, "spec", lambda c: write_spec(c, description, size))
    )
    write_yaml(out, made)
    typer.echo(f"Written: {out} ({len(made.attributes)} attributes, {made.meta.size:,} agents)")


@group.command()
def extend(
    out: Out,
    population: Annotated[Path, typer.Argument(help="The spec to extend.")],
    scenario: Annotated[str, typer.Option("--scenario", "-s", help="What happens to them.")] = "",
    by_hand: ByHand = None,
    model: Model = "rehearsal",
    base_url: BaseUrl = None,
    seed: Seed = 0,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Add the attributes that matter for a scenario."""
    from harness.studies.population.authoring import extend_spec
    from harness.studies.population.files import write_yaml
    from harness.studies.population.spec import read_spec

    _one_of(scenario, by_hand)
    base = read_spec(population)
    asking = _Asking(model, base_url, seed, max_cost, prices, out.parent)
    made = (
        read_spec(by_hand) if by_hand else _asked(asking, "extend", lambda c: extend_spec(c, base, scenario))
    )
    lost = sorted({one.name for one in base.attributes} - {one.name for one in made.attributes})
    if lost:
        raise ConfigurationError(
            f"Population {by_hand}: lacks {', '.join(lost)} of {population}; expected all of it."
        )
    write_yaml(out, made)
    typer.echo(f"Written: {out} ({len(made.attributes) - len(base.attributes)} attributes added)")


@group.command()
def sample(
    population: Annotated[Path, typer.Argument(help="population.yaml.")],
    out: Out,
    count: Annotated[int | None, typer.Option(help="How many.", show_default="as the spec says")] = None,
    seed: Seed = 0,
) -> None:
    """Draw agents from a spec."""
    from harness.studies.population.agents import write_agents
    from harness.studies.population.sampling import sample as draw
    from harness.studies.population.spec import read_spec

    agents = draw(read_spec(population), count=count, seed=seed)
    write_agents(out, agents)
    typer.echo(f"Written: {out} ({len(agents):,} agents)")
    for name, number in agents.meta["stats"]["constraint_violations"].items():
        if number:
            typer.echo(f"VIOLATED: {name} by {number:,} of {len(agents):,} agents")


@group.command()
def network(
    agents: Annotated[Path, typer.Argument(help="agents.json.")],
    out: Out,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="network.yaml; default: no homophily.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Connect agents, and say how far degree, clustering and homophily are as wanted."""
    from harness.studies.population.agents import read_agents
    from harness.studies.population.network import connect
    from harness.studies.population.network_config import NetworkConfig, read_network_config
    from harness.studies.population.network_file import write_network

    drawn = read_agents(agents)
    wanted = read_network_config(config, frozenset(drawn.columns)) if config else NetworkConfig()
    made = connect(drawn, wanted, seed=seed)
    write_network(out, made, drawn)
    typer.echo(f"Written: {out} ({len(made):,} ties)")
    targets = made.meta["targets"]
    rows = {"avg_degree": targets["avg_degree"], "clustering": targets["clustering"]}
    for name, one in (
        rows | {f"homophily {name}": one for name, one in targets["homophily"].items()}
    ).items():
        typer.echo(
            f"{name:<24}{one['target']:>8.3f} wanted {one['reached']:>8.3f} reached{'' if one['met'] else '  NOT MET'}"
        )


@group.command()
def persona(
    population: Annotated[Path, typer.Argument(help="population.yaml.")],
    out: Out,
    agents: Annotated[Path | None, typer.Option("--agents", "-a", help="Show one of these.")] = None,
    by_hand: ByHand = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Name and value of each attribute; no model.")
    ] = False,
    model: Model = "rehearsal",
    base_url: BaseUrl = None,
    seed: Seed = 0,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Write how attributes are told in the first person."""
    from harness.studies.population.agents import read_agents
    from harness.studies.population.authoring import write_personas
    from harness.studies.population.files import write_yaml
    from harness.studies.population.persona import Teller, plain_personas, read_personas
    from harness.studies.population.spec import read_spec

    read = read_spec(population)
    attributes = frozenset(one.name for one in read.attributes)
    asking = _Asking(model, base_url, seed, max_cost, prices, out.parent)
    if by_hand:
        made = read_personas(by_hand, attributes)
    else:
        made = plain_personas(read) if plain else _asked(asking, "persona", lambda c: write_personas(c, read))
    write_yaml(out, made)
    typer.echo(f"Written: {out}")
    if agents is not None:
        drawn = read_agents(agents)
        typer.echo("\n" + Teller(made, drawn).tell(drawn.rows()[0]))


@group.command()
def scenario(
    population: Annotated[Path, typer.Option("--population", "-p", help="population.yaml.")],
    out: Out,
    description: Annotated[str, typer.Argument(help="What happens; default: what extend was told.")] = "",
    agents: Annotated[Path, typer.Option("--agents", "-a", help="agents.json.")] = Path("agents.json"),
    network: Annotated[Path, typer.Option("--network", "-n", help="network.json.")] = Path("network.json"),
    steps: Annotated[int, typer.Option(min=1, help="Time steps at most.")] = 10,
    by_hand: ByHand = None,
    model: Model = "rehearsal",
    base_url: BaseUrl = None,
    seed: Seed = 0,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Write what happens to them, who hears of it, and what is measured."""
    from harness.studies.population.authoring import write_scenario
    from harness.studies.population.files import write_yaml
    from harness.studies.population.scenario import read_scenario
    from harness.studies.population.spec import read_spec

    read = read_spec(population)
    told = description or read.meta.scenario_description or ""
    _one_of(told if not by_hand else description, by_hand)
    asking = _Asking(model, base_url, seed, max_cost, prices, out.parent)
    made = (
        read_scenario(by_hand, frozenset(one.name for one in read.attributes))
        if by_hand
        else _asked(asking, "scenario", lambda c: write_scenario(c, read, told, steps))
    )
    places = {"population_spec": population, "agents_file": agents, "network_file": network}
    named = {name: _relative(path, out.parent) for name, path in places.items()}
    write_yaml(out, made.model_copy(update={"meta": made.meta.model_copy(update=named)}))
    typer.echo(f"Written: {out}")


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
    from harness.llm.prices import find_prices
    from harness.studies.population.estimate import as_rows
    from harness.studies.population.estimate import estimate as work_out
    from harness.studies.population.inputs import read_inputs
    from harness.studies.population.simulation import Options

    options = Options(seed, threshold, chunk_size, model)
    cases = asyncio.run(work_out(read_inputs(scenario, personas), options, find_prices(prices)))
    typer.echo(json.dumps(as_rows(cases), indent=2) if as_json else "\n".join(_estimate_lines(cases, model)))


def _estimate_lines(cases: tuple[Case, ...], model: str) -> list[str]:
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
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Simulate; the same command again goes on where it was left, and changes nothing once it is done."""
    from harness.studies.population.inputs import read_inputs
    from harness.studies.population.running import RUN, simulate
    from harness.studies.population.simulation import Options

    inputs = read_inputs(scenario, personas)
    asked = model if routine_model is None else f"{model} + {routine_model}"
    options = Options(
        seed, threshold, chunk_size, asked if temperature is None else f"{asked} at {temperature:g}"
    )
    asking = _Asking(
        model, base_url, seed, max_cost, prices, out, routine_model, concurrency, rpm, tpm, temperature
    )  # fmt: skip

    async def work(gateway: Gateway) -> dict[str, Any]:
        gateway.open_run(RUN)
        return await simulate(inputs, options, gateway, out, say=_told)

    meta = _ended(asking, work)
    cost = meta["cost"]
    typer.echo(
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
        typer.echo(
            f"NOT REASONED: {meta['agents_failed']:,} times no usable reply came; reasons in timeline.jsonl."
        )
    if meta["rehearsal"]:
        typer.echo("REHEARSAL: the replies were made up offline. Nothing of this is evidence.")
    typer.echo(f"Written: {out}")


def _told(progress: Any) -> None:
    cost = "" if progress.cost is None else f", ${progress.cost:,.2f}"
    chunk = f"chunk {progress.chunk} of {progress.chunks}"
    typer.echo(
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
    min_n: Annotated[int, typer.Option(help="Values from which shares are told.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Outcomes of everybody and by segment, with the number that every share is of."""
    from harness.studies.population.scenario import read_scenario
    from harness.studies.population.segments import overall, read_states, view

    states, meta = read_states(folder)
    outcomes = [
        one for one in read_scenario(scenario).outcomes.suggested_outcomes if one.type != "open_ended"
    ]
    views = [
        view(states, one, by, min_n) if by else overall(states, one, min_n)
        for by in [None, *(segment or [])]
        for one in outcomes
    ]
    if as_json:
        from dataclasses import asdict

        content = {"meta": meta, "views": [asdict(one) for one in views]}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
        return
    if meta.get("rehearsal"):
        typer.echo("REHEARSAL: the replies were made up offline. Nothing below is evidence.\n")
    typer.echo("\n\n".join("\n".join(_view_lines(one)) for one in views))


def _view_lines(one: View) -> list[str]:
    by = f" by {one.attribute}" if one.attribute else ""
    lines = [f"{one.outcome}{by}; shares and means are of those who answered", ""]
    lines.append(f"{'segment':<20}{'n':>7}{'aware':>7}{'answered':>10}  ")
    for row in one.rows:
        figures = row.reason or ", ".join(
            f"{name} {_figure(name, value)}" for name, value in (row.figures or {}).items()
        )
        lines.append(f"{row.segment:<20.20}{row.n:>7,}{row.aware:>7,}{row.answered:>10,}  {figures}")
    return lines


def _figure(name: str, value: float) -> str:
    return (
        f"{value:.2f}"
        if name in ("mean", "std", "min", "max")
        else f"{value:,}"
        if name == "count"
        else f"{value:.1%}"
    )


@group.command()
def personas(
    agents: Annotated[Path, typer.Argument(help="agents.json.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder; its path is a population's.")],
    phrasings: Annotated[Path | None, typer.Option(help="population.persona.yaml.")] = None,
    first: Annotated[int | None, typer.Option(help="Only so many, from the front.")] = None,
) -> None:
    """Write agents as persona files, for the experiments here: population="path/of/the/folder"."""
    from harness.studies.population.as_personas import export_personas

    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"{out}: is there and not empty; expected a new folder.")
    typer.echo(f"Written: {export_personas(agents, out, phrasings, first=first):,} persona files in {out}")


def _one_of(text: str, by_hand: Path | None) -> None:
    if bool(text.strip()) == (by_hand is not None):
        raise ConfigurationError(
            "Expected either a description, for a model to write from, or --by-hand FILE."
        )


def _relative(path: Path, folder: Path) -> str:
    """As a scenario in ``folder`` names it."""
    import os

    return path.as_posix() if path.is_absolute() else Path(os.path.relpath(path, folder)).as_posix()


def _asked(asking: _Asking, stage: str, write: Callable[[ModelClient], Awaitable[Made]]) -> Made:
    """What ``write`` makes with a client of its own; what was paid for is in the journal beside the file."""

    async def work(gateway: Gateway) -> Made:
        client = gateway.open_trial(stage, f"stage-{stage}")
        made = await write(client)
        usage = client.usage()
        cost = f"${usage.cost:,.4f}" if usage.cost is not None else f"cost not known: {usage.cost_reason}"
        typer.echo(f"{usage.total_calls} calls, {cost}", err=True)
        return made

    return _ended(asking, work)


def _ended(asking: _Asking, work: Callable[[Gateway], Awaitable[Made]]) -> Made:
    """Run ``work`` with a gateway to its end; a failure's exit code tells what it was."""
    from harness.llm.budget import BudgetExhaustedError

    async def whole() -> Made:
        gateway = asking.gateway()
        try:
            return await work(gateway)
        finally:
            await gateway.aclose()

    try:
        return asyncio.run(whole())
    except ConfigurationError:
        raise
    except KeyboardInterrupt:
        typer.echo("Interrupted. The same command goes on where it was left.", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except HarnessError as error:
        typer.echo(f"ERROR: {error}", err=True)
        if isinstance(error, ModelCallError):
            typer.echo("What was answered is kept: the same command goes on where it was left.", err=True)
        stopped = isinstance(error, BudgetExhaustedError)
        raise typer.Exit(ExitCode.BUDGET if stopped else ExitCode.FAILED) from None
