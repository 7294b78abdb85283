"""The settings of the four experiments as data, with which notebooks are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.model import Correction, Mode

HARD = ("Hard Persona Adherence", "hard_persona_adherence")
ADHERENCE = ("Persona Adherence", "persona_adherence")
CONSISTENCY = ("Self-consistency", "self_consistency")
FLUENCY = ("Fluency", "fluency")
COMPLETION = ("Task Completion", "task_completion")
DIVERGENCE = ("Divergence", "divergence")


@dataclass(frozen=True, slots=True)
class ArmSettings:
    """The settings of one group. ``gap`` (in events) and ``actions_at_least`` belong to the intervention.

    ``None``: no intervention, or no correction.
    """

    correction: Correction | None = None
    gap: int | None = None
    actions_at_least: int | None = None


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """One row of the parity table. ``full_mode`` is the branch of the published artifact.

    Propositions are pairs of a metric's name and TinyTroupe's name for its claim, in the artifact's order.
    """

    name: str
    notebook: str
    artifact: str
    protocol: str
    population: str
    fragments: tuple[str, ...]
    panel_size: int
    shuffle_seed: int | None
    full_mode: bool
    full: Mode
    fast: Mode
    groups: Mapping[str, ArmSettings]
    root: str
    fields: tuple[str, ...]
    count_metric: str
    agent_propositions: tuple[tuple[str, str], ...] = (HARD, CONSISTENCY, FLUENCY)
    environment_propositions: tuple[tuple[str, str], ...] = field(default=(COMPLETION, DIVERGENCE))

    @property
    def paper(self) -> Mode:
        """The mode of the published artifact."""
        return self.full if self.full_mode else self.fast


_IDEA_FIELDS = ("name", "description", "problem", "target_audience", "competition_analysis")

EXP_1 = ExperimentSettings(
    name="exp_1",
    notebook="Brainstorming and Focus Group Quantitative Experimentation 1.ipynb",
    artifact="brainstorming_and_focus_group_quantitative_experimentation_1c.json",
    protocol="brainstorm",
    population="usa_general",
    fragments=(),
    panel_size=5,
    shuffle_seed=None,
    full_mode=True,
    full=Mode(reps=2, steps=10),
    fast=Mode(reps=1, steps=10, people=12, proposals=1),
    groups={
        "Control": ArmSettings(),
        "Treatment": ArmSettings(Correction(5, max_attempts=5), gap=10, actions_at_least=7),
    },
    root="ideas",
    fields=_IDEA_FIELDS,
    count_metric="ideas_qty",
)

EXP_2_1 = replace(
    EXP_1,
    name="exp_2_1",
    notebook="Brainstorming and Focus Group Quantitative Experimentation 2.1.ipynb",
    artifact="brainstorming_and_focus_group_quantitative_experimentation_2.1c.json",
    population="difficult_people",
    fragments=("difficult_person",),
    panel_size=4,
    full_mode=False,
    full=Mode(reps=5, steps=15),
    fast=Mode(reps=2, steps=10, people=12, proposals=4),
    groups={
        "Control": ArmSettings(),
        "Treatment": ArmSettings(Correction(5, max_attempts=2), gap=5, actions_at_least=7),
    },
)

EXP_2_2 = replace(
    EXP_2_1,
    name="exp_2_2",
    notebook="Brainstorming and Focus Group Quantitative Experimentation 2.2.ipynb",
    artifact="brainstorming_and_focus_group_quantitative_experimentation_2.2b.json",
    groups={"Control": ArmSettings(), "Treatment": ArmSettings(gap=5, actions_at_least=7)},
    agent_propositions=(ADHERENCE, CONSISTENCY, FLUENCY),
)

EXP_3 = ExperimentSettings(
    name="exp_3",
    notebook="Debating Quantitative Experimentation 1.ipynb",
    artifact="debating_quantitative_experimentation_1c.json",
    protocol="debate",
    population="political_compass",
    fragments=(),
    panel_size=5,
    shuffle_seed=42,
    full_mode=False,
    full=Mode(reps=5, steps=15),
    fast=Mode(reps=2, steps=5, people=20, proposals=3),
    groups={"Control": ArmSettings(), "Treatment": ArmSettings(Correction(5, max_attempts=2))},
    root="opinions",
    fields=("opinion", "pros", "cons"),
    count_metric="opinions_qty",
)

TABLE: tuple[ExperimentSettings, ...] = (EXP_1, EXP_2_1, EXP_2_2, EXP_3)
"""The four experiments, in display order."""
