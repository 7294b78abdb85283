"""Controlled experiments on LLM personas and agents as ordinary pytest cases.

Everything a test file needs is importable from here; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Results, run
    from harness.errors import ConfigurationError, HarnessError
    from harness.guests import Guest, Sources
    from harness.humans import Humans, load_humans
    from harness.model import (
        ActionsAtLeast,
        Allocation,
        Check,
        Choice,
        Contrast,
        Correction,
        Dialogue,
        Event,
        Experiment,
        Extraction,
        FreeText,
        Group,
        Intervention,
        Level,
        Likert,
        Matrix,
        Measure,
        Mode,
        MultipleChoice,
        Numeric,
        Persona,
        Play,
        Preference,
        Proposition,
        Ranking,
        Sample,
        Script,
        Survey,
        TrialPlan,
        TrialResult,
        YesNo,
        factorial,
    )
    from harness.personas import Population
    from harness.personas import load as load_population
    from harness.questionnaires import ImportedQuestionnaire, import_survey, load_survey, save_survey
    from harness.records import JSONLWriter, WriterPool, merge
    from harness.reports.data import Frames, load

_HOME = {
    "harness.api": "Results run",
    "harness.errors": "ConfigurationError HarnessError",
    "harness.guests": "Guest Sources",
    "harness.humans": "Humans load_humans",
    "harness.model": "ActionsAtLeast Check Contrast Correction Dialogue Event Experiment Extraction Group Intervention "
    "Level Measure Mode Persona Play Preference Proposition Sample Script TrialPlan TrialResult factorial "
    "Allocation Choice FreeText Likert Matrix MultipleChoice Numeric Ranking Survey YesNo",
    "harness.personas": "Population",
    "harness.questionnaires": "ImportedQuestionnaire import_survey load_survey save_survey",
    "harness.records": "JSONLWriter WriterPool merge",
    "harness.reports.data": "Frames load",
}
_PLACES = {name: (module, name) for module, names in _HOME.items() for name in names.split()}
_PLACES["load_population"] = ("harness.personas", "load")

__all__ = [
    "ActionsAtLeast",
    "Allocation",
    "Check",
    "Choice",
    "ConfigurationError",
    "Contrast",
    "Correction",
    "Dialogue",
    "Event",
    "Experiment",
    "Extraction",
    "Frames",
    "FreeText",
    "Group",
    "Guest",
    "HarnessError",
    "Humans",
    "ImportedQuestionnaire",
    "Intervention",
    "JSONLWriter",
    "Level",
    "Likert",
    "Matrix",
    "Measure",
    "Mode",
    "MultipleChoice",
    "Numeric",
    "Persona",
    "Play",
    "Population",
    "Preference",
    "Proposition",
    "Ranking",
    "Results",
    "Sample",
    "Script",
    "Sources",
    "Survey",
    "TrialPlan",
    "TrialResult",
    "WriterPool",
    "YesNo",
    "factorial",
    "import_survey",
    "load",
    "load_humans",
    "load_population",
    "load_survey",
    "merge",
    "run",
    "save_survey",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value
