"""Layer 0: the words of the project as frozen data. Imports the standard library alone."""

from harness.model.check import Check, Level, worst
from harness.model.contrast import Contrast
from harness.model.design import Experiment, Group, Mode
from harness.model.dialogue import Dialogue
from harness.model.draw import Draw
from harness.model.factorial import factorial
from harness.model.metrics import MAX_SCORE, MIN_SCORE, Measure, Preference, Proposition
from harness.model.model_options import NO_OPTIONS, merge_options, option_problems, options_in_words
from harness.model.observation import Dataset, Judgement, Observation, Respondents, SampleDesign, Scale
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
from harness.model.persona import Participant, Persona, attributes_of
from harness.model.play import CallBounds, Play, TrialPlan
from harness.model.script import Extraction, Script, render
from harness.model.survey.composites import Allocation, Matrix, MultipleChoice, Ranking
from harness.model.survey.item import AnswerFault, Item
from harness.model.survey.items import Choice, FreeText, Likert, Numeric, YesNo, read_items
from harness.model.survey.survey import Survey
from harness.model.treatment import ActionsAtLeast, Correction, Intervention

__all__ = [
    "MAX_SCORE",
    "MIN_SCORE",
    "NO_OPTIONS",
    "ActionsAtLeast",
    "Allocation",
    "AnswerFault",
    "Answering",
    "CallBounds",
    "Cell",
    "Check",
    "Choice",
    "Contrast",
    "Correction",
    "CorrectionEvent",
    "Dataset",
    "Dialogue",
    "Draw",
    "Event",
    "Experiment",
    "Extraction",
    "FreeText",
    "Group",
    "Intervention",
    "Item",
    "Judgement",
    "Level",
    "Likert",
    "Matrix",
    "Measure",
    "Mode",
    "MultipleChoice",
    "Numeric",
    "Observation",
    "Participant",
    "Persona",
    "Play",
    "Preference",
    "Proposition",
    "Ranking",
    "Respondents",
    "Sample",
    "SampleDesign",
    "Scale",
    "Script",
    "Survey",
    "Trial",
    "TrialFailure",
    "TrialFiles",
    "TrialPlan",
    "TrialResult",
    "Usage",
    "YesNo",
    "attributes_of",
    "factorial",
    "merge_options",
    "option_problems",
    "options_in_words",
    "read_items",
    "render",
    "worst",
]
