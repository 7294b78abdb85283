"""The pipeline's stages, what each is made from, and the gate after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import ConfigurationError, expected_one_of
from harness.experiments.population.gates.wording import shown

MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "spec": (),
    "extend": ("spec",),
    "sample": ("extend",),
    "network": ("extend", "sample"),
    "persona": ("extend", "sample"),
    "scenario": ("extend", "sample", "network"),
    "estimate": ("scenario", "extend", "sample", "network"),
    "simulate": ("scenario", "persona", "extend", "sample", "network"),
    "results": ("simulate",),
}
"""Stage → the stages whose files it reads, in the order in which they run."""


FILES: Mapping[str, str] = {
    "spec": "base.yaml",
    "extend": "population.yaml",
    "sample": "agents.json",
    "network": "network.json",
    "persona": "population.persona.yaml",
    "scenario": "scenario.yaml",
    "estimate": "estimate.json",
}
"""The file that each stage of a build writes, below the study."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate: what it asks, after which stage. ``module`` has its checks."""

    name: str
    stage: str
    asks: str
    module: str = ""


GATES: Mapping[str, Gate] = {
    one.name: one
    for one in (
        Gate("G1", "spec", "the population as specified"),
        Gate("G2", "extend", "the population with what the scenario needs"),
        Gate("G3A", "sample", "structure of the sample"),
        Gate("G3B", "sample", "realism of the sample", "realism"),
        Gate("G4", "network", "the network"),
        Gate("GP", "persona", "the personas"),
        Gate("G5", "scenario", "the scenario"),
        Gate("GE", "estimate", "the estimate"),
        Gate("G6", "simulate", "the simulation"),
        Gate("GC", "simulate", "calls that failed", "unanswered_calls"),
        Gate("GR", "results", "the results"),
    )
}
"""By name, in the order of stages."""


def gate_named(name: str) -> Gate:
    """Raises `ConfigurationError` for none."""
    if name not in GATES:
        raise ConfigurationError(f"Gate {shown(name)}: there is none; {expected_one_of(name, GATES)}")
    return GATES[name]


def upstream(stage: str) -> set[str]:
    """``stage`` and all that it is made from, near or far."""
    return {stage}.union(*(upstream(one) for one in MADE_FROM[stage]))


def stages_to_rerun(failed_gate: str, fixed_stage: str, *, by_hand: bool = False) -> tuple[str, ...]:
    """The stages to run after ``fixed_stage`` was fixed for ``failed_gate``: that stage and all later ones, in order.

    With ``by_hand`` the stage's file was edited, and running the stage again would undo that. Raises
    `ConfigurationError` if a fix of that stage cannot help.
    """
    gate = gate_named(failed_gate)
    if fixed_stage not in MADE_FROM:
        raise ConfigurationError(
            f"Stage {shown(fixed_stage)}: there is none; expected one of {', '.join(MADE_FROM)}."
        )
    causes = upstream(gate.stage)
    if fixed_stage not in causes:
        known = ", ".join(one for one in MADE_FROM if one in causes)
        raise ConfigurationError(
            f"Gate {failed_gate} follows {gate.stage}, which reads nothing of {fixed_stage}; expected a fix of {known}."
        )
    return tuple(
        one for one in MADE_FROM if fixed_stage in upstream(one) and not (by_hand and one == fixed_stage)
    )
