"""What a gate is given, and how its checks are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from harness.experiments.population.gates.material import Blocked, StudyFiles
from harness.experiments.population.gates.profile import Above, Below, Profile, Thresholds
from harness.experiments.population.gates.rules import AgentRules
from harness.experiments.population.gates.schema_map import SchemaMap, lacking
from harness.experiments.population.gates.table import AgentColumn, AgentTable
from harness.model import Check, Level


@dataclass
class GateSubject:
    """A folder of files, to check by ``profile``; ``schema`` assigns attributes to its roles."""

    material: StudyFiles
    profile: Profile
    schema: SchemaMap | None = None

    @property
    def limits(self) -> Thresholds:
        return self.profile.thresholds

    @cached_property
    def lacks(self) -> list[str]:
        """Why rules about agents cannot all be checked. Without agents, only what the schema map itself lacks."""
        try:
            attributes = list(self.material.agents().names)
        except Blocked:
            attributes = [] if self.schema is None else [*self.schema.fields.values()]
        return lacking(self.schema, self.profile, attributes)

    def hashes(self) -> dict[str, str]:
        """SHA-256, in hex, of the files that were read, and of the rules."""
        rules = {"profile": self.profile, "schema map": self.schema}
        told = {name: one.model_dump_json() for name, one in rules.items() if one is not None}
        return self.material.hashes() | {
            name: sha256(text.encode()).hexdigest() for name, text in told.items()
        }

    def rule_sets(self, agents: AgentTable) -> Iterable[tuple[AgentRules, Mapping[str, AgentColumn]]]:
        """The profile's rules with its roles as columns, then the schema map's with the attributes."""
        own = {name: agents.column(name) for name in agents.names}
        if self.schema is not None:
            roles = {
                role: self._role(role, own[name]) for role, name in self.schema.fields.items() if name in own
            }
            yield self.profile, roles
            yield self.schema, own

    def _role(self, role: str, column: AgentColumn) -> AgentColumn:
        """The attribute's column with its values in the profile's words."""
        words = self.schema.values.get(role) if self.schema else None
        if not words or column.kind != "text":
            return column
        found, place = np.unique(column.values, return_inverse=True)
        renamed = np.array([words.get(str(value), str(value)) for value in found])
        return AgentColumn(column.kind, renamed[place], column.known, longest=column.longest)


def passed(
    name: str, message: str, about: str = "", number: float | None = None, threshold: str = ""
) -> Check:
    """A PASS."""
    return Check(name, Level.PASS, message, number, threshold, about)


def warned(
    name: str, message: str, about: str = "", number: float | None = None, threshold: str = ""
) -> Check:
    """A WARN."""
    return Check(name, Level.WARN, message, number, threshold, about)


def failed(
    name: str, message: str, about: str = "", number: float | None = None, threshold: str = ""
) -> Check:
    """A FAIL."""
    return Check(name, Level.FAIL, message, number, threshold, about)


def above(name: str, number: float, limits: Above, message: str, about: str = "", unit: str = "") -> Check:
    """Graded by ``limits``: a number above them is worse."""
    level = Level.FAIL if number > limits.fail else Level.WARN if number > limits.warn else Level.PASS
    expected = f"at most {limits.warn:g}{unit}; above {limits.fail:g}{unit} it fails"
    return Check(name, level, message, float(number), expected, about)


def below(name: str, number: float, limits: Below, message: str, about: str = "", unit: str = "") -> Check:
    """Graded by ``limits``: a number below them is worse."""
    level = Level.FAIL if number < limits.fail else Level.WARN if number < limits.warn else Level.PASS
    expected = f"at least {limits.warn:g}{unit}; below {limits.fail:g}{unit} it fails"
    return Check(name, level, message, float(number), expected, about)


def none_of(name: str, count: int, whole: int, message: str, about: str = "") -> Check:
    """FAIL if there is any; ``message`` has the denominator."""
    level = Level.FAIL if count else Level.PASS
    return Check(name, level, message, float(count) if whole else None, "none", about)
