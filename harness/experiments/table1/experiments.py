"""Build the four experiments from settings and words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from harness.errors import ConfigurationError, expected_one_of
from harness.experiments.table1.claims import proposition
from harness.experiments.table1.settings import TABLE, ArmSettings, ExperimentSettings
from harness.experiments.table1.words import Words, packaged
from harness.model import ActionsAtLeast, Experiment, Group, Intervention


def load(
    notebooks: Path | None = None, *, accept_differences: bool = False, only: Collection[str] | None = None
) -> tuple[Experiment, ...]:
    """The experiments of Table 1: ``exp_1``, ``exp_2_1``, ``exp_2_2``, ``exp_3``, or those in ``only``.

    Without ``notebooks`` the words are the packaged ones. With a folder of published notebooks the words come from
    them, and their settings are compared with the table. ``accept_differences`` takes the settings from the notebooks
    too, and notes each difference in ``script.origin["differences"]``.

    Raises `ConfigurationError` with every fault of every notebook at once: missing, unreadable, different.
    """
    rows = _chosen(only)
    if notebooks is None:
        return tuple(experiment(row, packaged(row)) for row in rows)
    _check_folder(notebooks, rows)
    return _each(notebooks, rows, accept_differences)


def experiment(settings: ExperimentSettings, words: Words) -> Experiment:
    """An experiment from its settings and words."""
    return Experiment(
        name=settings.name,
        groups=tuple(
            Group(name, correction=arm.correction, interventions=_interventions(arm, words))
            for name, arm in settings.groups.items()
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


def _interventions(arm: ArmSettings, words: Words) -> tuple[Intervention, ...]:
    if arm.gap is None or words.effect is None:
        return ()
    functional = None if arm.actions_at_least is None else ActionsAtLeast(arm.actions_at_least)
    return (Intervention("variety", words.effect, textual=words.precondition, functional=functional),)


def _chosen(only: Collection[str] | None) -> tuple[ExperimentSettings, ...]:
    known = [row.name for row in TABLE]
    if unknown := sorted(set(only or ()) - set(known)):
        raise ConfigurationError(f"Experiment {unknown[0]!r}: unknown; {expected_one_of(unknown[0], known)}")
    return tuple(row for row in TABLE if only is None or row.name in only)


def _check_folder(folder: Path, rows: tuple[ExperimentSettings, ...]) -> None:
    missing = [row for row in rows if not (folder / row.notebook).is_file()]
    if not missing:
        return
    there = [row.name for row in rows if row not in missing]
    names = ", ".join(f"{row.notebook!r} ({row.name})" for row in missing)
    way_out = f"or load only {', '.join(there)}" if there else "or run without notebooks"
    raise ConfigurationError(
        f"Notebook folder {folder}: lacks {names}; expected a folder such as "
        f"publications/paper_artifacts_june-2025 of a TinyTroupe checkout. Name such a folder, {way_out}."
    )


def _each(folder: Path, rows: tuple[ExperimentSettings, ...], accept: bool) -> tuple[Experiment, ...]:
    problems: list[str] = []
    experiments = []
    for row in rows:
        try:
            experiments.append(_from_notebook(folder, row, accept))
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigurationError(*problems)
    return tuple(experiments)


def _from_notebook(folder: Path, row: ExperimentSettings, accept: bool) -> Experiment:
    from harness.experiments.table1.notebook_contents import read
    from harness.experiments.table1.parity import differences

    reading = read(folder, row)
    different = differences(reading, row)
    if not different:
        return experiment(row, reading.words)
    if not accept:
        raise ConfigurationError(
            *different,
            f"{row.name}: use the June-2025 notebooks as published, or accept the notebook's settings "
            "(accept_differences).",
        )
    origin = {**reading.words.script.origin, "differences": "\n".join(different)}
    script = replace(reading.words.script, origin=origin)
    return experiment(reading.settings, replace(reading.words, script=script))
