"""What extropy-run left: whether it is whole, why it stopped and who was asked in vain, by its files alone."""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from harness.errors import ConfigurationError
from harness.experiments.population.formats.files import read_json
from harness.experiments.population.inputs import Inputs
from harness.experiments.population.simulation.dynamics import DECAY, FIRM, QUIET_STEPS, STEADY, STEADY_STEPS
from harness.experiments.population.simulation.results import META, OUTCOMES, STATES, STEPS
from harness.experiments.population.simulation.simulation import DATABASE, TIMELINE, SimulationOptions
from harness.experiments.population.simulation.state import StopReason
from harness.model import Usage
from harness.records import stream
from harness.records.read_problems import Problem

WHOLE = (META, STEPS, OUTCOMES, STATES, DATABASE, TIMELINE)
"""The files of a finished simulation."""
_QUIET = re.compile(r"no_state_changes_for\s*>\s*(\d+)")
_COMPARED = re.compile(r"(exposure_rate|average_sentiment)\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)")
_ROWS = "SELECT timestep, agents_reasoned, state_changes, exposure_rate, position_distribution_json, average_sentiment"


@dataclass(frozen=True, slots=True)
class StepSummary:
    """A row of its database's summaries."""

    timestep: int
    reasoned: int
    changes: int
    exposure_rate: float
    positions: Mapping[str, int]
    sentiment: float | None


@dataclass(frozen=True, slots=True)
class ExtropyFiles:
    """Its files, read. ``asked`` and ``failed`` count reasonings: an agent in a step, however often it was tried."""

    meta: Mapping[str, Any]
    states: Sequence[Mapping[str, Any]]
    steps: Sequence[StepSummary]
    exposures: int
    stop: tuple[StopReason, str] | None
    failed: int

    @property
    def asked(self) -> int:
        return self.failed + sum(one.reasoned for one in self.steps)

    @property
    def final(self) -> list[Mapping[str, Any]]:
        """The agents' states at the end."""
        return [one["final_state"] for one in self.states]

    @property
    def reasoned(self) -> int:
        """Agents who ever reasoned."""
        return sum(one["last_reasoning_timestep"] >= 0 for one in self.final)


def read_files(
    folder: Path, inputs: Inputs, options: SimulationOptions
) -> tuple[ExtropyFiles | None, list[str]]:
    """What is in ``folder``, and everything that is wrong with it; ``None`` where it cannot be read."""
    missing = [name for name in WHOLE if not (folder / name).is_file()]
    if missing:
        return None, [f"no {', '.join(missing)} was written"]
    try:
        meta, states, told = (read_json(folder / name, "File") for name in (META, STATES, STEPS))
        shares = read_json(folder / OUTCOMES, "File")
        problems = list(_shape_problems(meta, states, told, shares))
        if problems:
            return None, problems
        with closing(
            sqlite3.connect(f"{(folder / DATABASE).absolute().as_uri()}?mode=ro", uri=True)
        ) as store:
            steps = [
                _step(row) for row in store.execute(f"{_ROWS} FROM timestep_summaries ORDER BY timestep")
            ]
            heard = store.execute("SELECT agent_id, timestep, source_agent_id FROM exposures").fetchall()
        came = list(_came(folder / TIMELINE))
    except (ConfigurationError, sqlite3.Error, ValueError, TypeError, KeyError) as error:
        return None, [f"a file cannot be read: {type(error).__name__}: {str(error)[:300]}"]
    stop = stop_reason(inputs, steps)
    whole = ExtropyFiles(
        meta, states, steps, len(heard), stop, failures(heard, came, len(steps), options.threshold)
    )
    return whole, [*_problems(whole, told, inputs, options)]


def _shape_problems(meta: Any, states: Any, told: Any, shares: Any) -> Iterator[str]:
    if not isinstance(meta, dict):
        yield f"{META} is not an object"
    if not isinstance(shares, dict):
        yield f"{OUTCOMES} is not an object"
    if not isinstance(told, list) or not told or not all(isinstance(one, dict) for one in told):
        yield f"{STEPS} has no steps"
    if not isinstance(states, list) or not all(_is_state(one) for one in states):
        yield f"{STATES} has no states of agents"


