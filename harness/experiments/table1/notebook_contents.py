"""The settings and words in a notebook of one of the four experiments, each with its cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.table1 import read_settings as settings_of
from harness.experiments.table1 import read_words as words_of
from harness.experiments.table1.flow import live
from harness.experiments.table1.literals import Unreadable
from harness.experiments.table1.notebook import Notebook, open_notebook
from harness.experiments.table1.search import Found, Live
from harness.experiments.table1.settings import ArmSettings, ExperimentSettings
from harness.experiments.table1.words import Words
from harness.model import Mode, Script

WORDS = ("proposals", "broadcasts", "consolidation", "extraction", "task_description", "interventions")


@dataclass(frozen=True, slots=True)
class NotebookContents:
    """The contents of a notebook. ``cells`` maps an item, under its name in `parity`, to the number of its cell."""

    notebook: Notebook
    settings: ExperimentSettings
    words: Words
    cells: Mapping[str, int]


def read(folder: Path, row: ExperimentSettings) -> NotebookContents:
    """Read the notebook of the experiment ``row`` in ``folder``.

    Raises `ConfigurationError` with every unreadable item, and its cell if known.
    """
    notebook = open_notebook(folder / row.notebook)
    try:
        return _read(notebook, row)
    except RecursionError:
        raise ConfigurationError(
            f"{row.name}: {notebook.path}: code nested too deeply to be read; expected a published notebook."
        ) from None


class _Taking:
    """Reads items one by one, and collects their cells and problems."""

    def __init__(self, notebook: Notebook, row: ExperimentSettings) -> None:
        self.notebook, self.row = notebook, row
        self.cells: dict[str, int] = {}
        self.problems: list[str] = []

    def __call__(self, item: str, find: Callable[..., Found[Any]], *arguments: object) -> Any:
        try:
            found = find(*arguments)
        except Unreadable as error:
            self.problems.append(self._sentence(item, error))
            return None
        self.cells[item] = found.cell
        return found.value

    def _sentence(self, item: str, error: Unreadable) -> str:
        cell = "" if error.cell is None else f", cell {error.cell}"
        lost = f" (cells {', '.join(map(str, self.notebook.unparsed))} are not Python)"
        return (
            f"{self.row.name}: {self.notebook.path}{cell}: cannot read {item}: {error}"
            f"{lost if self.notebook.unparsed else ''}. "
            "Use an unchanged notebook of the published family, or run without notebooks."
        )


def _read(notebook: Notebook, row: ExperimentSettings) -> NotebookContents:
    take = _Taking(notebook, row)
    full_mode = take("full_mode", settings_of.full_mode, notebook.statements)
    branch = live(notebook.statements, full_mode=bool(full_mode))
    arms, nudges = _arms(take, notebook, bool(full_mode))
    modes: dict[str, Any] = {name: _mode(take, name, notebook) for name in ("full", "fast")}
    changes = {
        name: take(name, getattr(settings_of, name), branch)
        for name in ("artifact", "population", "fragments", "panel_size", "shuffle_seed")
    }
    for name in ("agent_propositions", "environment_propositions"):
        changes[name] = take(name, settings_of.propositions, branch, name)
    words = {name: take(name, getattr(words_of, name), branch) for name in WORDS[:-1]}
    raise_if_any(take.problems)
    root = words["extraction"]
    counted = {"root": root.root, "fields": root.fields, "count_metric": root.metric}
    take.cells |= dict.fromkeys(counted, take.cells["extraction"])
    return NotebookContents(
        notebook,
        replace(row, full_mode=full_mode, groups=arms, **modes, **changes, **counted),
        _words(notebook, words, nudges, take.cells),
        take.cells,
    )


def _mode(take: _Taking, name: str, notebook: Notebook) -> Mode:
    branch = live(notebook.statements, full_mode=name == "full")
    sizes = {
        "reps": take(f"{name}.reps", settings_of.reps, branch),
        "steps": take(f"{name}.steps", settings_of.steps, branch),
        "people": take(f"{name}.people", settings_of.limit, branch, "people"),
        "proposals": take(f"{name}.proposals", settings_of.limit, branch, "proposals"),
    }
    return Mode(**sizes)


def _arms(
    take: _Taking, notebook: Notebook, full_mode: bool
) -> tuple[dict[str, ArmSettings], list[words_of.Nudge]]:
    arms, nudges = {}, []
    for group in take("groups", settings_of.groups, notebook.statements) or ():
        running: Live = live(notebook.statements, group, full_mode=full_mode)
        correction = take(f"groups.{group}.correction", settings_of.correction, running)
        nudge = take(f"groups.{group}.intervention", words_of.intervention, running)
        arms[group] = ArmSettings(correction, nudge and nudge.gap, nudge and nudge.actions_at_least)
        nudges += [nudge] if nudge else []
        for item in ("gap", "actions_at_least"):
            take.cells[f"groups.{group}.{item}"] = take.cells.get(f"groups.{group}.intervention", -1)
    return arms, nudges


def _words(
    notebook: Notebook, read: Mapping[str, Any], nudges: list[words_of.Nudge], cells: Mapping[str, int]
) -> Words:
    introduction, task = read["broadcasts"]
    places = {name: cells[name] for name in WORDS if name in cells}
    places |= {name.split(".")[1]: cell for name, cell in cells.items() if name.endswith(".intervention")}
    script = Script(
        task=task,
        introduction=introduction,
        proposals=read["proposals"],
        consolidation=read["consolidation"],
        extraction=read["extraction"],
        task_description=read["task_description"],
        source="notebook",
        origin={
            "path": notebook.path,
            "sha256": notebook.sha256,
            "cells": ", ".join(f"{name} {cell}" for name, cell in places.items()),
        },
    )
    return Words(script, nudges[-1].precondition, nudges[-1].effect) if nudges else Words(script)
