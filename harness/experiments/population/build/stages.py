"""The stages as functions of files, options and seed: each writes its file, and says what is in it.

``ask`` puts a question to a model: it is given a stage's name and what to do with a client. A stage with a file
written ``by_hand`` checks that instead and makes no call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from harness.errors import ConfigurationError
from harness.experiments.population.formats.agents import read_agents, write_agents
from harness.experiments.population.formats.files import write_json, write_yaml
from harness.experiments.population.formats.spec import PopulationSpec, read_spec

if TYPE_CHECKING:
    from harness.experiments.population.simulation.simulation import SimulationOptions
    from harness.gateway.calls import ModelClient
    from harness.gateway.prices import Overrides

T = TypeVar("T")


class Ask(Protocol):
    """Run ``write`` with a client for the stage. Raises `HarnessError` without a usable answer."""

    def __call__(self, stage: str, write: Callable[[ModelClient], Awaitable[T]], /) -> T: ...


@dataclass(frozen=True, slots=True)
class StageSummary:
    """A short summary of the file, with notes for the user."""

    summary: str
    lines: tuple[str, ...] = ()


def make_spec(
    out: Path, ask: Ask, *, description: str = "", size: int | None = None, by_hand: Path | None = None
) -> StageSummary:
    """Write a population's spec. ``size`` overrides that of a hand-written file; the default is 1,000."""
    from harness.experiments.population.build.authoring import write_spec

    if by_hand is not None:
        made = _sized(read_spec(by_hand), size)
    else:
        made = ask("spec", lambda client: write_spec(client, description, size or 1000))
    write_yaml(out, made)
    return StageSummary(f"{len(made.attributes)} attributes, {made.meta.size:,} agents")


def extend(
    population: Path,
    out: Path,
    ask: Ask,
    *,
    scenario: str = "",
    size: int | None = None,
    by_hand: Path | None = None,
) -> StageSummary:
    """Extend the spec in ``population`` by attributes that matter for the event."""
    from harness.experiments.population.build.authoring import extend_spec

    base = read_spec(population)
    if by_hand is not None:
        made = _sized(read_spec(by_hand), size)
    else:
        made = ask("extend", lambda client: extend_spec(client, base, scenario))
    lost = sorted({one.name for one in base.attributes} - {one.name for one in made.attributes})
    if lost:
        raise ConfigurationError(
            f"Population {by_hand}: lacks {', '.join(lost)} of {population}; expected all of it."
        )
    write_yaml(out, made)
    return StageSummary(f"{len(made.attributes) - len(base.attributes)} attributes added")


def sample(population: Path, out: Path, *, count: int | None = None, seed: int = 0) -> StageSummary:
    """Draw agents from a spec: its size, or ``count``."""
    from harness.experiments.population.build.sampling import sample as draw

    _elsewhere(out, population)
    agents = draw(read_spec(population), count=count, seed=seed)
    write_agents(out, agents)
    violated = agents.meta["stats"]["constraint_violations"].items()
    return StageSummary(
        f"{len(agents):,} agents",
        tuple(f"VIOLATED: {name} by {n:,} of {len(agents):,} agents" for name, n in violated if n),
    )


def network(agents: Path, out: Path, *, config: Path | None = None, seed: int = 0) -> StageSummary:
    """Connect agents, and report degree, clustering and homophily against their targets."""
    from harness.experiments.population.build.network import connect
    from harness.experiments.population.formats.network_config import NetworkConfig, read_network_config
    from harness.experiments.population.formats.network_file import write_network

    _elsewhere(out, agents, config)
    drawn = read_agents(agents)
    wanted = read_network_config(config, frozenset(drawn.columns)) if config else NetworkConfig()
    made = connect(drawn, wanted, seed=seed)
    write_network(out, made, drawn)
    targets = made.meta["targets"]
    rows = {"avg_degree": targets["avg_degree"], "clustering": targets["clustering"]}
    rows |= {f"homophily {name}": one for name, one in targets["homophily"].items()}
    return StageSummary(
        f"{len(made):,} ties",
        tuple(
            f"{name:<24}{one['target']:>8.3f} wanted {one['reached']:>8.3f} reached{'' if one['met'] else '  NOT MET'}"
            for name, one in rows.items()
        ),
    )


