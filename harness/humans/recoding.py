"""From the cells of microdata to answers of an item, as the item itself reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigurationError
from harness.humans.binding import ItemBinding
from harness.humans.microdata import NO_ANSWER, Microdata, MicrodataColumn, as_number, code_text
from harness.model.survey.composites import Allocation, Matrix, MultipleChoice, Ranking
from harness.model.survey.item import AnswerFault, Item
from harness.model.survey.items import Choice, FreeText, Likert, Numeric

_CHOSEN = {
    "1": True,
    "yes": True,
    "true": True,
    "x": True,
    "selected": True,
    "mentioned": True,
    "chosen": True,
}
_LEFT = {
    "0": False,
    "no": False,
    "false": False,
    "not selected": False,
    "not mentioned": False,
    "not chosen": False,
}
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class RecodedItem:
    """People's answers to an item, a value per respondent: ``None`` is missing, counted by reason in ``missing``.

    ``table`` says what became of each code, for a reader: code, its label, the answer, how many respondents.
    """

    answers: tuple[Any, ...]
    missing: Mapping[str, int]
    table: tuple[tuple[str, str, str, int], ...]


class UnmatchedError(Exception):
    """Raised within this module: a code is not an answer to the item."""


def recoded(item: Item, bound: ItemBinding, data: Microdata) -> RecodedItem:
    """People's answers to ``item``. Raises `ConfigurationError`, naming the codes that are not answers to it."""
    use = f"Item {item.name!r}"
    columns = {part: data.column(name, use) for part, name in bound.columns.items()}
    reader = _PartReader(item, bound)
    known = {part: reader.read(part, column) for part, column in columns.items()}
    if reader.unmatched:
        raise ConfigurationError(reader.message(data))
    if tuple(columns) == ("",):
        cells = [known[""][_key(value)] for value in columns[""].values]
        answers = [answer for answer, _ in cells]
        reasons = Counter(reason for _, reason in cells if reason is not None)
    else:
        answers, reasons = _joined(item, columns, known, data.respondents)
    table = tuple(_table(columns, known))
    return RecodedItem(tuple(answers), dict(reasons.most_common()), table)


_Cell = tuple[Any, str | None]
"""An answer, or ``None`` with the reason why it is missing."""


class _PartReader:
    """Reads the codes of the columns of one item; collects those that are not answers."""

    def __init__(self, item: Item, bound: ItemBinding) -> None:
        self.item, self._bound = item, bound
        self.unmatched: dict[str, Counter[str]] = {}

    def read(self, part: str, column: MicrodataColumn) -> dict[str | None, _Cell]:
        """Code → its answer, for every code that the column has."""
        counts = Counter(map(_key, column.values))
        values = {_key(value): value for value in column.values}
        found: dict[str | None, _Cell] = {}
        for code, value in values.items():
            try:
                found[code] = self._cell(part, column, value)
            except UnmatchedError:
                words = column.words(value)
                shown = code if words == code else f"{code} ({words})"
                self.unmatched.setdefault(column.name, Counter())[str(shown)] += counts[code]
        return found

    def _cell(self, part: str, column: MicrodataColumn, value: Any) -> _Cell:
        code = code_text(value)
        if value is not None and code in self._bound.recode:
            return self._answer(part, [self._bound.recode[code]]), None
        if value is not None and code in self._bound.missing:
            return None, self._bound.missing[code] or column.words(value)
        why = column.why_missing(value)
        words = column.words(value)
        if why is not None:
            out = [one for one in self.item.opt_out if one.casefold() == words.casefold()]
            return (out[0], None) if out and value is not None else (None, why)
        return self._answer(part, [words, value]), None

    def _answer(self, part: str, candidates: list[Any]) -> Any:
        """The answer to the item, or to its ``part``, that the first fitting candidate is."""
        for candidate in candidates:
            if isinstance(self.item, MultipleChoice):
                text = code_text(candidate).casefold()
                flags = {**_CHOSEN, **_LEFT, part.casefold(): True}
                if text in flags:
                    return flags[text]
            elif isinstance(self.item, Ranking | Allocation):
                number = as_number(candidate)
                if number is not None and number.is_integer() and number >= 0:
                    return int(number)
            elif (answer := self._plain(candidate)) is not None:
                return answer
        raise UnmatchedError

    def _plain(self, candidate: Any) -> Any:
        item = self.item
        text = code_text(candidate).casefold()
        texts = [*item.opt_out, *(item.codes if isinstance(item, FreeText) else ())]
        if not isinstance(item, Matrix):
            texts += item.choices
        for one in texts:
            if one.casefold() == text:
                return one
        if isinstance(item, Choice):
            for option, value in item.values.items():
                if value.casefold() == text:
                    return option
        if isinstance(item, Likert | Matrix):
            for point in range(1, item.points + 1):
                if item.label(point) and item.label(point).casefold() == text:
                    return point
            number = as_number(candidate)
            on_scale = number is not None and number.is_integer() and 1 <= number <= item.points
            return int(number) if on_scale and number is not None else None
        if isinstance(item, Numeric):
            number = as_number(candidate)
            return None if number is None else _read(item, number)[0]
        return None

    def message(self, data: Microdata) -> str:
        """Names the unmatched codes of each column."""
        sentences = []
        for column, codes in self.unmatched.items():
            named = ", ".join(
                f"{code} ({count:,} time{'s' * (count != 1)})"
                for code, count in codes.most_common(MOST_NAMED)
            )
            more = f", and {len(codes) - MOST_NAMED} more" if len(codes) > MOST_NAMED else ""
            sentences.append(
                f"Item {self.item.name!r}: column {column!r} of {data.path.name} has values that are not answers to "
                f"it: {named}{more}; expected {_wanted(self.item)}. Recode them, or name them as missing, in a "
                "binding file."
            )
        return "\n".join(sentences)


