"""Qualtrics' survey files (QSF): their blocks, flow and questions as a questionnaire."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.errors import ConfigurationError
from harness.questionnaires.imports.draft import (
    Draft,
    ImportedQuestionnaire,
    NotCarriedError,
)
from harness.questionnaires.imports.markup import plain_text
from harness.questionnaires.imports.qsf_logic import condition_of
from harness.questionnaires.imports.qsf_questions import CARRIED, QsfQuestion, kind_of, values_of

FORMAT = "Qualtrics QSF"

_PIPED = re.compile(r"\$\{([^}]*)\}")
_ANSWER = re.compile(
    r"q://(QID\d+)/(ChoiceGroup/SelectedChoices|ChoiceTextEntryValue|ChoiceNumericEntryValue)"
)


def is_qsf(data: Any) -> bool:
    """Whether ``data``, read from JSON, is a survey of Qualtrics."""
    return isinstance(data, Mapping) and "SurveyElements" in data


def from_qsf(data: Any, owner: str) -> ImportedQuestionnaire:
    """The questionnaire in ``data``, a QSF file's JSON. Raises `ConfigurationError` if it has no question to carry."""
    if not is_qsf(data) or not all(isinstance(one, Mapping) for one in values_of(data["SurveyElements"])):
        raise ConfigurationError(
            f"{owner}: is not a Qualtrics survey; expected JSON with SurveyElements, as Qualtrics exports it."
        )
    return _QsfReader(list(values_of(data["SurveyElements"]))).read()