def persona(
    population: Path,
    out: Path,
    ask: Ask,
    *,
    by_hand: Path | None = None,
    plain: bool = False,
    agents: Path | None = None,
) -> StageSummary:
    """Phrase attributes in the first person; with ``agents``, show the first one."""
    from harness.experiments.population.build.authoring import write_personas
    from harness.experiments.population.formats.persona import Teller, plain_personas, read_personas

    _elsewhere(out, population, agents)
    spec = read_spec(population)
    if by_hand is not None:
        made = read_personas(by_hand, names_of(spec))
    else:
        made = plain_personas(spec) if plain else ask("persona", lambda client: write_personas(client, spec))
    write_yaml(out, made)
    drawn = read_agents(agents) if agents else None
    return StageSummary(
        f"{len(made.groups)} groups of attributes",
        ("", Teller(made, drawn).tell(drawn.rows()[0])) if drawn else (),
    )


def scenario(
    population: Path,
    out: Path,
    ask: Ask,
    *,
    named: Mapping[str, str],
    description: str = "",
    steps: int = 10,
    by_hand: Path | None = None,
) -> StageSummary:
    """Write the scenario: event, exposure and outcomes.

    ``named`` has the file's population_spec, agents_file and network_file. The default description is that of extend.
    """
    from harness.experiments.population.build.authoring import write_scenario
    from harness.experiments.population.formats.scenario import read_scenario

    _elsewhere(out, population)
    spec = read_spec(population)
    told = description or spec.meta.scenario_description or ""
    if by_hand is not None:
        made = read_scenario(by_hand, names_of(spec))
    elif told.strip():
        made = ask("scenario", lambda client: write_scenario(client, spec, told, steps))
    else:
        raise ConfigurationError(
            f"Scenario: no description, and none in {population} (scenario_description); expected one."
        )
    write_yaml(out, made.model_copy(update={"meta": made.meta.model_copy(update=dict(named))}))
    rules, outcomes = made.seed_exposure.rules, made.outcomes.suggested_outcomes
    return StageSummary(f"{len(rules)} exposure rules, {len(outcomes)} outcomes")


def estimate(
    path: Path,
    out: Path,
    options: SimulationOptions,
    prices: Overrides | None = None,
    personas: Path | None = None,
) -> StageSummary:
    """What a simulation of the scenario at ``path`` would take; the file is what is printed as JSON."""
    from harness.experiments.population.simulation.estimate import as_rows
    from harness.experiments.population.simulation.estimate import estimate as work_out
    from harness.experiments.population.inputs import read_inputs

    cases = asyncio.run(work_out(read_inputs(path, personas), options, prices))
    write_json(out, as_rows(cases))
    calls = {one.name: one for one in cases}["expected"]
    dollars = "no price known" if calls.dollars is None else f"${calls.dollars:,.2f}"
    return StageSummary(f"{calls.calls:,} calls expected, {dollars}")


def names_of(spec: PopulationSpec) -> frozenset[str]:
    """Of its attributes."""
    return frozenset(one.name for one in spec.attributes)


def _elsewhere(out: Path, *sources: Path | None) -> None:
    """Raise `ConfigurationError` if ``out`` is one of the inputs."""
    if any(one is not None and one.resolve() == out.resolve() for one in sources):
        raise ConfigurationError(f"{out}: is an input of the stage; expected another file to write.")


def _sized(spec: PopulationSpec, size: int | None) -> PopulationSpec:
    return (
        spec
        if size is None
        else spec.model_copy(update={"meta": spec.meta.model_copy(update={"size": size})})
    )
