"""A profile of gates: which rules hold for a kind of population, and where WARN and FAIL begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.formats.files import FileModel, read_yaml
from harness.experiments.population.gates.rules import AgentRules, Name, names_read, rule_problems
from harness.experiments.population.gates.wording import shown

PACKAGED = Path(__file__).with_name("packaged")
SHIPPED = ("generic-all-ages", "adults-only", "benchmark-calibrated", "us-national-all-ages")
WHAT = "Gate profile"


class Above(FileModel):
    """A number above ``warn`` is a WARN, above ``fail`` a FAIL."""

    warn: float = Field(ge=0)
    fail: float = Field(ge=0)


class Below(FileModel):
    """A number below ``warn`` is a WARN, below ``fail`` a FAIL."""

    warn: float = Field(ge=0)
    fail: float = Field(ge=0)


class Thresholds(FileModel):
    """Where WARN and FAIL begin. Shares are 0 to 1, drifts in percentage points, costs in US dollars."""

    marginal_drift: Above = Above(warn=3, fail=5)
    conditional_drift: Above = Above(warn=5, fail=10)
    soft_fail_factor: float = Field(default=2, ge=1)
    support: Below = Below(warn=1, fail=0.5)
    spread: Below = Below(warn=0.5, fail=0.1)
    fewest: int = Field(default=30, ge=1)
    mean_degree: Below = Below(warn=2, fail=0.5)
    density: Above = Above(warn=0.5, fail=0.9)
    largest_component: Below = Below(warn=0.95, fail=0.5)
    isolated: Above = Above(warn=0.05, fail=0.25)
    one_answer: float = Field(default=0.98, ge=0, le=1)
    cost_over_estimate: float = Field(default=1.5, ge=0)
    max_cost: float | None = Field(default=None, ge=0)
    call_failures: Above = Above(warn=0.02, fail=0.05)


class Profile(AgentRules):
    """Rules over roles, which a schema map gives attributes; ``roles`` are those that it must give."""

    name: Name
    description: str = ""
    roles: list[Name] = Field(default_factory=list)
    needs_priors: bool = False
    thresholds: Thresholds = Thresholds()


def load_profile(name: str) -> Profile:
    """A shipped profile by name, or one in a file. Raises `ConfigurationError` with every fault."""
    path = PACKAGED / f"{name}.yaml" if name in SHIPPED else Path(name)
    if name not in SHIPPED and not path.is_file():
        raise ConfigurationError(
            f"Gate profile {shown(name)}: neither shipped nor a file; expected a path or one of {', '.join(SHIPPED)}."
        )
    profile = read_yaml(path, Profile, WHAT)
    raise_if_any(f"{WHAT} {path}: {problem}" for problem in _problems(profile))
    return profile


def _problems(profile: Profile) -> Iterator[str]:
    yield from rule_problems(profile)
    for role in sorted(names_read(profile) - set(profile.roles)):
        yield f"roles: lacks {shown(role)}, which a rule reads; add it."
    for name in type(profile.thresholds).model_fields:
        limits = getattr(profile.thresholds, name)
        if isinstance(limits, Above) and limits.warn > limits.fail:
            yield f"thresholds.{name}: warn={limits.warn:g} is above fail={limits.fail:g}; FAIL would come first."
        if isinstance(limits, Below) and limits.warn < limits.fail:
            yield f"thresholds.{name}: warn={limits.warn:g} is below fail={limits.fail:g}; FAIL would come first."
