"""The dynamics of a step: its final state as a function of its initial state, exposures and thoughts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.experiments.population.formats.expressions import Array
from harness.experiments.population.formats.scenario import ScenarioSpec, condition_parts
from harness.experiments.population.simulation.exposure import Heard
from harness.experiments.population.simulation.state import (
    NO_POSITION,
    REMEMBERED,
    AgentStates,
    EarlierThought,
    ReasoningFailure,
    StopReason,
    Summary,
    Thought,
)

FIRM = 0.7
"""At or above this conviction an agent's position is firm: it does not reason again until the conviction fades."""
TOO_UNSURE = 0.15
"""Up to this conviction an agent does not speak of it."""
DECAY = 0.05
"""The share of conviction lost in a step without reasoning."""
QUIET_STEPS = 3
STEADY_STEPS, STEADY = 5, 0.01


def newly_heard(state: AgentStates, heard: Heard) -> None:
    """Apply exposures. An agent's hop is that of its first exposure, the shortest of that step."""
    counts = np.bincount(heard.agent, minlength=len(state.aware))
    first = np.full(len(state.aware), np.iinfo(np.int64).max)
    np.minimum.at(first, heard.agent, heard.hop)
    new = (counts > 0) & ~state.aware
    state.hop[new] = first[new]
    state.aware |= counts > 0
    state.exposures += counts
    state.fresh += counts


def who_reasons(state: AgentStates, threshold: int) -> Array:
    """Indices of aware agents who have not reasoned, and of those not firm with ``threshold`` further exposures."""
    never = state.aware & (state.last < 0)
    again = state.aware & (state.last >= 0) & (state.fresh >= threshold) & ~(state.conviction >= FIRM)
    return np.flatnonzero(never | again)


def told(state: AgentStates, heard: Heard, teller: Array) -> None:
    """Record for each attempted tie the position that was told."""
    state.told_as[heard.tried] = state.position[teller[heard.tried]]


def take_in(
    state: AgentStates,
    found: Mapping[int, Thought | ReasoningFailure],
    step: int,
    options: Sequence[str],
    name: str,
) -> Array:
    """Apply thoughts; returns the indices of agents whose position or readiness to share changed."""
    changed = []
    for place, one in found.items():
        if isinstance(one, ReasoningFailure):
            if one.refused:  # asking until it answers would select the sample
                state.last[place], state.fresh[place] = step, 0
            continue
        before = (int(state.position[place]), bool(state.will_share[place]))
        said = one.outcomes.get(name)
        _take(state, place, one, step, options.index(said) if said in options else NO_POSITION)
        if before != (int(state.position[place]), bool(state.will_share[place])):
            changed.append(place)
    return np.array(changed, dtype=np.int64)


def _take(state: AgentStates, place: int, one: Thought, step: int, position: int) -> None:
    state.position[place], state.sentiment[place], state.conviction[place] = (
        position,
        one.sentiment,
        one.conviction,
    )
    state.will_share[place] = one.will_share and one.conviction > TOO_UNSURE
    state.last[place], state.fresh[place] = step, 0
    state.reasoned[place] += 1
    state.thoughts[place] = one
    memory = EarlierThought(step, one.sentiment, one.conviction, one.summary)
    state.memories[place] = (*state.memories[place], memory)[-REMEMBERED:]


def fade(state: AgentStates, step: int) -> None:
    """Reduce the conviction of agents who did not reason in this step."""
    fading = (state.last >= 0) & (state.last != step) & ~np.isnan(state.conviction)
    state.conviction[fading] = np.round(state.conviction[fading] * (1 - DECAY), 12)
    state.will_share[fading & (state.conviction <= TOO_UNSURE)] = False


def summarise(
    state: AgentStates,
    step: int,
    heard: Heard,
    found: Mapping[int, Thought | ReasoningFailure],
    changed: int,
    options: Sequence[str],
) -> Summary:
    """The step in figures."""
    held = state.position[state.position >= 0]
    counts = np.bincount(held, minlength=len(options)).tolist()
    sentiment = state.sentiment[~np.isnan(state.sentiment)]
    conviction = state.conviction[~np.isnan(state.conviction)]
    failed = sum(isinstance(one, ReasoningFailure) for one in found.values())
    return Summary(
        timestep=step,
        new_exposures=len(heard.agent),
        agents_reasoned=len(found) - failed,
        agents_failed=failed,
        shares_occurred=int((heard.channel < 0).sum()),
        state_changes=changed,
        exposure_rate=float(state.aware.mean()),
        position_distribution={name: count for name, count in zip(options, counts, strict=True) if count},
        average_sentiment=_rounded(sentiment.mean()) if len(sentiment) else None,
        average_conviction=_rounded(conviction.mean()) if len(conviction) else None,
        sentiment_variance=_rounded(sentiment.var()) if len(sentiment) else None,
    )


