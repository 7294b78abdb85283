"""Questionnaires of other tools: Qualtrics (QSF), XLSForm and EDSL."""

from __future__ import annotations

from typing import Any

from harness.questionnaires.imports import edsl, qsf
from harness.questionnaires.imports.draft import ImportedQuestionnaire, ImportNote
from harness.questionnaires.imports.reading import import_survey

__all__ = ["ImportNote", "ImportedQuestionnaire", "import_survey", "other_tool"]


def other_tool(data: Any) -> str:
    """The tool whose questionnaire ``data`` (read from JSON or YAML) is; empty if none of those known here."""
    return "Qualtrics" if qsf.is_qsf(data) else "EDSL" if edsl.is_edsl_survey(data) else ""
