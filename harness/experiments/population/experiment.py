"""Simulations as trials: variants of a scenario as groups or as axes of a sweep, in worlds with one seed each."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError, HarnessError, expected_one_of, raise_if_any
from harness.experiments.population.source import Files, Source, Town, inputs_of
from harness.extras import require
from harness.gateway.calls import ModelClient
from harness.model import (
    Experiment,
    Group,
    Measure,
    Mode,
    Play,
    Sample,
    Script,
    Trial,
    TrialPlan,
    TrialResult,
)
from harness.records.writer import explained, safe_name

if TYPE_CHECKING:
    from harness.experiments.population.inputs import Inputs

NAME = "population"
ALONE = "simulation"
"""The only group of an experiment from a scenario file: the variants of a sweep are its arms."""
AWARE, SENTIMENT = "aware", "sentiment"
DEFAULTS: Mapping[str, Any] = {"threshold": 3, "chunk_size": 50, "simulator": "own"}
"""Axis → default; that of ``share_probability`` is the scenario's."""
AXES = (*DEFAULTS, "share_probability")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,40}")
MOST = 1_000_000_000
"""The largest threshold and chunk size."""
SIMULATORS = ("own", "extropy")
TOWN_AGENTS = 120
WORLDS = 6
"""Seeds of the town in every group: enough blocks for a verdict."""
BETWEEN_WORLDS, BETWEEN_REPS = 1_000_003, 1_000_000_007
"""The distance between the seeds of two worlds, and of two repetitions of one. The first has the trial's seed."""
FOLDER = "simulations"
"""Below the results directory: a folder per run, with one per trial."""


def town(agents: int = TOWN_AGENTS) -> Experiment:
    """``population``: does word of mouth change what a town thinks?"""
    import yaml

    from harness.experiments.population.example import PACKAGED

    said = yaml.safe_load((PACKAGED / "scenario.yaml").read_bytes())
    outcome = next(one for one in said["outcomes"]["suggested_outcomes"] if one["type"] == "categorical")
    return _experiment(
        Town(agents),
        NAME,
        {"baseline": {}, "silent": {"share_probability": 0.0}},
        {"full": Mode(steps=said["simulation"]["max_timesteps"]), "fast": Mode(steps=2, proposals=1)},
        worlds=WORLDS,
        task=said["event"]["content"],
        outcome=outcome["name"],
        options=outcome["options"],
        agents=agents,
        share=said["spread"]["share_probability"],
    )


def simulation_experiment(
    scenario: Path,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    name: str = NAME,
    worlds: int = 1,
    personas: Path | None = None,
) -> Experiment:
    """Simulate ``scenario`` once per variant and world; world n has the same seed in every variant.

    ``variants`` maps a group's name to settings of `AXES`; ``None``: one group without any, for a sweep. Metrics are
    the share of agents that heard of the event (``aware``), the mean sentiment of those who reasoned, and for each
    option of the position its share among those with a position (`position_metrics`). Each trial has its own folder
    (`folder_of`); an interrupted one starts over, with answered calls from the journal. Raises `ConfigurationError`.
    """
    raise_if_any(f"Experiment {name}: {fault}" for fault in _declared(variants, worlds))
    source = Files(Path(scenario), None if personas is None else Path(personas))
    inputs = inputs_of(source)
    held = inputs.scenario.outcomes.position
    return _experiment(
        source,
        name,
        {ALONE: {}} if variants is None else variants,
        {"full": Mode(steps=inputs.scenario.simulation.max_timesteps)},
        worlds=worlds,
        task=inputs.scenario.event.content,
        outcome=held.name if held else "",
        options=inputs.options,
        agents=len(inputs.agents),
        share=inputs.scenario.spread.share_probability,
    )


def _declared(variants: object, worlds: object) -> Iterable[str]:
    """What is wrong with the variants and the number of worlds."""
    if not _whole(worlds):
        yield f"worlds={worlds!r}; expected a whole number from 1."
    if variants is not None and not isinstance(variants, Mapping):
        yield f"variants={variants!r:.60}; expected settings by the name of a group."
    for group, settings in variants.items() if isinstance(variants, Mapping) else ():
        if not isinstance(settings, Mapping):
            yield f"group {group!r:.60} has {settings!r:.60}; expected settings by their names."