def _rounded(value: Any) -> float:
    return round(float(value), 9)


def stop(scenario: ScenarioSpec, summaries: Sequence[Summary]) -> tuple[StopReason, str] | None:
    """The reason why the simulation ends after the last of ``summaries``, with details; ``None`` if it continues."""
    step = summaries[-1].timestep
    for condition in scenario.simulation.stop_conditions or ():
        if _holds(condition, summaries):
            reason = StopReason.CONDITION if condition_parts(condition) else StopReason.CONVERGENCE
            return reason, condition
    later = any(rule.timestep > step for rule in scenario.seed_exposure.rules)
    events = [one.agents_reasoned + one.agents_failed + one.new_exposures for one in summaries[-QUIET_STEPS:]]
    if step + 1 >= scenario.simulation.max_timesteps:
        return StopReason.MAX_TIMESTEPS, f"{step + 1} of {scenario.simulation.max_timesteps}"
    if not later and len(events) == QUIET_STEPS and not any(events):
        return StopReason.QUIESCENT, f"no agent heard or thought anything for {QUIET_STEPS} steps"
    return None


def is_silent(summaries: Sequence[Summary]) -> bool:
    """Whether all reasoning in the last steps failed."""
    last = summaries[-QUIET_STEPS:]
    silent = [one.agents_failed and not one.agents_reasoned + one.new_exposures for one in last]
    return len(last) == QUIET_STEPS and all(silent)


def _holds(condition: str, summaries: Sequence[Summary]) -> bool:
    parts = condition_parts(condition)
    if parts is None:
        return _is_steady(summaries)
    name, comparison, number = parts
    value = _unchanged(summaries) if name == "no_state_changes_for" else getattr(summaries[-1], name)
    if value is None:
        return False
    return bool(
        {">": value > number, ">=": value >= number, "<": value < number, "<=": value <= number}[comparison]
    )


def _unchanged(summaries: Sequence[Summary]) -> int:
    """Steps since the last change."""
    return next((n for n, one in enumerate(reversed(summaries)) if one.state_changes), len(summaries))


def _is_steady(summaries: Sequence[Summary]) -> bool:
    """Whether no position's share moved by more than 0.01 in the last 5 steps, and there are positions."""
    shares = [_shares(one) for one in summaries[-STEADY_STEPS:]]
    names = {name for one in shares for name in one}
    spans = [
        max(one.get(name, 0.0) for one in shares) - min(one.get(name, 0.0) for one in shares)
        for name in names
    ]
    return len(shares) == STEADY_STEPS and bool(names) and max(spans) <= STEADY


def _shares(one: Summary) -> dict[str, float]:
    total = sum(one.position_distribution.values())
    return {name: count / total for name, count in one.position_distribution.items()}


def events(
    step: int,
    heard: Heard,
    found: Mapping[int, Thought | ReasoningFailure],
    changed: Array,
    state: AgentStates,
    names: Names,
) -> Iterator[dict[str, Any]]:
    """The step as lines of the timeline, in a fixed order."""
    columns = (heard.agent, heard.channel, heard.source, heard.tie)
    for agent, channel, source, tie in zip(*(one.tolist() for one in columns), strict=True):
        if channel >= 0:
            details = {"channel": names.channels[channel]}
            yield _event(step, "seed_exposure", names.agents[agent], details)
        else:
            details = {"source": names.agents[source], "edge_type": names.kinds[tie]}
            yield _event(step, "network_exposure", names.agents[agent], details)
    for place, one in found.items():
        if isinstance(one, ReasoningFailure):
            yield _event(
                step, "reasoning_failed", names.agents[place], {"refused": one.refused, "reason": one.reason}
            )
        else:
            yield _event(
                step,
                "agent_reasoned",
                names.agents[place],
                {**_told(place, state, names), "sentiment": one.sentiment},
            )
    for place in changed.tolist():
        yield _event(step, "state_changed", names.agents[place], _told(place, state, names))


class Names:
    """The names behind indices: agents, channels, the kind of each tie, and options of the position."""

    def __init__(
        self, agents: Sequence[str], channels: Sequence[str], kinds: Sequence[str], options: Sequence[str]
    ) -> None:
        self.agents, self.channels, self.kinds, self.options = agents, channels, kinds, options

    def position(self, place: int) -> str | None:
        """The option at ``place``, or ``None``."""
        return self.options[place] if place >= 0 else None


def _told(place: int, state: AgentStates, names: Names) -> dict[str, Any]:
    return {
        "position": names.position(int(state.position[place])),
        "will_share": bool(state.will_share[place]),
    }


def _event(step: int, kind: str, agent: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"timestep": step, "event_type": kind, "agent_id": agent, "details": details}
