"""Small Qualtrics surveys, as that tool exports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def question(number: int, kind: str, text: str = "?", **payload: Any) -> dict[str, Any]:
    """A question element, ``QID1`` with the tag ``Q1`` and so on."""
    source = f"QID{number}"
    base = {"QuestionText": text, "DataExportTag": f"Q{number}", "QuestionType": kind, "QuestionID": source}
    return {"Element": "SQ", "PrimaryAttribute": source, "Payload": {**base, **payload}}


def options(*texts: str) -> dict[str, Any]:
    return {
        "Choices": {str(number): {"Display": text} for number, text in enumerate(texts, 1)},
        "ChoiceOrder": [str(number) for number in range(1, len(texts) + 1)],
    }


def when(*expressions: Mapping[str, Any], join: str = "And") -> dict[str, Any]:
    """Display logic of one set of expressions."""
    numbered = {
        str(number): {**one, **({"Conjuction": join} if number else {})}
        for number, one in enumerate(expressions)
    }
    return {"DisplayLogic": {"0": {**numbered, "Type": "If"}, "Type": "BooleanExpression", "inPage": False}}


def chosen(number: int, option: int, operator: str = "Selected") -> dict[str, Any]:
    locator = f"q://QID{number}/SelectableChoice/{option}"
    return {
        "LogicType": "Question",
        "QuestionID": f"QID{number}",
        "ChoiceLocator": locator,
        "Operator": operator,
    }


def entered(number: int, operator: str, value: str) -> dict[str, Any]:
    locator = f"q://QID{number}/ChoiceTextEntryValue"
    return {"LogicType": "Question", "LeftOperand": locator, "Operator": operator, "RightOperand": value}


def survey(questions: Sequence[Mapping[str, Any]], **parts: Any) -> dict[str, Any]:
    """A survey with one block of ``questions``; ``elements``, ``skips`` (of a question) and ``flow`` add to it."""
    skips = parts.get("skips", {})
    block = [
        {"Type": "Question", "QuestionID": one["PrimaryAttribute"], **skips.get(one["PrimaryAttribute"], {})}
        for one in questions
        if one["PrimaryAttribute"] not in parts.get("trash", ())
    ]
    blocks = [
        {
            "Type": "Default",
            "Description": "Main",
            "ID": "BL_1",
            "BlockElements": block,
            **parts.get("block", {}),
        }
    ]
    flow = parts.get("flow", [{"Type": "Block", "ID": "BL_1", "FlowID": "FL_2"}])
    return {
        "SurveyEntry": {"SurveyName": "A survey"},
        "SurveyElements": [
            {
                "Element": "BL",
                "PrimaryAttribute": "Survey Blocks",
                "Payload": [*blocks, *parts.get("blocks", [])],
            },
            {"Element": "FL", "PrimaryAttribute": "Survey Flow", "Payload": {"Type": "Root", "Flow": flow}},
            {"Element": "SO", "PrimaryAttribute": "Survey Options", "Payload": {}},
            *questions,
        ],
    }