def _wanted(item: Item) -> str:
    if isinstance(item, Likert | Matrix):
        return f"1 to {item.points}, or a label of the scale"
    if isinstance(item, Numeric):
        return f"a number {item.range}".strip()
    if isinstance(item, MultipleChoice):
        return "1 and 0, or yes and no"
    if isinstance(item, Ranking | Allocation):
        return "whole numbers"
    choices = [*(item.codes if isinstance(item, FreeText) else item.choices), *item.opt_out]
    return f"one of {', '.join(map(repr, choices))}"


def _joined(
    item: Item,
    columns: Mapping[str, MicrodataColumn],
    known: Mapping[str, Mapping[str | None, _Cell]],
    respondents: int,
) -> tuple[list[Any], Counter[str]]:
    """The answers to an item of several parts; one without all of its parts is missing."""
    answers: list[Any] = []
    reasons: Counter[str] = Counter()
    for row in range(respondents):
        cells = {part: known[part][_key(column.values[row])] for part, column in columns.items()}
        answer, reason = _whole(item, cells)
        answers.append(answer)
        if reason is not None:
            reasons[reason] += 1
    return answers, reasons


def _whole(item: Item, cells: Mapping[str, _Cell]) -> _Cell:
    parts = {part: answer for part, (answer, _) in cells.items()}
    reasons = [reason for _, reason in cells.values() if reason is not None]
    if len(reasons) == len(cells):
        return None, reasons[0]
    if isinstance(item, MultipleChoice):  # an empty cell beside a filled one is an option that was not chosen
        bad = [reason for reason in reasons if reason != NO_ANSWER]
        if bad:
            return None, bad[0]
        return _read(item, [part for part, chosen in parts.items() if chosen])
    if isinstance(item, Matrix):
        return parts, None
    if reasons:
        return None, reasons[0]
    if isinstance(item, Ranking):
        if len(set(parts.values())) < len(parts):
            return None, "two options have the same rank"
        return _read(item, sorted(parts, key=lambda part: parts[part]))
    return _read(item, parts)


def _read(item: Item, value: Any) -> _Cell:
    try:
        return item.read(value), None
    except AnswerFault as fault:
        return None, str(fault)


def _table(
    columns: Mapping[str, MicrodataColumn], known: Mapping[str, Mapping[str | None, _Cell]]
) -> list[tuple[str, str, str, int]]:
    """What became of each code, in order of codes."""
    rows = []
    for part, column in columns.items():
        counts = Counter(map(_key, column.values))
        for code, (answer, reason) in sorted(known[part].items(), key=lambda one: _order(one[0])):
            label = column.labels.get(code or "", "")
            became = f"missing ({reason})" if reason is not None else str(answer)
            rows.append(
                (f"{column.name} {code if code is not None else '(empty)'}", label, became, counts[code])
            )
    return rows


def _order(code: str | None) -> tuple[int, float, str]:
    number = as_number(code)
    return (code is None, number if number is not None else float("inf"), code or "")


def _key(value: Any) -> str | None:
    return None if value is None else code_text(value)
