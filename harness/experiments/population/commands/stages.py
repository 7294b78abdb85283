"""``harness population``: the stages that draw, connect and describe a survey population."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from harness.cli.command_group import CommandApp
from harness.cli.common_options import with_settings
from harness.cli.model_session import ended
from harness.console import echo
from harness.errors import ConfigurationError
from harness.runtime.settings import Settings

if TYPE_CHECKING:
    from harness.experiments.population.build.stages import Ask, StageSummary
    from harness.gateway.calls import ModelClient
    from harness.gateway.gateway import Gateway

Made = TypeVar("Made")

group = CommandApp(help="Build a survey population stage by stage, and simulate an event.")

Out = Annotated[Path, typer.Option("--out", "-o", help="File to write.")]
ASKING = ("model", "base_url", "call_timeout", "env_file", "max_cost", "prices")
"""The settings of a stage that a model writes."""
SEED = "Seed; the same seed gives the same file."
Seed = Annotated[int, typer.Option(metavar="N", help=SEED)]
ByHand = Annotated[
    Path | None, typer.Option(help="Check and use this file of yours instead of asking a model.")
]


@group.command()
def example(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write an example: a town, its network config, phrasings of personas, a scenario and a schema map."""
    from harness.experiments.population.example import write_example

    for path in write_example(folder):
        echo(f"Written: {path}")


@group.command()
@with_settings(*ASKING, seed=SEED)
def spec(
    settings: Settings,
    out: Out,
    description: Annotated[str, typer.Argument(help="Who the people are.")] = "",
    size: Annotated[int, typer.Option(min=1, metavar="N", help="Number of agents.")] = 1000,
    by_hand: ByHand = None,
) -> None:
    """Write a population's spec: its attributes and their distributions."""
    from harness.experiments.population.build import stages

    _one_of(description, by_hand)
    told = stages.make_spec(
        out,
        asker(settings, out),
        description=description,
        size=None if by_hand else size,
        by_hand=by_hand,
    )
    _written(out, told)


@group.command()
@with_settings(*ASKING, seed=SEED)
def extend(
    settings: Settings,
    out: Out,
    population: Annotated[Path, typer.Argument(metavar="SPEC", help="The spec to extend, population.yaml.")],
    scenario: Annotated[str, typer.Option("--scenario", "-s", help="What happens to the people.")] = "",
    by_hand: ByHand = None,
) -> None:
    """Add the attributes that matter for a scenario."""
    from harness.experiments.population.build import stages

    _one_of(scenario, by_hand)
    _written(out, stages.extend(population, out, asker(settings, out), scenario=scenario, by_hand=by_hand))


@group.command()
def sample(
    population: Annotated[Path, typer.Argument(help="population.yaml.")],
    out: Out,
    count: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of agents. Default: the spec's.", show_default=False),
    ] = None,
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
        Path | None, typer.Option("--config", "-c", help="network.yaml. Default: no homophily.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Connect agents, and report how close degree, clustering and homophily come to their targets."""
    from harness.experiments.population.build import stages

    _written(out, stages.network(agents, out, config=config, seed=seed))


@group.command()
@with_settings(*ASKING, seed=SEED)
def persona(
    settings: Settings,
    population: Annotated[Path, typer.Argument(help="population.yaml.")],
    out: Out,
    agents: Annotated[Path | None, typer.Option("--agents", "-a", help="Show one of these agents.")] = None,
    by_hand: ByHand = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Only name and value of each attribute, without a model.")
    ] = False,
) -> None:
    """Write how attributes are phrased in the first person."""
    from harness.experiments.population.build import stages

    told = stages.persona(population, out, asker(settings, out), by_hand=by_hand, plain=plain, agents=agents)
    _written(out, told)


@group.command()
@with_settings(*ASKING, seed=SEED)
def scenario(
    settings: Settings,
    population: Annotated[Path, typer.Option("--population", "-p", help="population.yaml.")],
    out: Out,
    description: Annotated[str, typer.Argument(help="What happens. Default: the scenario of extend.")] = "",
    agents: Annotated[Path, typer.Option("--agents", "-a", help="agents.json.")] = Path("agents.json"),
    network: Annotated[Path, typer.Option("--network", "-n", help="network.json.")] = Path("network.json"),
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Maximum number of time steps.")] = 10,
    by_hand: ByHand = None,
) -> None:
    """Write the scenario: what happens, who hears of it, and what is measured."""
    from harness.experiments.population.build import stages
    from harness.experiments.population.formats.spec import read_spec

    told = description or read_spec(population).meta.scenario_description or ""
    _one_of(told if not by_hand else description, by_hand)
    places = {"population_spec": population, "agents_file": agents, "network_file": network}
    named = {name: _relative(path, out.parent) for name, path in places.items()}
    _written(
        out,
        stages.scenario(
            population,
            out,
            asker(settings, out),
            named=named,
            description=told,
            steps=steps,
            by_hand=by_hand,
        ),
    )


@group.command()
def personas(
    agents: Annotated[Path, typer.Argument(help="agents.json.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder. Use its path as a population.")],
    phrasings: Annotated[Path | None, typer.Option(help="population.persona.yaml.")] = None,
    first: Annotated[int | None, typer.Option(metavar="N", help="Only the first N agents.")] = None,
) -> None:
    """Write agents as persona files, for an experiment's population="path/of/the/folder"."""
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


def asker(settings: Settings, out: Path) -> Ask:
    """What asks a model for a stage, with its own gateway and a journal beside ``out``, which the stage writes."""

    def ask(stage: str, write: Callable[[ModelClient], Awaitable[Made]], /) -> Made:
        async def work(gateway: Gateway) -> Made:
            client = gateway.open_trial(stage, f"stage-{stage}-seed{settings.seed}")
            made = await write(client)
            usage = client.usage()
            cost = f"${usage.cost:,.4f}" if usage.cost is not None else f"cost not known: {usage.cost_reason}"
            echo(f"{usage.total_calls} calls, {cost}", err=True)
            return made

        return ended(replace(settings, results_dir=out.parent), work)

    return ask
