"""``harness population``: the stages that make a survey population, connect it and tell of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.asking import Asking, asked
from harness.errors import ConfigurationError

group = typer.Typer(no_args_is_help=True, help="A survey population, stage by stage.", rich_markup_mode=None)
app.add_typer(group, name="population")

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
    asking = Asking(model, base_url, seed, max_cost, prices, out.parent)
    made = (
        read_spec(by_hand) if by_hand else asked(asking, "spec", lambda c: write_spec(c, description, size))
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
    asking = Asking(model, base_url, seed, max_cost, prices, out.parent)
    made = (
        read_spec(by_hand) if by_hand else asked(asking, "extend", lambda c: extend_spec(c, base, scenario))
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
    asking = Asking(model, base_url, seed, max_cost, prices, out.parent)
    if by_hand:
        made = read_personas(by_hand, attributes)
    else:
        made = plain_personas(read) if plain else asked(asking, "persona", lambda c: write_personas(c, read))
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
    asking = Asking(model, base_url, seed, max_cost, prices, out.parent)
    made = (
        read_scenario(by_hand, frozenset(one.name for one in read.attributes))
        if by_hand
        else asked(asking, "scenario", lambda c: write_scenario(c, read, told, steps))
    )
    places = {"population_spec": population, "agents_file": agents, "network_file": network}
    named = {name: _relative(path, out.parent) for name, path in places.items()}
    write_yaml(out, made.model_copy(update={"meta": made.meta.model_copy(update=named)}))
    typer.echo(f"Written: {out}")


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
