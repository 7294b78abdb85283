"""Results by segment: every share is of those in the segment who have a value, and their number stands beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.studies.population.files import read_json
from harness.studies.population.outcome import META, STATES, distribution
from harness.studies.population.scenario import Outcome

MIN_N = 30
"""Values below which a segment's shares are not told, unless said otherwise."""
WHAT = "Results"


@dataclass(frozen=True, slots=True)
class Row:
    """A segment: ``n`` agents, of whom ``aware`` heard and ``answered`` have a value; ``figures`` are of those.

    ``figures`` is ``None``, with a ``reason``, where there are too few.
    """

    segment: str
    n: int
    aware: int
    answered: int
    figures: Mapping[str, float] | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One outcome by the values of one attribute, everybody together first."""

    outcome: str
    attribute: str
    min_n: int
    rows: tuple[Row, ...]


def read_states(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The agents' states and the meta data in a results folder. Raises `ConfigurationError`."""
    states, meta = read_json(folder / STATES, WHAT), read_json(folder / META, WHAT)
    good = isinstance(states, list) and states and all(_is_state(one) for one in states)
    if not good or not isinstance(meta, dict):
        raise ConfigurationError(f"{WHAT} {folder}: not those of a simulation; expected what it wrote.")
    return states, meta


def _is_state(one: Any) -> bool:
    parts = ("attributes", "final_state")
    return isinstance(one, dict) and all(isinstance(one.get(part), dict) for part in parts)


def view(states: Sequence[Mapping[str, Any]], outcome: Outcome, by: str, min_n: int = MIN_N) -> View:
    """``outcome`` by ``by``: an attribute, or ``age:30,65`` for a number cut at these. Raises `ConfigurationError`."""
    attribute, cuts = _parsed(by)
    known = states[0]["attributes"]
    if attribute not in known:
        names = ", ".join(sorted(known))
        raise ConfigurationError(f"--segment {by!r}: {attribute!r} is no attribute; expected one of {names}.")
    if not cuts and any(isinstance(one["attributes"][attribute], float) for one in states):
        raise ConfigurationError(
            f"--segment {by!r}: {attribute!r} is a number; expected where to cut it: {attribute}:1,2."
        )
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for one in states:
        parts.setdefault(_segment(one["attributes"][attribute], cuts), []).append(one)
    rows = [
        _row(name, parts[name], outcome, min_n) for name in sorted(parts, key=lambda name: _place(name, cuts))
    ]
    return View(outcome.name, attribute, min_n, (_row("all", states, outcome, min_n), *rows))


def overall(states: Sequence[Mapping[str, Any]], outcome: Outcome, min_n: int = MIN_N) -> View:
    """``outcome`` of everybody together."""
    return View(outcome.name, "", min_n, (_row("all", states, outcome, min_n),))


def _parsed(by: str) -> tuple[str, tuple[float, ...]]:
    attribute, _, text = by.partition(":")
    try:
        cuts = tuple(float(one) for one in text.split(",")) if text else ()
    except ValueError:
        raise ConfigurationError(
            f"--segment {by!r}: expected an attribute, or one with cuts as in age:30,65."
        ) from None
    if list(cuts) != sorted(set(cuts)):
        raise ConfigurationError(f"--segment {by!r}: expected cuts in rising order.")
    return attribute, cuts


def _segment(value: Any, cuts: tuple[float, ...]) -> str:
    if value is None:
        return "(none)"
    if not cuts:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(
            f"--segment: {value!r:.40} is no number; expected an attribute of numbers for cuts."
        )
    return _names(cuts)[sum(value >= cut for cut in cuts)]


def _names(cuts: tuple[float, ...]) -> list[str]:
    inner = [f"{low:g} to under {high:g}" for low, high in pairwise(cuts)]
    return [f"under {cuts[0]:g}", *inner, f"{cuts[-1]:g} and over"]


def _place(name: str, cuts: tuple[float, ...]) -> tuple[int, float, str]:
    if cuts and name in _names(cuts):
        return _names(cuts).index(name), 0.0, name
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _row(name: str, states: Sequence[Mapping[str, Any]], outcome: Outcome, min_n: int) -> Row:
    if min_n < 1:
        raise ConfigurationError(f"--min-n {min_n}: expected 1 or more.")
    final = [one["final_state"] for one in states]
    values = [one["outcomes"][outcome.name] for one in final if one["outcomes"].get(outcome.name) is not None]
    aware = sum(bool(one["aware"]) for one in final)
    if len(values) < min_n:
        return Row(name, len(states), aware, len(values), None, f"fewer than {min_n} answered")
    return Row(name, len(states), aware, len(values), distribution(outcome, values))
