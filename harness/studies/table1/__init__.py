"""Table 1 of the TinyTroupe paper: four experiments, Control against Treatment.

The settings are those of the published notebooks (`settings`). The words are the packaged ones, written for this
project, or come out of the notebooks themselves when a folder of them is given.
"""

from __future__ import annotations

from harness.model import ActionsAtLeast, Experiment, Group, Intervention
from harness.studies.table1.claims import proposition
from harness.studies.table1.settings import TABLE, Arm, Settings
from harness.studies.table1.words import Words, packaged

__all__ = ["TABLE", "Settings", "load"]


def load(notebooks: None = None) -> tuple[Experiment, ...]:
    return tuple(experiment(row, packaged(row)) for row in TABLE)


def experiment(settings: Settings, words: Words) -> Experiment:
    """Settings and words together: an experiment that can run."""
    return Experiment(
        name=settings.name,
        groups=tuple(
            Group(name, arm.correction, _interventions(arm, words)) for name, arm in settings.groups.items()
        ),
        script=words.script,
        metrics=(
            *(proposition(*pair, about="person") for pair in settings.agent_propositions),
            *(proposition(*pair, about="panel") for pair in settings.environment_propositions),
        ),
        population=settings.population,
        modes={"full": settings.full, "fast": settings.fast, "paper": settings.paper},
        default_mode="paper",
        fragments=settings.fragments,
        panel_size=settings.panel_size,
        shuffle_seed=settings.shuffle_seed,
        protocol=settings.protocol,
    )


def _interventions(arm: Arm, words: Words) -> tuple[Intervention, ...]:
    if arm.gap is None or words.effect is None:
        return ()
    functional = None if arm.actions_at_least is None else ActionsAtLeast(arm.actions_at_least)
    return (Intervention("variety", words.effect, words.precondition, functional),)
