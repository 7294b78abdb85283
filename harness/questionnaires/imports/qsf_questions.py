"""The questions of Qualtrics by type, as items of a questionnaire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.questionnaires.imports.draft import Draft, NotCarriedError, whole_or_not, whole_range
from harness.questionnaires.imports.markup import plain_text


class QsfQuestion:
    """One question with what its type needs of it."""

    def __init__(
        self,
        draft: Draft,
        source: str,
        place: str,
        name: str,
        text: str,
        selector: str,
        payload: Mapping[str, Any],
    ) -> None:
        self.draft, self.source, self.place, self.name, self.text = draft, source, place, name, text
        self.selector, self.payload = selector, payload
        settings = payload.get("Validation")
        settings = settings.get("Settings") if isinstance(settings, Mapping) else None
        self.rules: Mapping[str, Any] = settings if isinstance(settings, Mapping) else {}
        configuration = payload.get("Configuration")
        self.configuration: Mapping[str, Any] = configuration if isinstance(configuration, Mapping) else {}

    def choices(self, part: str = "Choices", order: str = "ChoiceOrder") -> dict[str, Any]:
        """Choice id → choice, in the order of the questionnaire."""
        keyed = _keyed(self.payload.get(part))
        ids = [str(one) for one in values_of(self.payload.get(order))]
        shown = [one for one in ids if one in keyed] or list(keyed)
        return {one: keyed[one] for one in shown}

    def labelled(
        self, part: str = "Choices", order: str = "ChoiceOrder", least: int = 2
    ) -> tuple[list[str], dict[str, str]]:
        """The options' texts, and each choice id's text."""
        found = self.choices(part, order)
        if not found and self.payload.get(f"Dynamic{part}"):
            raise NotCarriedError("its options are those chosen in another question")
        texts = self.draft.options((_display(one) for one in found.values()), least)
        if any(isinstance(one, Mapping) and one.get("TextEntry") for one in found.values()):
            self.draft.change(
                self.place, "an option has a field for text there; the option is carried without it"
            )
        return texts, dict(zip(found, texts, strict=True))

    def shuffle(self) -> bool | None:
        """Whether options are randomized; ways other than all of them are noted."""
        how = self.payload.get("Randomization")
        kind = how.get("Type") if isinstance(how, Mapping) else None
        if kind == "All" and not (
            isinstance(how, Mapping) and how.get("TotalRandSubset") not in (None, "", 0)
        ):
            return True
        if kind not in (None, "None", False, ""):
            self.draft.change(
                self.place, f"its options are randomized there ({kind}), and keep their order here"
            )
        return None

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """(source, item name, question, row's text) of each row of a question with several fields."""
        for number, (key, choice) in enumerate(self.choices().items(), 1):
            label = plain_text(_display(choice))
            text = "\n".join(part for part in (self.text, label) if part)
            yield f"{self.source}/{key}", f"{self.name}_{number}", text, label


def _optionvalues_of(question: QsfQuestion, texts: Mapping[str, str]) -> dict[str, str] | None:
    """The recoded value of each option by its text, where the survey has them."""
    recodes = _keyed(question.payload.get("RecodeValues"))
    if not recodes or not texts.keys() <= recodes.keys():
        return None
    values = {text: str(recodes[key]) for key, text in texts.items()}
    if len(set(values.values())) < len(values):
        question.draft.change(question.place, "two of its options have one recode; recodes are not carried")
        return None
    return values


def _choice(question: QsfQuestion) -> None:
    if question.selector == "NPS":
        question.draft.add(
            question.source, "numeric", question.name, question.text, **whole_range(0, 10, whole=True)
        )
        return
    several = question.selector in ("MAVR", "MAHR", "MACOL", "MSB")
    texts, by_id = question.labelled()
    fields: dict[str, Any] = {
        "options": texts,
        "shuffle": question.shuffle(),
        "values": _optionvalues_of(question, by_id),
    }
    if several:
        least, most = question.rules.get("MinChoices"), question.rules.get("MaxChoices")
        fields |= {"least": _whole(least), "most": _whole(most)}
    kind = "multiple_choice" if several else "choice"
    question.draft.add(question.source, kind, question.name, question.text, answers=by_id, **fields)


def _text(question: QsfQuestion) -> None:
    if question.selector == "FORM":
        for source, name, text, _ in question.rows():
            question.draft.add(source, "free_text", name, text)
        question.draft.change(question.place, "each of its fields becomes an item")
        return
    bounds = question.rules.get("ValidNumber")
    if question.rules.get("ContentType") == "ValidNumber" and isinstance(bounds, Mapping):
        least, most = _number(bounds.get("Min")), _number(bounds.get("Max"))
        whole = str(bounds.get("NumDecimals")) == "0"
        question.draft.add(
            question.source, "numeric", question.name, question.text, **whole_range(least, most, whole=whole)
        )
        return
    if question.rules.get("ContentType") not in (None, "", "None"):
        question.draft.change(question.place, f"its check for {question.rules['ContentType']} is not carried")
    question.draft.add(question.source, "free_text", question.name, question.text)


def _matrix(question: QsfQuestion) -> None:
    sub = str(question.payload.get("SubSelector"))
    if question.selector == "Likert" and sub == "MultipleAnswer":
        labels, _ = question.labelled("Answers", "AnswerOrder")
        for source, name, text, _ in question.rows():
            question.draft.add(source, "multiple_choice", name, text, options=labels)
        question.draft.change(question.place, "each of its rows becomes an item")
        return
    if question.selector != "Likert" or sub not in ("SingleAnswer", "DL", "None"):
        raise NotCarriedError(f"the question type {kind_of(question.payload)} has no counterpart")
    rows, _ = question.labelled(least=1)
    labels, _ = question.labelled("Answers", "AnswerOrder")
    question.draft.add(
        question.source, "matrix", question.name, question.text, rows=rows, points=len(labels), labels=labels,
        shuffle=question.shuffle(),
    )  # fmt: skip


def _slider(question: QsfQuestion) -> None:
    if question.selector == "STAR":
        least, most, decimals = 0.0, _number(question.configuration.get("StarCount")), "0"
    else:
        least = _number(question.configuration.get("CSSliderMin")) or 0.0
        most = _number(question.configuration.get("CSSliderMax"))
        decimals = str(question.configuration.get("NumDecimals", "0") or "0")
    if most is None:
        raise NotCarriedError("the slider has no largest value")
    bounds = whole_range(least, most, whole=decimals == "0")
    rows = list(question.rows())
    if len(rows) <= 1:
        text = rows[0][2] if rows else question.text
        question.draft.add(question.source, "numeric", question.name, text, **bounds)
        return
    for source, name, text, _ in rows:
        question.draft.add(source, "numeric", name, text, **bounds)
    question.draft.change(question.place, "each of its sliders becomes an item")


def _ranking(question: QsfQuestion) -> None:
    texts, _ = question.labelled()
    question.draft.add(
        question.source, "ranking", question.name, question.text, options=texts, shuffle=question.shuffle()
    )


def _allocation(question: QsfQuestion) -> None:
    texts, _ = question.labelled()
    total = _number(question.rules.get("ChoiceTotal"))
    if total is None:
        raise NotCarriedError("its amounts need not add up to a total; expected one that must (ChoiceTotal)")
    question.draft.add(
        question.source, "allocation", question.name, question.text, options=texts, total=whole_or_not(total),
        shuffle=question.shuffle(),
    )  # fmt: skip


CARRIED: Mapping[str, Callable[[QsfQuestion], None]] = {
    "MC": _choice,
    "TE": _text,
    "Matrix": _matrix,
    "Slider": _slider,
    "RO": _ranking,
    "CS": _allocation,
}


def values_of(part: Any) -> Iterable[Any]:
    """The members of a list, or of an object whose keys are numbers: Qualtrics writes either."""
    return part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()


def _keyed(part: Any) -> dict[str, Any]:
    """The same by key; a list counts from 1."""
    if isinstance(part, Mapping):
        return {str(key): one for key, one in part.items()}
    return {str(number): one for number, one in enumerate(part, 1)} if isinstance(part, list) else {}


def _display(choice: Any) -> str:
    return str(choice.get("Display", "")) if isinstance(choice, Mapping) else str(choice)


def kind_of(payload: Mapping[str, Any]) -> str:
    parts = (payload.get(name) for name in ("QuestionType", "Selector", "SubSelector"))
    return "/".join(str(one)[:40] for one in parts if one)


def _number(value: Any) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if abs(found) < 1e15 else None


def _whole(value: Any) -> int | None:
    found = _number(value)
    return int(found) if found is not None and found.is_integer() else None
