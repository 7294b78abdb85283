"""Layer 0: the words of the project as frozen data. Imports the standard library alone."""

from harness.model.check import Check, Level, worst
from harness.model.contrast import Contrast
from harness.model.design import Experiment, Group, Mode
from harness.model.dialogue import Dialogue
from harness.model.factorial import factorial
from harness.model.metrics import MAX_SCORE, MIN_SCORE, Measure, Preference, Proposition
from harness.model.model_options import NO_OPTIONS, merge_options, option_problems, options_in_words
from harness.model.observation import Dataset, Judgement, Observation
from harness.model.outcome import (
    Answering,
    Cell,
    CorrectionEvent,
    Event,
    Sample,
    Trial,
    TrialFailure,
    TrialFiles,
    TrialResult,
    Usage,
)
from harness.model.persona import Persona
from harness.model.play import CallBounds, Play, TrialPlan
from harness.model.script import Extraction, Script, render
from harness.model.treatment import ActionsAtLeast, Correction, Intervention

__all__ = [
    "MAX_SCORE",
    "MIN_SCORE",
    "NO_OPTIONS",
    "ActionsAtLeast",
    "Answering",
    "CallBounds",
    "Cell",
    "Check",
    "Contrast",
    "Correction",
    "CorrectionEvent",
    "Dataset",
    "Dialogue",
    "Event",
    "Experiment",
    "Extraction",
    "Group",
    "Intervention",
    "Judgement",
    "Level",
    "Measure",
    "Mode",
    "Observation",
    "Persona",
    "Play",
    "Preference",
    "Proposition",
    "Sample",
    "Script",
    "Trial",
    "TrialFailure",
    "TrialFiles",
    "TrialPlan",
    "TrialResult",
    "Usage",
    "factorial",
    "merge_options",
    "option_problems",
    "options_in_words",
    "render",
    "worst",
]