def _is_state(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("attributes"), dict):
        return False
    final = one.get("final_state")
    return (
        isinstance(final, dict)
        and isinstance(final.get("outcomes"), dict)
        and isinstance(final.get("last_reasoning_timestep"), int)
        and isinstance(final.get("aware"), bool)
    )


def _problems(
    whole: ExtropyFiles, told: list[dict[str, Any]], inputs: Inputs, options: SimulationOptions
) -> Iterator[str]:
    """What does not fit: to what was asked for, or to itself."""
    ids = [one.get("agent_id") for one in whole.states]
    if sorted(map(str, ids)) != sorted(inputs.agents.ids):
        yield f"{STATES} has {len(ids):,} agents; expected the {len(inputs.agents):,} in the inputs"
    expected = {"seed": options.seed, "multi_touch_threshold": options.threshold}
    for name, value in expected.items():
        if whole.meta.get(name) != value:
            yield f"{META} says {name}={str(whole.meta.get(name))[:40]}; asked for {value}"
    if [(one.get("timestep"), one.get("agents_reasoned")) for one in told] != [
        (one.timestep, one.reasoned) for one in whole.steps
    ]:
        yield f"{STEPS} and {DATABASE} have different steps"
    if not whole.reasoned or not sum(one.reasoned for one in whole.steps):
        yield f"no agent reasoned ({whole.exposures:,} exposures)"
    if whole.stop is None:
        yield f"it ends after {len(whole.steps)} steps for no reason that the scenario knows"


def _step(row: tuple[Any, ...]) -> StepSummary:
    timestep, reasoned, changes, rate, positions, sentiment = row
    return StepSummary(timestep, reasoned, changes, float(rate), orjson.loads(positions or "{}"), sentiment)


def _came(path: Path) -> Iterator[tuple[int, str, float | None]]:
    """Step, agent and conviction of each successful reasoning."""
    problems: list[Problem] = []
    for event in stream(path, problems):
        if event["event_type"] == "agent_reasoned":
            yield event["timestep"], event["agent_id"], event["details"].get("private_conviction")
    if problems:
        raise ConfigurationError(str(problems[0]))


def failures(
    heard: Sequence[tuple[str, int, str | None]],
    came: Sequence[tuple[int, str, float | None]],
    steps: int,
    threshold: int,
) -> int:
    """How often an agent should have reasoned and did not, which extropy-run does not record.

    This replays its rule: an aware agent that never reasoned is asked in every step; one that did, when ``threshold``
    others have told it since, unless its fading conviction is firm. ``heard`` has agent, step and teller of each
    exposure, ``came`` step, agent and conviction of each reasoning.
    """
    hearings: dict[str, list[tuple[int, str | None]]] = {}
    for agent, step, teller in heard:
        hearings.setdefault(agent, []).append((step, teller))
    reasoned: dict[int, dict[str, float | None]] = {}
    for step, agent, conviction in came:
        reasoned.setdefault(step, {})[agent] = conviction
    last: dict[str, tuple[int, float | None]] = {}
    failed = 0
    for step in range(steps):
        now = reasoned.get(step, {})
        for agent, told in hearings.items():
            failed += agent not in now and _is_asked(step, told, last.get(agent), threshold)
        last.update({agent: (step, conviction) for agent, conviction in now.items()})
    return failed


def _is_asked(
    step: int, told: list[tuple[int, str | None]], last: tuple[int, float | None] | None, threshold: int
) -> bool:
    if last is None:
        return any(when <= step for when, _ in told)
    since, conviction = last
    if (conviction or 0.0) * (1 - DECAY) ** (step - since - 1) >= FIRM:
        return False
    return len({teller for when, teller in told if since < when <= step and teller is not None}) >= threshold