def _experiment(
    source: Source,
    name: str,
    variants: Mapping[str, Mapping[str, Any]],
    modes: Mapping[str, Mode],
    *,
    worlds: int,
    task: str,
    outcome: str,
    options: Sequence[str],
    agents: int,
    share: float,
) -> Experiment:
    odd = {axis for settings in variants.values() for axis in settings} - set(AXES)
    if odd:
        raise ConfigurationError(
            f"Experiment {name}: {sorted(odd)[0]!r} is not an axis; {expected_one_of(sorted(odd)[0], AXES)}"
        )
    positions = position_metrics(outcome, options)
    simulation = Simulated(source)
    return Experiment(
        name=name,
        groups=tuple(Group(group, settings=dict(settings)) for group, settings in variants.items()),
        script=Script(
            task=" ".join(task.replace("{", "(").replace("}", ")").split()),
            proposals=tuple({"id": f"world {number}"} for number in range(1, worlds + 1)),
        ),
        metrics=tuple(Measure(metric) for metric in (AWARE, SENTIMENT, *positions)),
        modes=modes,
        protocol="simulation",
        settings={
            **DEFAULTS,
            "share_probability": float(share),
            "inputs_sha256": dict(source.hashes()),
            "positions": dict(zip(positions, options, strict=True)),
            "agents": agents,
        },
        play=Play(
            simulation,
            calls=calls,
            record_type="simulation_result",
            check=simulation.check,
            files=True,
            transcript=False,
            fixed_model=True,
        ),
        axes=AXES,
    )


def position_metrics(outcome: str, options: Sequence[str]) -> list[str]:
    """The metrics of the position's options: ``stance_for``; or ``position_1`` and so on, in the scenario's order, if
    an option is not a plain word.
    """
    named = [f"{outcome}_{option}" for option in options]
    plain = all(_PLAIN.fullmatch(name) for name in named) and not {AWARE, SENTIMENT} & set(named)
    return named if plain else [f"position_{number}" for number in range(1, len(options) + 1)]


def calls(plan: TrialPlan) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """At least one agent reasons, else the trial fails; at most all agents in every step."""
    most = plan.settings["agents"] * plan.steps
    return {"reason": 1, "classify": 1}, {"reason": most, "classify": most}


def folder_of(results: Path, run_id: str, trial: Trial) -> Path:
    """The folder of a trial in a run."""
    cell = trial.cell
    return (
        results
        / FOLDER
        / safe_name(run_id)
        / f"{safe_name(cell.group)}-rep{cell.rep}-world{trial.proposal + 1}"
    )


@dataclass(frozen=True, slots=True)
class Simulated:
    """Runs one simulation of ``source`` as a trial."""

    source: Source

    def __str__(self) -> str:
        """Its identity, independent of file locations; the settings have the inputs' hashes."""
        return f"{type(self).__module__}.{type(self).__name__}"

    async def __call__(self, plan: TrialPlan, client: ModelClient) -> TrialResult:
        """Simulate into the trial's folder. Raises `HarnessError` where no agent reasoned."""
        from harness.experiments.population.formats.files import write_json
        from harness.experiments.population.simulation.results_file import read_states
        from harness.experiments.population.simulation.segments import SEGMENTS, by_attributes

        assert plan.place is not None
        settings = {**plan.settings, **plan.arm}
        inputs = await asyncio.to_thread(self._inputs, plan)
        folder = folder_of(plan.place.results, plan.place.run_id, plan.trial)
        with explained(folder, "write"):
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, folder)
        simulate = _extropy if settings["simulator"] == "extropy" else _own
        meta = await simulate(
            self.source,
            _as_set(inputs, plan.steps, settings["share_probability"]),
            plan,
            settings,
            client,
            folder,
        )
        if not meta["agents_reasoned"]:
            raise HarnessError(
                f"{plan.trial.id}: no agent reasoned ({meta['total_exposures']:,} exposures). "
                "Look at the exposure rules of the scenario."
            )
        states, _ = read_states(folder)
        write_json(folder / SEGMENTS, by_attributes(states, inputs.scenario, settings["positions"]))
        samples = tuple(_samples(folder, settings["positions"]))
        return TrialResult(plan.trial, samples, (), details=_details(meta))

    def check(self, experiment: Experiment) -> Iterable[str]:
        """Faults: changed files, and settings that cannot be simulated."""
        require("population", f"Experiment {experiment.name}")
        settings = experiment.settings
        try:
            hashes = self.source.hashes()
        except HarnessError as error:
            yield str(error)
            return
        for what, digest in hashes.items():
            if settings["inputs_sha256"].get(what) != digest:
                yield (
                    f"Experiment {experiment.name}: the {what} file has changed since it was declared; "
                    "declare it again."
                )
        for group in experiment.groups:
            for problem in self._problems({**settings, **group.settings}):
                yield f"Group {group.name!r} of {experiment.name}: {problem}"

    def _problems(self, settings: Mapping[str, Any]) -> Iterable[str]:
        for name in ("threshold", "chunk_size"):
            if not _whole(settings[name]) or not 1 <= settings[name] <= MOST:
                yield f"{name}={settings[name]!r}; expected a whole number from 1 to {MOST:,}."
        share = settings["share_probability"]
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            yield f"share_probability={share!r}; expected 0 to 1."
        if settings["simulator"] not in SIMULATORS:
            yield f"simulator={settings['simulator']!r}; expected one of {', '.join(SIMULATORS)}."
        elif settings["simulator"] == "extropy" and not isinstance(self.source, Files):
            yield (
                "simulator='extropy' reads files, but the packaged town is in memory; write it with: "
                "harness population example town"
            )

    def _inputs(self, plan: TrialPlan) -> Inputs:
        inputs = inputs_of(self.source)
        if dict(inputs.hashes) != dict(plan.settings["inputs_sha256"]):
            raise ConfigurationError("The files of the simulation have changed since it was declared.")
        return inputs


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _as_set(inputs: Inputs, steps: int, share: float) -> Inputs:
    """The inputs with the scenario as a trial's settings have it."""
    scenario = inputs.scenario
    spread = scenario.spread.model_copy(update={"share_probability": float(share)})
    simulation = scenario.simulation.model_copy(update={"max_timesteps": steps})
    return replace(inputs, scenario=scenario.model_copy(update={"spread": spread, "simulation": simulation}))