class _QsfReader:
    def __init__(self, elements: list[Mapping[str, Any]]) -> None:
        self.draft = Draft(FORMAT)
        self.questions: dict[str, Mapping[str, Any]] = {}
        self.blocks: dict[str, Mapping[str, Any]] = {}
        self.flow: list[Any] | None = None
        for element in elements:
            payload, kind = element.get("Payload"), element.get("Element")
            if kind == "SQ" and isinstance(payload, Mapping):
                self.questions[str(element.get("PrimaryAttribute"))] = payload
            elif kind == "BL":
                blocks = (one for one in values_of(payload) if isinstance(one, Mapping))
                self.blocks.update({str(one.get("ID")): one for one in blocks})
            elif kind == "FL" and isinstance(payload, Mapping):
                self.flow = list(values_of(payload.get("Flow")))
        self.seen: set[str] = set()
        self.skips: list[tuple[str, Mapping[str, Any], list[str]]] = []

    def read(self) -> ImportedQuestionnaire:
        if self.flow is None:
            self.flow = [
                {"Type": "Block", "ID": name} for name, one in self.blocks.items() if not _is_trash(one)
            ]
            if not self.blocks:
                self.flow = [{"Type": "Questions"}]
        self._flow(self.flow, [])
        self._skip_logic()
        for source in [one for one in self.questions if one not in self.seen]:
            place = self._place(source)
            self.draft.leave_out(place, "it is not in the survey's flow (in the trash?)")
        return self.draft.finish()

    def _flow(self, flow: Iterable[Any], conditions: list[str]) -> None:
        for step in flow:
            if not isinstance(step, Mapping):
                continue
            kind, place = str(step.get("Type")), f"flow element {step.get('FlowID', '?')}"
            if kind in ("Block", "Standard") and str(step.get("ID")) in self.blocks:
                self._block(self.blocks[str(step["ID"])], conditions)
            elif kind == "Questions":
                for source in self.questions:
                    self._question(source, conditions)
            elif kind == "Branch":
                self._branch(step, place, conditions)
            elif kind in ("Group", "Root", "BlockRandomizer"):
                if kind == "BlockRandomizer":
                    shown = f", {step['SubSet']} of them shown" if step.get("SubSet") else ""
                    self.draft.change(
                        place, f"its blocks are randomized{shown} there, and keep their order here"
                    )
                self._flow(values_of(step.get("Flow")), conditions)
            elif kind == "EmbeddedData":
                self.draft.change(place, "embedded data are not carried; persona attributes take their place")
            elif kind != "EndSurvey" or conditions:
                self.draft.change(place, f"{kind} is not carried")

    def _branch(self, step: Mapping[str, Any], place: str, conditions: list[str]) -> None:
        try:
            found = [condition_of(step.get("BranchLogic"), self.draft.item)]
        except NotCarriedError as error:
            found = []
            self.draft.change(place, f"its questions are asked without the branch's condition: {error}")
        self._flow(values_of(step.get("Flow")), [*conditions, *found])

    def _block(self, block: Mapping[str, Any], conditions: list[str]) -> None:
        place = f"block {plain_text(block.get('Description', '?'))[:60]!r}"
        options = block.get("Options")
        if isinstance(options, Mapping):
            if options.get("RandomizeQuestions") not in (None, False, "false", ""):
                self.draft.change(place, "its questions are randomized there, and keep their order here")
            if options.get("Looping") not in (None, False, "None", ""):
                self.draft.change(place, "it is looped there, and asked once here")
        elements = [one for one in values_of(block.get("BlockElements")) if isinstance(one, Mapping)]
        sources = [_question_id(one) for one in elements if one.get("Type") == "Question"]
        for element in elements:
            if element.get("Type") != "Question" or _question_id(element) not in self.questions:
                continue
            source = _question_id(element)
            self._question(source, conditions)
            for skip in values_of(element.get("SkipLogic")):
                if isinstance(skip, Mapping):
                    self.skips.append((source, skip, sources))

    def _question(self, source: str, conditions: list[str]) -> None:
        if source in self.seen:
            self.draft.change(self._place(source), "it is asked twice there, and once here")
            return
        self.seen.add(source)
        payload, place = self.questions[source], self._place(source)
        own = list(conditions)
        try:
            if payload.get("DisplayLogic"):
                own.append(condition_of(payload["DisplayLogic"], self.draft.item))
        except NotCarriedError as error:
            if payload.get("QuestionType") == "DB":
                self.draft.leave_out(place, f"its display logic cannot be carried: {error}")
                return
            self.draft.change(place, f"it is asked of everyone, without its display logic: {error}")
        with self.draft.question(place, own):
            self._carry(source, payload, place, own)

    def _carry(self, source: str, payload: Mapping[str, Any], place: str, conditions: list[str]) -> None:
        kind, selector = str(payload.get("QuestionType")), str(payload.get("Selector"))
        text = self.draft.piped(plain_text(payload.get("QuestionText", "")), _PIPED, _earlier)
        if kind == "DB" and selector in ("TB", "PTB"):
            if conditions:
                raise NotCarriedError(
                    "a text shown under a condition; put it into the question it belongs to"
                )
            self.draft.add_text(place, text)
            return
        carry: Callable[[QsfQuestion], None] | None = CARRIED.get(kind)
        if carry is None:
            raise NotCarriedError(f"the question type {kind_of(payload)} has no counterpart")
        name = plain_text(payload.get("DataExportTag") or source)
        carry(QsfQuestion(self.draft, source, place, name, text, selector, payload))

    def _skip_logic(self) -> None:
        """Skip logic as conditions of the questions that are skipped."""
        for source, skip, block in self.skips:
            place = self._place(source)
            try:
                logic = {
                    **skip,
                    "Operator": skip.get("Condition", skip.get("Operator")),
                    "LogicType": "Question",
                }
                condition = condition_of({"0": {"0": logic}}, self.draft.item)
                order = list(self.draft.items)
                end = self._target(str(skip.get("SkipToDestination")), block)
                self.draft.skip(
                    source, order[order.index(source) + 1 : order.index(end) if end else None], condition
                )
            except NotCarriedError as error:
                self.draft.change(place, f"its skip logic is not carried: {error}")

    def _target(self, target: str, block: list[str]) -> str | None:
        """The first item that is asked again after a skip."""
        order = list(self.draft.items)
        if target in ("ENDOFSURVEY", "EndOfSurvey"):
            return None
        if target in ("ENDOFBLOCK", "EndOfBlock"):
            inside = [index for index, one in enumerate(order) if one.partition("/")[0] in block]
            after = max(inside, default=-1) + 1
            return order[after] if after < len(order) else None
        found = next((one for one in order if one.partition("/")[0] == target), None)
        if found is None:
            raise NotCarriedError(f"it leads to {target}, which is not carried")
        return found

    def _place(self, source: str) -> str:
        tag = plain_text(self.questions[source].get("DataExportTag") or "")
        return f"{tag} ({source})" if tag and tag != source else source


def _earlier(found: re.Match[str]) -> str:
    answer = _ANSWER.match(found[1])
    if answer is None:
        raise NotCarriedError(f"its text has the piped field {found[0]:.80}, which has no counterpart")
    return answer[1]


def _question_id(element: Any) -> str:
    return str(element.get("QuestionID")) if isinstance(element, Mapping) else ""


def _is_trash(block: Mapping[str, Any]) -> bool:
    return block.get("Type") == "Trash"
