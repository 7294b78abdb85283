"""Conditions over agents: for whom they hold, and for whom that cannot be said.

The language is that of `formats.expressions`; this adds what is empty. Of an agent for whom an attribute of a
condition is null, the condition says nothing: it counts neither way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigurationError
from harness.experiments.population.formats.expressions import ExpressionError, parse
from harness.experiments.population.gates.table import AgentColumn, Array
from harness.experiments.population.gates.wording import listed

Columns = Mapping[str, AgentColumn]


class Unevaluable(Exception):
    """A condition that cannot be worked out over these agents; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class ConditionResult:
    """For whom a condition is ``defined``, and for whom of these it ``holds``."""

    defined: Array
    holds: Array


def judge(text: str, columns: Columns, size: int) -> ConditionResult:
    """Work ``text`` out for ``size`` agents. Raises `Unevaluable`."""
    try:
        expression = parse(text)
    except ExpressionError as error:
        raise Unevaluable(str(error)) from None
    missing = sorted(
        name for name in expression.names if name not in columns or columns[name].kind == "empty"
    )
    if missing:
        raise Unevaluable(f"reads {listed(missing)}, which no agent has")
    mixed = sorted(name for name in expression.names if columns[name].kind == "mixed")
    if mixed:
        raise Unevaluable(f"reads {listed(mixed)}, whose values have several types")
    read = {name: columns[name] for name in expression.names}
    defined = np.ones(size, dtype=bool)
    for column in read.values():
        defined &= column.known
    rows = np.flatnonzero(defined)
    holds = np.zeros(size, dtype=bool)
    try:
        holds[rows] = expression.mask({name: column.values[rows] for name, column in read.items()}, len(rows))
    except ConfigurationError as error:
        raise Unevaluable(str(error)) from None
    return ConditionResult(defined, holds)


@dataclass(frozen=True, slots=True)
class RuleCompliance:
    """Of ``applicable`` agents, for whom ``when`` holds and ``then`` can be said, ``held`` keep it.

    ``unknown`` are those of whom it cannot be said.
    """

    applicable: int
    held: int
    unknown: int


def rule_compliance(when: str, then: str, columns: Columns, size: int) -> RuleCompliance:
    """How ``then`` is kept by those for whom ``when`` holds. Raises `Unevaluable`."""
    first, second = judge(when, columns, size), judge(then, columns, size)
    asked = first.holds & second.defined
    unknown = int((~first.defined).sum() + (first.holds & ~second.defined).sum())
    return RuleCompliance(int(asked.sum()), int((asked & second.holds).sum()), unknown)