async def _own(
    source: Source,  # noqa: ARG001
    inputs: Inputs,
    plan: TrialPlan,
    settings: Mapping[str, Any],
    client: ModelClient,
    folder: Path,
) -> Mapping[str, Any]:
    from harness.experiments.population.formats.files import read_json
    from harness.experiments.population.simulation.folder import OneClient
    from harness.experiments.population.simulation.reasoning import ModelMind
    from harness.experiments.population.simulation.results import META, write_results
    from harness.experiments.population.simulation.simulation import Progress, Simulation

    def told(progress: Progress) -> None:
        assert plan.place is not None
        chunk = f"chunk {progress.chunk} of {progress.chunks}"
        plan.place.tell(f"step {progress.timestep + 1} of {progress.timesteps}, {chunk}")

    options = _options(plan, settings)
    mind = ModelMind(inputs.scenario, OneClient(client), temperature=plan.temperature)
    done = await Simulation(inputs, options, mind, folder, on_progress=told).run()
    write_results(folder, inputs, options, done)
    meta: Mapping[str, Any] = read_json(folder / META, "Results")
    return meta


async def _extropy(
    source: Source,
    inputs: Inputs,
    plan: TrialPlan,
    settings: Mapping[str, Any],
    client: ModelClient,
    folder: Path,
) -> Mapping[str, Any]:
    from harness.experiments.population.extropy.simulation import simulate_with_extropy

    assert plan.place is not None
    assert isinstance(source, Files)
    await plan.place.serve()
    return await simulate_with_extropy(
        source.scenario, source.personas, _options(plan, settings), client, folder, inputs=inputs
    )


def _options(plan: TrialPlan, settings: Mapping[str, Any]) -> Any:
    from harness.experiments.population.simulation.simulation import SimulationOptions

    trial = plan.trial
    seed = plan.seed + trial.proposal * BETWEEN_WORLDS + (trial.cell.rep - 1) * BETWEEN_REPS
    return SimulationOptions(
        seed=seed, threshold=settings["threshold"], chunk_size=settings["chunk_size"], model=""
    )


def _samples(folder: Path, positions: Mapping[str, str]) -> Iterable[Sample]:
    from harness.experiments.population.formats.files import read_json
    from harness.experiments.population.simulation.results import STEPS

    last = read_json(folder / STEPS, "Results")[-1]
    yield Sample(AWARE, last["exposure_rate"])
    sentiment = last["average_sentiment"]
    yield Sample(SENTIMENT, sentiment, reason=None if sentiment is not None else "no agent reasoned")
    shares = last["position_distribution"]
    for metric, option in positions.items():
        share = shares.get(option, 0.0) if shares else None
        yield Sample(metric, share, reason=None if shares else "no agent holds a position")


def _details(meta: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("stopped_reason", "stopped_detail", "population_size", "total_timesteps", "agents_reasoned")
    return {"simulation_seed": meta["seed"], **{name: meta[name] for name in (*kept, "agents_failed")}}
