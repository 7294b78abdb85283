"""Surveys of EDSL, as its ``to_dict`` and its saved files have them, as a questionnaire."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import ConfigurationError
from harness.questionnaires.imports.draft import (
    Draft,
    ImportedQuestionnaire,
    NotCarriedError,
    whole_range,
)
from harness.questionnaires.imports.edsl_rules import edsl_condition
from harness.questionnaires.imports.markup import plain_text

FORMAT = "EDSL survey"

_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}|\{%.*?%\}", re.DOTALL)
_ANSWER = re.compile(r"(\w+)\.answer$")
_END = "EndOfSurvey"


def is_edsl_survey(data: Any) -> bool:
    """Whether ``data``, read from JSON, is a survey of EDSL."""
    if not isinstance(data, Mapping):
        return False
    questions = data.get("questions")
    return data.get("edsl_class_name") == "Survey" or (
        isinstance(questions, list) and "rule_collection" in data
    )


def from_edsl(data: Any, owner: str) -> ImportedQuestionnaire:
    """The questionnaire in ``data``, an EDSL survey's ``to_dict``. Raises `ConfigurationError`."""
    questions = data.get("questions") if isinstance(data, Mapping) else None
    if not isinstance(questions, list) or not all(isinstance(one, Mapping) for one in questions):
        raise ConfigurationError(
            f"{owner}: is not a survey of EDSL; expected the JSON that its to_dict gives."
        )
    return _EdslReader(data, questions).read()


class _EdslReader:
    def __init__(self, data: Mapping[str, Any], questions: Sequence[Mapping[str, Any]]) -> None:
        self.draft, self.data = Draft(FORMAT), data
        self.entries = questions
        self.questions = [one for one in questions if "question_name" in one]
        named = data.get("questions_to_randomize")
        self.randomized = set(map(str, named)) if isinstance(named, list) else set()

    def read(self) -> ImportedQuestionnaire:
        self.draft.settings |= {"ask": "separately"} | self._memory()
        for entry in self.entries:
            place = str(entry.get("question_name") or entry.get("name") or "?")[:80]
            with self.draft.question(place):
                if "question_name" in entry:
                    self._question(entry, place)
                elif isinstance(entry.get("text"), str):
                    self.draft.add_text(place, self._piped(entry["text"]))
                else:
                    raise NotCarriedError(f"a {str(entry.get('edsl_class_name'))[:40]} has no counterpart")
        self._rules()
        return self.draft.finish()

    def _memory(self) -> dict[str, Any]:
        """Full memory or none; EDSL's memory of single answers is noted."""
        plan = self.data.get("memory_plan")
        found = plan.get("data") if isinstance(plan, Mapping) else None
        if not isinstance(found, Mapping) or not found:
            return {"memory": False}
        names = [str(one["question_name"]) for one in self.questions]
        for number, name in enumerate(names):
            entry = found.get(name)
            earlier = entry.get("prior_questions") if isinstance(entry, Mapping) else None
            if number and sorted(map(str, earlier or [])) != sorted(names[:number]):
                self.draft.change(
                    "memory", "single questions remember single answers there, and all earlier ones here"
                )
                break
        return {"memory": True}

    def _question(self, entry: Mapping[str, Any], place: str) -> None:
        kind = str(entry.get("question_type"))
        carry = _CARRIED.get(kind)
        if carry is None:
            raise NotCarriedError(f"the question type {kind[:40]} has no counterpart")
        carry(_EdslQuestion(self.draft, entry, place, self._piped(str(entry.get("question_text", "")))))
        if place in self.randomized and "options" in self.draft.items[place].data:
            self.draft.items[place].data["shuffle"] = True

    def _piped(self, text: str) -> str:
        def earlier(found: re.Match[str]) -> str:
            answer = _ANSWER.match(found[1] or "")
            if answer is None:
                raise NotCarriedError(f"its text has {found[0]:.60}, which is filled in elsewhere")
            return answer[1]

        return self.draft.piped(plain_text(text), _TEMPLATE, earlier)

    def _rules(self) -> None:
        """Skips and jumps as conditions of the questions that they leave out."""
        collection = self.data.get("rule_collection")
        rules = collection.get("rules") if isinstance(collection, Mapping) else None
        order = [str(one["question_name"]) for one in self.questions]
        known = [one for one in rules if isinstance(one, Mapping)] if isinstance(rules, list) else []
        for rule in sorted(known, key=lambda one: str(one.get("current_q")).zfill(9)):
            current, target = rule.get("current_q"), rule.get("next_q")
            if (
                str(rule.get("expression")) == "True"
                or not isinstance(current, int)
                or current not in range(len(order))
            ):
                continue
            first = current if rule.get("before_rule") else current + 1
            last = len(order) if target == _END else target if isinstance(target, int) else first
            try:
                self._skip(str(rule.get("expression")), order[first:last])
            except NotCarriedError as error:
                shown = f"{str(rule.get('expression'))[:80]!r}"
                self.draft.change(order[current], f"its rule {shown} is not carried: {error}")

    def _skip(self, expression: str, names: Sequence[str]) -> None:
        condition, decisive = edsl_condition(expression, self.draft.item)
        carried = [name for name in names if name in self.draft.items]
        self.draft.skip(decisive, carried, condition)


