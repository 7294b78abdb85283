"""A folder of results read again: meta.json and agent_states.json, which may have been edited since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.formats.files import FileModel, checked, read_json
from harness.experiments.population.formats.scenario import OutcomeSpec
from harness.experiments.population.simulation.results import META, STATES

WHAT = "Results"
NAMED = 20
"""The most faults of states in a message."""


class Open(FileModel):
    """The required fields."""

    model_config = ConfigDict(extra="allow")


class _Cost(Open):
    total_cost: float | None
    cost_reason: str | None = None


class _Meta(Open):
    population_size: int
    rehearsal: bool
    stopped_reason: str
    stopped_detail: str
    total_reasoning_calls: int
    total_exposures: int
    final_exposure_rate: float
    agents_reasoned: int
    agents_failed: int
    cost: _Cost
    exit_code: int | None = None
    failed_requests: int | None = None


class _Final(Open):
    aware: bool
    sentiment: float | None = None
    position: str | None = None
    outcomes: dict[str, Any]


class _State(Open):
    attributes: dict[str, str | bool | int | float | None]
    final_state: _Final


class _States(Open):
    agents: list[_State]


def read_meta(folder: Path) -> dict[str, Any]:
    """The content of ``meta.json``. Raises `ConfigurationError` with every fault."""
    content = read_json(folder / META, WHAT)
    checked(_Meta, content, f"{WHAT} {folder / META}")
    found: dict[str, Any] = content
    return found


def read_states(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The agents' states and the meta data in a results folder. Raises `ConfigurationError`."""
    states, owner = read_json(folder / STATES, WHAT), f"{WHAT} {folder / STATES}"
    if not isinstance(states, list) or not states:
        raise ConfigurationError(f"{owner}: not those of a simulation; expected its unchanged files.")
    checked(_States, {"agents": states}, owner)
    names = states[0]["attributes"].keys()
    for number, one in enumerate(states):
        if one["attributes"].keys() != names:
            raise ConfigurationError(
                f"{owner}: agents.{number} has other attributes than the first; expected the same."
            )
    return states, read_meta(folder)


def check_outcomes(states: Sequence[Mapping[str, Any]], outcomes: Sequence[OutcomeSpec]) -> None:
    """Raise `ConfigurationError` unless ``states`` match these ``outcomes``; otherwise shares would omit answers."""
    answers = [found for one in states if (found := one["final_state"]["outcomes"])]
    faults = [fault for outcome in outcomes for fault in _faults(outcome, answers)]
    raise_if_any(f"{WHAT}: {one} Expected those of this scenario." for one in faults[:NAMED])


def _faults(outcome: OutcomeSpec, answers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if answers and outcome.required and not any(outcome.name in one for one in answers):
        yield f"the outcome {outcome.name!r} is in none of them."
    for one in answers:
        value = one.get(outcome.name)
        if value is not None and not _fits(outcome, value):
            yield f"{outcome.name}={value!r:.60} is not a {outcome.type} answer{_options(outcome)}."


def _options(outcome: OutcomeSpec) -> str:
    return f" among {', '.join(outcome.options)}" if outcome.options else ""


def _fits(outcome: OutcomeSpec, value: Any) -> bool:
    match outcome.type:
        case "categorical":
            return isinstance(value, str) and value in (outcome.options or ())
        case "boolean":
            return isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True