def stop_reason(inputs: Inputs, steps: Sequence[StepSummary]) -> tuple[StopReason, str] | None:
    """Why it ended after the last of ``steps``, by its rules in their order; ``None``: it should have gone on."""
    simulation = inputs.scenario.simulation
    if len(steps) >= simulation.max_timesteps:
        return StopReason.MAX_TIMESTEPS, f"{len(steps)} of {simulation.max_timesteps}"
    for condition in simulation.stop_conditions or ():
        if _holds(condition.strip(), steps):
            kind = StopReason.CONVERGENCE if condition.strip() == "convergence" else StopReason.CONDITION
            return kind, condition
    if len(steps) >= QUIET_STEPS and not any(one.reasoned for one in steps[-QUIET_STEPS:]):
        return StopReason.QUIESCENT, f"no agent reasoned for {QUIET_STEPS} steps"
    return None


def _holds(condition: str, steps: Sequence[StepSummary]) -> bool:
    """Whether it would stop for it; it knows fewer conditions than we do, and never stops for others."""
    if not steps:
        return False
    if condition == "convergence":
        return _is_steady(steps)
    if quiet := _QUIET.fullmatch(condition):
        number = int(quiet[1])
        return len(steps) >= number and not any(one.changes for one in steps[len(steps) - number :])
    compared = _COMPARED.fullmatch(condition)
    if compared is None:
        return False
    last = steps[-1]
    value = last.exposure_rate if compared[1] == "exposure_rate" else last.sentiment
    limit = float(compared[3])
    if value is None:
        return False
    holds = {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}
    return holds[compared[2]]


def _is_steady(steps: Sequence[StepSummary]) -> bool:
    """No position's share has a variance above 0.01 over five steps; ours may not move by more than that."""
    recent = steps[-STEADY_STEPS:]
    names = {name for one in recent for name in one.positions}
    if len(recent) < STEADY_STEPS or not names:
        return False
    for name in names:
        shares = [one.positions.get(name, 0) / (sum(one.positions.values()) or 1) for one in recent]
        mean = math.fsum(shares) / len(shares)
        if math.fsum((share - mean) ** 2 for share in shares) / len(shares) > STEADY:
            return False
    return True


def our_meta(
    inputs: Inputs,
    options: SimulationOptions,
    whole: ExtropyFiles,
    usage: Usage,
    *,
    engine: str,
    code: int,
    failed: int,
) -> dict[str, Any]:
    """``meta.json`` with the keys of `outcome.meta`, and those of this engine."""
    assert whole.stop is not None
    calls = dict(sorted(usage.calls.items()))
    models: Counter[str] = Counter()
    for one in usage.models:
        models[one.model] += one.replies
    return {
        "engine": engine,
        "scenario_name": inputs.scenario.meta.name,
        "population_size": len(inputs.agents),
        "model": options.model or ", ".join(sorted(models)),
        "models_answering": dict(sorted(models.items())),
        "rehearsal": all(name.startswith("rehearsal") for name in models),
        "seed": options.seed,
        "multi_touch_threshold": options.threshold,
        "chunk_size": options.chunk_size,
        "inputs_sha256": dict(inputs.hashes),
        "total_timesteps": len(whole.steps),
        "stopped_reason": whole.stop[0].value,
        "stopped_detail": f"{whole.stop[1]}; derived from its files, in which it gives no reason",
        "total_reasoning_calls": sum(calls.values()),
        "total_exposures": whole.exposures,
        "final_exposure_rate": whole.steps[-1].exposure_rate,
        "agents_reasoned": whole.reasoned,
        "agents_failed": whole.failed,
        "calls": {"asked": whole.asked, "failed": whole.failed},
        "denominators": _denominators(inputs, whole),
        "exit_code": code,
        "failed_requests": failed,
        "cost": {
            "calls": calls,
            "input_tokens": usage.tokens_in,
            "output_tokens": usage.tokens_out,
            "total_cost": usage.cost,
            "cost_reason": usage.cost_reason,
        },
    }


def _denominators(inputs: Inputs, whole: ExtropyFiles) -> dict[str, int]:
    """The number of agents behind each outcome: all for options, else those who have a value."""
    final = whole.final
    return {
        one.name: len(final)
        if one.type == "categorical"
        else sum(state["outcomes"].get(one.name) is not None for state in final)
        for one in inputs.scenario.outcomes.suggested_outcomes
    }
