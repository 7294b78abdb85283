"""A simulation as a trial: variants of one scenario as groups, repetitions as seeds, all as ordinary pytest cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError, HarnessError
from harness.llm.calls import ModelClient
from harness.model import Experiment, Group, Measure, Mode, Play, Sample, Script, TrialPlan, TrialResult

if TYPE_CHECKING:
    from harness.studies.population.inputs import Inputs
    from harness.studies.population.simulation import Finished, Options

AWARE, SENTIMENT = "aware", "sentiment"
AXES = ("threshold", "chunk_size", "share_probability")
"""What a variant may set; what it does not is as the command line's default or the scenario has it."""


def simulation_experiment(
    scenario: Path,
    variants: Mapping[str, Mapping[str, Any]],
    *,
    name: str = "population",
    reps: int = 5,
    personas: Path | None = None,
) -> Experiment:
    """Simulate ``scenario`` once per variant and repetition; repetition n has the same seed in every variant.

    ``variants`` maps a group's name to settings of `AXES`. Metrics are the share of agents that heard of the event
    (``aware``), the mean sentiment of those who reasoned, and for each option of the position its share among those
    who hold one (``position_<number>``, in the scenario's order). A trial goes on from the journal when it was cut
    off. Raises `ConfigurationError`.
    """
    inputs = _inputs(scenario, personas)
    odd = {axis for settings in variants.values() for axis in settings} - set(AXES)
    if odd:
        raise ConfigurationError(
            f"Experiment {name}: {sorted(odd)[0]!r} is no axis; expected one of {', '.join(AXES)}."
        )
    metrics = (AWARE, SENTIMENT, *(_metric(number) for number in range(len(inputs.options))))
    return Experiment(
        name=name,
        groups=tuple(
            Group(group, settings={"variant": dict(settings)}) for group, settings in variants.items()
        ),
        script=Script(task=inputs.scenario.event.content.replace("{", "(").replace("}", ")")),
        metrics=tuple(Measure(metric) for metric in metrics),
        modes={"full": Mode(reps=reps, steps=inputs.scenario.simulation.max_timesteps)},
        protocol="simulation",
        settings={
            "scenario_file": str(scenario),
            "persona_file": None if personas is None else str(personas),
            "inputs_sha256": dict(inputs.hashes),
            "options": list(inputs.options),
            "agents": len(inputs.agents),
        },
        play=Play(play, calls=calls, record_type="simulation_result", check=check),
    )


def check(experiment: Experiment) -> Iterable[str]:
    """The files must be those that the experiment was declared with."""
    settings = experiment.settings
    try:
        inputs = _inputs(Path(settings["scenario_file"]), _path(settings["persona_file"]))
    except HarnessError as error:
        yield str(error)
        return
    for what, digest in inputs.hashes.items():
        if settings["inputs_sha256"].get(what) != digest:
            yield f"Experiment {experiment.name}: the {what} file has changed since it was declared; declare it anew."


def calls(plan: TrialPlan) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """None if nobody hears; two for everybody in every step at most."""
    most = plan.settings["agents"] * plan.steps
    return {"reason": 0, "classify": 0}, {"reason": most, "classify": most}


async def play(plan: TrialPlan, client: ModelClient) -> TrialResult:
    """One simulation, kept in memory: what was answered is in the run's journal."""
    from harness.studies.population.reasoning import ModelMind
    from harness.studies.population.running import OneClient
    from harness.studies.population.simulation import Options, Simulation

    settings = dict(plan.arm["variant"])
    inputs = _inputs(Path(plan.settings["scenario_file"]), _path(plan.settings["persona_file"]))
    if dict(inputs.hashes) != dict(plan.settings["inputs_sha256"]):
        raise ConfigurationError(
            "The files of the simulation have changed since the experiment was declared."
        )
    inputs = _with_share(inputs, settings.pop("share_probability", None))
    options = Options(seed=plan.seed * 1_000_003 + plan.trial.cell.rep, **settings)
    mind = ModelMind(inputs.scenario, OneClient(client), temperature=plan.temperature)
    done = await Simulation(inputs, options, mind, None).run()
    return TrialResult(plan.trial, tuple(_samples(inputs, done)), (), details=_details(inputs, options, done))


def _samples(inputs: Inputs, done: Finished) -> Iterable[Sample]:
    last = done.summaries[-1]
    held = sum(last.position_distribution.values())
    yield Sample(AWARE, last.exposure_rate)
    reason = None if last.average_sentiment is not None else "nobody reasoned"
    yield Sample(SENTIMENT, last.average_sentiment, reason=reason)
    for number, option in enumerate(inputs.options):
        share = last.position_distribution.get(option, 0) / held if held else None
        yield Sample(_metric(number), share, reason=None if held else "nobody holds a position")


def _details(inputs: Inputs, options: Options, done: Finished) -> dict[str, Any]:
    last = done.summaries[-1]
    return {
        "simulation_seed": options.seed,
        "stopped_reason": done.reason.value,
        "stopped_detail": done.detail,
        "population_size": len(inputs.agents),
        "total_timesteps": len(done.summaries),
        "position_counts": dict(last.position_distribution),
        "agents_failed": sum(one.agents_failed for one in done.summaries),
    }


def _metric(number: int) -> str:
    return f"position_{number + 1}"


def _with_share(inputs: Inputs, share: float | None) -> Inputs:
    if share is None:
        return inputs
    if not 0 <= share <= 1:
        raise ConfigurationError(f"share_probability={share}; expected 0 to 1.")
    spread = inputs.scenario.spread.model_copy(update={"share_probability": share})
    return replace(inputs, scenario=inputs.scenario.model_copy(update={"spread": spread}))


def _inputs(scenario: Path, personas: Path | None) -> Inputs:
    from harness.studies.population.inputs import read_inputs

    return read_inputs(scenario, personas)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
