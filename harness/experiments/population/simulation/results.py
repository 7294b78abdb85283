"""results/: a simulation's results in extropy-run's four files. Every share has its denominator."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.experiments.population.formats.files import write_json
from harness.experiments.population.formats.scenario import OutcomeSpec
from harness.experiments.population.inputs import Inputs
from harness.experiments.population.simulation.simulation import SimulationEnd, SimulationOptions
from harness.experiments.population.simulation.state import AgentStates, Summary, Thought

META, STEPS, OUTCOMES, STATES = (
    "meta.json",
    "by_timestep.json",
    "outcome_distributions.json",
    "agent_states.json",
)


def write_results(folder: Path, inputs: Inputs, options: SimulationOptions, finished: SimulationEnd) -> None:
    """Write the four files, ``meta.json`` last: its presence marks complete results. Raises `HarnessError`."""
    write_json(folder / STEPS, by_timestep(finished.summaries))
    write_json(folder / OUTCOMES, outcome_distributions(inputs, finished.state))
    write_json(folder / STATES, agent_states(inputs, finished.state))
    write_json(folder / META, meta(inputs, options, finished))


def by_timestep(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """A row per step. ``position_distribution`` has shares of the ``position_count`` agents with a position."""
    rows, told = [], 0
    for one in summaries:
        told += one.shares_occurred
        total = sum(one.position_distribution.values())
        rows.append(
            {
                "timestep": one.timestep,
                "exposure_rate": one.exposure_rate,
                "position_distribution": {name: n / total for name, n in one.position_distribution.items()},
                "position_count": total,
                "average_sentiment": one.average_sentiment,
                "average_conviction": one.average_conviction,
                "sentiment_variance": one.sentiment_variance,
                "cumulative_shares": told,
                "new_exposures": one.new_exposures,
                "agents_reasoned": one.agents_reasoned,
                "agents_failed": one.agents_failed,
                "state_changes": one.state_changes,
            }
        )
    return rows


def outcome_distributions(inputs: Inputs, state: AgentStates) -> dict[str, dict[str, float]]:
    """Per outcome, shares, or mean, deviation and range, of the agents with a value.

    ``denominators`` in ``meta.json`` has their number.
    """
    thoughts = [one for one in state.thoughts if one is not None]
    held = _held(inputs, state)
    found = {}
    for outcome in inputs.scenario.outcomes.suggested_outcomes:
        values = held if outcome is inputs.scenario.outcomes.position else _values(outcome, thoughts)
        if values and outcome.type != "open_ended":
            found[outcome.name] = distribution(outcome, values)
    return found


def _held(inputs: Inputs, state: AgentStates) -> list[Any]:
    return [inputs.options[place] for place in state.position.tolist() if place >= 0]


def _values(outcome: OutcomeSpec, thoughts: Sequence[Thought]) -> list[Any]:
    return [one.outcomes[outcome.name] for one in thoughts if one.outcomes.get(outcome.name) is not None]


def distribution(outcome: OutcomeSpec, values: Sequence[Any]) -> dict[str, float]:
    """Shares of ``values``, in the order of options; of numbers mean, deviation (over all n), range and count."""
    if outcome.type == "float":
        mean = math.fsum(values) / len(values)
        std = math.sqrt(math.fsum((one - mean) ** 2 for one in values) / len(values))
        return {"mean": mean, "std": std, "min": min(values), "max": max(values), "count": len(values)}
    if outcome.type == "boolean":
        yes = sum(map(bool, values)) / len(values)
        return {"true": yes, "false": 1 - yes}
    counts = Counter(values)
    return {name: counts[name] / len(values) for name in outcome.options or () if counts[name]}


def agent_states(inputs: Inputs, state: AgentStates) -> list[dict[str, Any]]:
    """A row per agent: its attributes and its final state."""
    rows = inputs.agents.rows()
    options = inputs.options
    position = inputs.scenario.outcomes.position
    return [
        _agent_state(row, place, state, options, position.name if position else "")
        for place, row in enumerate(rows)
    ]


def _agent_state(
    row: Mapping[str, Any], place: int, state: AgentStates, options: Sequence[str], name: str
) -> dict[str, Any]:
    thought, held = state.thoughts[place], int(state.position[place])
    position = options[held] if held >= 0 else None
    outcomes = dict(thought.outcomes) if thought else {}
    if name in outcomes:
        outcomes[name] = position
    final = {
        "agent_id": row["_id"],
        "aware": bool(state.aware[place]),
        "exposure_count": int(state.exposures[place]),
        "last_reasoning_timestep": int(state.last[place]),
        "position": position,
        "sentiment": _number(state.sentiment[place]),
        "conviction": _number(state.conviction[place]),
        "public_statement": thought.statement if thought else None,
        "action_intent": None,
        "will_share": bool(state.will_share[place]),
        "outcomes": outcomes,
        "raw_reasoning": thought.reasoning if thought else None,
    }
    attributes = {key: value for key, value in row.items() if not key.startswith("_")}
    return {
        "agent_id": row["_id"],
        "attributes": attributes,
        "final_state": final,
        "reasoning_count": int(state.reasoned[place]),
    }


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def meta(inputs: Inputs, options: SimulationOptions, finished: SimulationEnd) -> dict[str, Any]:
    """Inputs, end and usage of the run, without a time of day, so that the same run gives the same file."""
    calls, tokens_in, tokens_out, cost, reason = spent(finished.usages)
    thoughts = [one for one in finished.state.thoughts if one is not None]
    outcomes = inputs.scenario.outcomes.suggested_outcomes
    denominators = {one.name: len(_values(one, thoughts)) for one in outcomes}
    if inputs.scenario.outcomes.position is not None:
        denominators[inputs.scenario.outcomes.position.name] = len(_held(inputs, finished.state))
    return {
        "scenario_name": inputs.scenario.meta.name,
        "population_size": len(inputs.agents),
        "model": options.model or ", ".join(_models(finished.usages)),
        "models_answering": _models(finished.usages),
        "rehearsal": all(name.startswith("rehearsal") for name in _models(finished.usages)),
        "seed": options.seed,
        "multi_touch_threshold": options.threshold,
        "chunk_size": options.chunk_size,
        "inputs_sha256": dict(inputs.hashes),
        "total_timesteps": len(finished.summaries),
        "stopped_reason": finished.reason.value,
        "stopped_detail": finished.detail,
        "total_reasoning_calls": sum(calls.values()),
        "total_exposures": sum(one.new_exposures for one in finished.summaries),
        "final_exposure_rate": finished.summaries[-1].exposure_rate,
        "agents_reasoned": len(thoughts),
        "agents_failed": sum(one.agents_failed for one in finished.summaries),
        "denominators": denominators,
        "cost": {
            "calls": calls,
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "total_cost": cost,
            "cost_reason": reason,
        },
    }


def _models(usages: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in usages:
        counts.update(dict(one["models"]))
    return dict(sorted(counts.items()))


def spent(usages: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], int, int, float | None, str | None]:
    """Calls by kind, tokens in and out, US dollars (``None`` if unknown) and the reason."""
    calls: Counter[str] = Counter()
    for one in usages:
        calls.update(one["calls"])
    costs = [one["cost"] for one in usages]
    cost = None if any(one is None for one in costs) else round(math.fsum(costs), 10)
    reason = next((one["cost_reason"] for one in usages if one["cost_reason"]), None)
    tokens = (sum(one["tokens_in"] for one in usages), sum(one["tokens_out"] for one in usages))
    return dict(sorted(calls.items())), *tokens, cost, reason
