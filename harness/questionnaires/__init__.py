"""Layer 2: questionnaires as files (YAML, JSON, CSV), and those of other survey tools."""

from __future__ import annotations

from harness.questionnaires.checking import SCHEMA_FILE
from harness.questionnaires.files import load_survey, save_survey
from harness.questionnaires.imports import ImportedQuestionnaire, import_survey

__all__ = ["SCHEMA_FILE", "ImportedQuestionnaire", "import_survey", "load_survey", "save_survey"]
