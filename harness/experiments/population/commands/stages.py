"""``harness population``: the stages that make a survey population, connect it and tell of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from harness.cli.app import Timeout
from harness.cli.model_session import Asking, ended
from harness.console import echo
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.experiments.population.build.stages import Ask, StageSummary
    from harness.gateway.calls import ModelClient
    from harness.gateway.gateway import Gateway

Made = TypeVar("Made")

group = typer.Typer(no_args_is_help=True, help="A survey population, stage by stage.", rich_markup_mode=None)

Out = Annotated[Path, typer.Option("--out", "-o", help="The file to write.")]
Seed = Annotated[int, typer.Option(help="Seed; the same gives the same file.")]
Spec = Annotated[Path, typer.Option("--population", "-p", help="population.yaml.")]
AgentsFile = Annotated[Path, typer.Option("--agents", "-a", help="agents.json.")]
ByHand = Annotated[Path | None, typer.Option(help="Check this file of yours instead of asking a model.")]
Model = Annotated[str, typer.Option(help="rehearsal (offline), or PROVIDER:MODEL.")]
BaseUrl = Annotated[str | None, typer.Option(help="Endpoint of the model.")]
MaxCost = Annotated[float | None, typer.Option(help="US dollars that this may spend.")]
Prices = Annotated[Path | None, typer.Option(help="JSON of your own prices.")]


@group.command()
def example(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write the example: a town, its network config, phrasings of personas, a scenario, and a schema map."""
    from harness.experiments.population.example import write_example

    for path in write_example(folder):
        echo(f"Written: {path}")


@group.command()
def spec(
    out: Out,
    description: Annotated[str, typer.Argument(help="Who they are.")] = "",
    size: Annotated[int, typer.Option(min=1, help="How many agents.")] = 1000,
    by_hand: ByHand = None,
    model: Model = "rehearsal",
    base_url: BaseUrl = None,
    seed: Seed = 0,
    timeout: Timeout = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Write a population's spec: attributes and how they are distributed."""
    from harness.experiments.population.build import stages

    _one_of(description, by_hand)
    asking = Asking(model, base_url, seed, max_cost, prices, out.parent, timeout=timeout)
    told = stages.make_spec(
        out,
        asker(asking),
        description=description,
        size=None if by_hand else size,
        by_hand=by_hand,
    )
    _written(out, told)


@group.command()
def extend(
    out: Out,
    population: Annotated[Path, typer.Argument(help="The spec to extend.")],
    scenario: Annotated[str, typer.Option("--scenario", "-s", help="What happens to them.")] = "",
    by_hand: ByHand = None,
    model: Model = "rehearsal",
    base_url: BaseUrl = None,
    seed: Seed = 0,
    timeout: Timeout = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Add the attributes that matter for a scenario."""
    from harness.experiments.population.build import stages

    _one_of(scenario, by_hand)
    asking = Asking(model, base_url, seed, max_cost, prices, out.parent, timeout=timeout)
    _written(out, stages.extend(population, out, asker(asking), scenario=scenario, by_hand=by_hand))


@group.command()
def sample(
    population: Annotated[Path, typer.Argument(help="population.yaml.")],
    out: Out,
    count: Annotated[int | None, typer.Option(help="How many.", show_default="as the spec says")] = None,
    seed: Seed = 0,
) -> None:
    """Draw agents from a spec."""
    from harness.experiments.population.build import stages

    _written(out, stages.sample(population, out, count=count, seed=seed))


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
    from harness.experiments.population.build import stages

    _written(out, stages.network(agents, out, config=config, seed=seed))


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
    timeout: Timeout = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Write how attributes are told in the first person."""
    from harness.experiments.population.build import stages

    asking = Asking(model, base_url, seed, max_cost, prices, out.parent, timeout=timeout)
    told = stages.persona(population, out, asker(asking), by_hand=by_hand, plain=plain, agents=agents)
    _written(out, told)


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
    timeout: Timeout = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
) -> None:
    """Write what happens to them, who hears of it, and what is measured."""
    from harness.experiments.population.build import stages
    from harness.experiments.population.formats.spec import read_spec

    told = description or read_spec(population).meta.scenario_description or ""
    _one_of(told if not by_hand else description, by_hand)
    asking = Asking(model, base_url, seed, max_cost, prices, out.parent, timeout=timeout)
    places = {"population_spec": population, "agents_file": agents, "network_file": network}
    named = {name: _relative(path, out.parent) for name, path in places.items()}
    _written(
        out,
        stages.scenario(
            population,
            out,
            asker(asking),
            named=named,
            description=told,
            steps=steps,
            by_hand=by_hand,
        ),
    )


@group.command()
def personas(
    agents: Annotated[Path, typer.Argument(help="agents.json.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder; its path is a population's.")],
    phrasings: Annotated[Path | None, typer.Option(help="population.persona.yaml.")] = None,
    first: Annotated[int | None, typer.Option(help="Only so many, from the front.")] = None,
) -> None:
    """Write agents as persona files, for the experiments here: population="path/of/the/folder"."""
    from harness.experiments.population.as_personas import export_personas

    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigurationError(f"{out}: is there and not empty; expected a new folder.")
    echo(f"Written: {export_personas(agents, out, phrasings, first=first):,} persona files in {out}")


def _written(out: Path, told: StageSummary) -> None:
    echo(f"Written: {out} ({told.summary})")
    for line in told.lines:
        echo(line)


def _one_of(text: str, by_hand: Path | None) -> None:
    if bool(text.strip()) == (by_hand is not None):
        raise ConfigurationError(
            "Expected either a description, for a model to write from, or --by-hand FILE."
        )


def _relative(path: Path, folder: Path) -> str:
    """As a scenario in ``folder`` names it."""
    import os

    return path.as_posix() if path.is_absolute() else Path(os.path.relpath(path, folder)).as_posix()


def asker(asking: Asking) -> Ask:
    """What asks a model for a stage, with its own gateway and a journal beside the file that the stage writes."""

    def ask(stage: str, write: Callable[[ModelClient], Awaitable[Made]], /) -> Made:
        async def work(gateway: Gateway) -> Made:
            client = gateway.open_trial(stage, f"stage-{stage}-seed{asking.seed}")
            made = await write(client)
            usage = client.usage()
            cost = f"${usage.cost:,.4f}" if usage.cost is not None else f"cost not known: {usage.cost_reason}"
            echo(f"{usage.total_calls} calls, {cost}", err=True)
            return made

        return ended(asking, work)

    return ask