class _EdslQuestion:
    def __init__(self, draft: Draft, entry: Mapping[str, Any], place: str, text: str) -> None:
        self.draft, self.entry, self.place, self.text = draft, entry, place, text

    def add(self, type: str, answers: Mapping[str, Any] | None = None, **fields: Any) -> None:
        self.draft.add(self.place, type, self.place, self.text, answers=answers, **fields)

    def list_of(self, key: str) -> list[Any]:
        found = self.entry.get(key)
        if not isinstance(found, list):
            raise NotCarriedError(f"its {key} are filled in elsewhere ({str(found)[:40]!r})")
        if any(isinstance(one, str) and _TEMPLATE.search(one) for one in found):
            raise NotCarriedError(f"its {key} are filled in elsewhere")
        return found

    def options(self, key: str = "question_options", least: int = 2) -> list[str]:
        return self.draft.options(self.list_of(key), least)


def _choice(question: _EdslQuestion) -> None:
    options = question.options()
    if str(question.entry.get("question_type")).endswith("with_other"):
        options = [*options, str(question.entry.get("other_option_text") or "Other")]
        question.draft.change(
            question.place, "its option for another answer is carried without the text field"
        )
    question.add("choice", options=question.draft.options(options))


def _multiple_choice(question: _EdslQuestion) -> None:
    least, most = question.entry.get("min_selections"), question.entry.get("max_selections")
    options = question.options()
    if str(question.entry.get("question_type")).endswith("with_other"):
        options = question.draft.options([*options, "Other"])
        question.draft.change(
            question.place, "its option for another answer is carried without the text field"
        )
    question.add("multiple_choice", options=options, least=least, most=most)


def _scale(question: _EdslQuestion) -> None:
    points = question.list_of("question_options")
    if _is_range(points, 1):
        question.add("likert", points=len(points), labels=_labels(question, points))
    elif points and _is_range(points, points[0]):
        if named := _named_points(question):
            _name_points(question, named)
        question.add("numeric", **whole_range(points[0], points[-1], whole=True))
    else:
        raise NotCarriedError("its scale is not of consecutive whole numbers")


def _is_range(points: list[Any], first: Any) -> bool:
    whole = all(type(one) is int for one in points)
    return whole and len(points) > 1 and points == list(range(first, first + len(points)))


def _labels(question: _EdslQuestion, points: list[Any]) -> list[str] | None:
    """Labels of all points or of the ends; others go into the question."""
    named = _named_points(question)
    if not named:
        return None
    for shown in ([str(one) for one in points], [str(points[0]), str(points[-1])]):
        if named.keys() == set(shown):
            return [named[one] for one in shown]
    _name_points(question, named)
    return None


def _named_points(question: _EdslQuestion) -> dict[str, str]:
    found = question.entry.get("option_labels")
    return {str(key): plain_text(one) for key, one in found.items()} if isinstance(found, Mapping) else {}


def _name_points(question: _EdslQuestion, named: Mapping[str, str]) -> None:
    question.text = f"{question.text} ({', '.join(f'{point} is {label}' for point, label in named.items())})"


def _likert_five(question: _EdslQuestion) -> None:
    labels = question.options()
    question.add(
        "likert", {text: point for point, text in enumerate(labels, 1)}, points=len(labels), labels=labels
    )


def _numerical(question: _EdslQuestion) -> None:
    least, most = question.entry.get("min_value"), question.entry.get("max_value")
    if any(
        one is not None and (isinstance(one, bool) or not isinstance(one, int | float))
        for one in (least, most)
    ):
        raise NotCarriedError("its bounds are not numbers")
    question.add("numeric", **whole_range(least, most, whole=False))


def _rank(question: _EdslQuestion) -> None:
    options = question.options()
    if question.entry.get("num_selections") not in (None, len(options)):
        raise NotCarriedError("it ranks some of its options; expected all of them")
    question.add("ranking", options=options)


def _top_k(question: _EdslQuestion) -> None:
    least, most = question.entry.get("min_selections"), question.entry.get("max_selections")
    question.add("multiple_choice", options=question.options(), least=least, most=most)


def _budget(question: _EdslQuestion) -> None:
    question.add("allocation", options=question.options(), total=question.entry.get("budget_sum"))


def _matrix(question: _EdslQuestion) -> None:
    rows, points = question.options("question_items", 1), question.list_of("question_options")
    labels = _labels(question, points) if _is_range(points, 1) else question.draft.options(points)
    question.add("matrix", rows=rows, points=len(points), labels=labels)


def _yes_no(question: _EdslQuestion) -> None:
    question.add("yes_no", {"Yes": "yes", "No": "no"})


def _free_text(question: _EdslQuestion) -> None:
    question.add("free_text")


_CARRIED: Mapping[str, Callable[[_EdslQuestion], None]] = {
    "multiple_choice": _choice,
    "multiple_choice_with_other": _choice,
    "dropdown": _choice,
    "checkbox": _multiple_choice,
    "checkbox_with_other": _multiple_choice,
    "linear_scale": _scale,
    "likert_five": _likert_five,
    "numerical": _numerical,
    "rank": _rank,
    "top_k": _top_k,
    "budget": _budget,
    "matrix": _matrix,
    "yes_no": _yes_no,
    "free_text": _free_text,
}
