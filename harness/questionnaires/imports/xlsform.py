"""XLSForm, the spreadsheets of ODK, KoboToolbox and SurveyCTO: their rows as a questionnaire."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import ConfigurationError
from harness.questionnaires.imports.draft import (
    Draft,
    ImportedQuestionnaire,
    NotCarriedError,
    whole_range,
)
from harness.questionnaires.imports.markup import plain_text
from harness.questionnaires.imports.xpath import bounds_of, condition_of

FORMAT = "XLSForm"

Row = Mapping[str, str]
Sheets = Mapping[str, Sequence[Row]]
"""Sheet name → its rows; a row is column → text, and has its line under `LINE`."""

LINE = "\0line"

_REFERENCE = re.compile(r"\$\{\s*([^}\s]+)\s*\}")
_SELECT = re.compile(
    r"(?P<kind>select[_ ]one|select1|select[_ ]multiple|select all that apply|rank)(?:\s+from)?\s+(?P<list>\S+)"
    r"(?P<other>\s+or[_ ](specify[_ ])?other)?$"
)
_BEGIN = re.compile(r"begin[_ ](group|repeat|loop)\b")
_END = re.compile(r"end[_ ](group|repeat|loop)$")
_PARAMETER = re.compile(r"(\w+)\s*=\s*([^\s,;]+)")
_RECORDED = frozenset(
    {"start", "end", "today", "deviceid", "device_id", "subscriberid", "simserial", "phonenumber"}
    | {"username", "email", "audit", "start-geopoint", "background-audio", "background-geopoint"}
)


def from_xlsform(sheets: Sheets, owner: str) -> ImportedQuestionnaire:
    """The questionnaire in ``sheets``. Raises `ConfigurationError` if it has no question that can be carried."""
    rows = sheets.get("survey")
    if rows is None or not any("type" in row for row in rows):
        raise ConfigurationError(
            f"{owner}: is not an XLSForm; expected a sheet named survey with the columns type, name and label."
        )
    return _FormReader(sheets, owner).read()


@dataclass(slots=True)
class _OpenGroup:
    """A group or repeat that is open, with the condition of its members."""

    name: str
    repeats: bool
    condition: str | None


class _FormReader:
    def __init__(self, sheets: Sheets, owner: str) -> None:
        self.draft, self.owner = Draft(FORMAT), owner
        self.rows = sheets["survey"]
        self.language = _default_language(sheets)
        self.lists: dict[str, list[Row]] = {}
        for row in sheets.get("choices", ()):
            name = (row.get("list_name") or row.get("list name") or "").strip()
            self.lists.setdefault(name, []).append(row)
        self.open: list[_OpenGroup] = []

    def read(self) -> ImportedQuestionnaire:
        for row in self.rows:
            kind = " ".join(row.get("type", "").split())
            if not kind or kind.startswith("#") or row.get("disabled", "").lower() in ("yes", "true"):
                if kind:
                    self.draft.leave_out(_place(row), "it is disabled")
                continue
            if found := _BEGIN.match(kind):
                self._begin(row, repeats=found[1] != "group")
            elif _END.match(kind):
                if self.open:
                    self.open.pop()
            else:
                self._question(row, kind)
        if len(languages := _languages(self.rows)) > 1:
            listed = ", ".join(languages)
            self.draft.change(
                "labels", f"they are in {listed}; those in {self.language or languages[0]} are read"
            )
        return self.draft.finish()

    def _begin(self, row: Row, *, repeats: bool) -> None:
        condition = None
        if relevant := row.get("relevant") or row.get("relevance"):
            try:
                condition = condition_of(relevant, self.draft.item)
            except NotCarriedError as error:
                self.draft.change(_place(row), f"its questions are asked without its condition: {error}")
        self.open.append(_OpenGroup(row.get("name", ""), repeats, condition))

    def _question(self, row: Row, kind: str) -> None:
        place = _place(row)
        repeat = next((one.name for one in self.open if one.repeats), None)
        if repeat is not None:
            self.draft.leave_out(place, f"it is in the repeat {repeat}, and repeats have no counterpart")
            return
        conditions = [one.condition for one in self.open if one.condition]
        if relevant := row.get("relevant") or row.get("relevance"):
            try:
                conditions.append(condition_of(relevant, self.draft.item))
            except NotCarriedError as error:
                if kind == "note":
                    self.draft.leave_out(place, f"its relevant cannot be carried: {error}")
                    return
                self.draft.change(place, f"it is asked of everyone, without its relevant: {error}")
        with self.draft.question(place, conditions):
            self._carry(row, kind, place, conditions)

    def _carry(self, row: Row, kind: str, place: str, conditions: list[str]) -> None:
        if kind in _RECORDED:
            raise NotCarriedError(f"{kind} is recorded by the device and is not a question")
        if kind in ("calculate", "hidden"):
            raise NotCarriedError(f"{kind} is not a question")
        text = self._text(row)
        if kind != "note" and "name" not in row:
            raise NotCarriedError("it has no name")
        if kind == "note":
            if conditions:
                raise NotCarriedError(
                    "a note shown under a condition; put it into the question it belongs to"
                )
            self.draft.add_text(place, text)
        elif found := _SELECT.match(kind):
            self._select(row, place, text, found)
        elif carry := _CARRIED.get(kind):
            carry(self.draft, row, place, text)
        else:
            raise NotCarriedError(f"the type {kind[:60]} has no counterpart")

    def _select(self, row: Row, place: str, text: str, found: re.Match[str]) -> None:
        if row.get("choice_filter"):
            raise NotCarriedError("its choice_filter makes the options depend on earlier answers")
        choices = self.lists.get(found["list"])
        if not choices:
            raise ConfigurationError(
                f"{self.owner}: {place} uses the list {found['list']!r:.60}, which the sheet choices does not have; "
                f"expected one of {', '.join(sorted(filter(None, self.lists)))[:300] or '(none)'}. "
                "Add its rows to the sheet choices."
            )
        labels = [self._label(one) or one.get("name", "") for one in choices]
        codes = [
            one.get("name") or one.get("value") or label for one, label in zip(choices, labels, strict=True)
        ]
        if found["other"]:
            labels, codes = [*labels, "Other"], [*codes, "other"]
            self.draft.change(place, "the option Other has a field for text there; it is carried without it")
        options = self.draft.options(labels)
        answers = dict(zip(codes, options, strict=True))
        shuffle = True if _parameters(row).get("randomize", "").lower() in ("true", "true()") else None
        if found["kind"] == "rank":
            self.draft.add(row["name"], "ranking", row["name"], text, options=options, shuffle=shuffle)
            return
        several = found["kind"].endswith(("multiple", "apply"))
        kept = None if codes == options else dict(zip(options, codes, strict=True))
        self.draft.add(
            row["name"], "multiple_choice" if several else "choice", row["name"], text,
            answers=answers, options=options, values=kept, shuffle=shuffle,
        )  # fmt: skip

    def _text(self, row: Row) -> str:
        parts = [self._label(row), self._label(row, "hint")]
        words = "\n".join(part for part in map(plain_text, parts) if part) or row.get("name", "")
        return self.draft.piped(words, _REFERENCE, lambda found: found[1])

    def _label(self, row: Row, column: str = "label") -> str:
        if self.language and (text := row.get(f"{column}::{self.language}")):
            return text
        if column in row:
            return row[column]
        return next((text for name, text in row.items() if name.startswith(f"{column}::")), "")


def _number(draft: Draft, row: Row, place: str, text: str, *, whole: bool) -> None:
    least = most = None
    if constraint := row.get("constraint"):
        try:
            least, most = bounds_of(constraint, whole=whole)
        except NotCarriedError as error:
            draft.change(place, f"its constraint {constraint[:60]!r} is not carried: {error}")
    draft.add(row["name"], "numeric", row["name"], text, **whole_range(least, most, whole=whole))


def _integer(draft: Draft, row: Row, place: str, text: str) -> None:
    _number(draft, row, place, text, whole=True)


def _decimal(draft: Draft, row: Row, place: str, text: str) -> None:
    _number(draft, row, place, text, whole=False)


def _range(draft: Draft, row: Row, place: str, text: str) -> None:
    found = _parameters(row)
    try:
        start, end, step = (float(found.get(name, default)) for name, default in _RANGE)
    except ValueError:
        raise NotCarriedError(f"its parameters {row.get('parameters', '')[:60]!r} are not numbers") from None
    whole = start.is_integer() and step.is_integer()
    if (step != 1 and whole) or not whole:
        draft.change(
            place, f"steps of {step:g} are not carried; any {'whole ' * whole}number in the range is valid"
        )
    draft.add(row["name"], "numeric", row["name"], text, **whole_range(start, end, whole=whole))


def _free_text(draft: Draft, row: Row, place: str, text: str) -> None:
    if row.get("constraint"):
        draft.change(place, f"its constraint {row['constraint'][:60]!r} is not carried")
    draft.add(row["name"], "free_text", row["name"], text)


_RANGE = (("start", "1"), ("end", "10"), ("step", "1"))
_CARRIED: Mapping[str, Callable[[Draft, Row, str, str], None]] = {
    "integer": _integer,
    "int": _integer,
    "decimal": _decimal,
    "range": _range,
    "text": _free_text,
    "string": _free_text,
}


def _place(row: Row) -> str:
    return f"{row.get('name') or row.get('type', '')[:40]} (row {row.get(LINE, '?')})"


def _parameters(row: Row) -> dict[str, str]:
    return dict(_PARAMETER.findall(row.get("parameters", "")))


def _languages(rows: Sequence[Row]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("label::"))
    return [name.partition("::")[2] for name in names]


def _default_language(sheets: Sheets) -> str:
    settings = next(iter(sheets.get("settings", ())), {})
    named = settings.get("default_language", "")
    languages = _languages(sheets["survey"])
    return named if named in languages else languages[0] if languages else ""


def sheets_of_csv(rows: Iterator[tuple[int, list[str]]]) -> dict[str, list[Row]]:
    """The sheets of a form in one CSV file: a sheet's name stands alone in the first column, its rows begin empty.

    ``rows`` are (line, cells).
    """
    sheets: dict[str, list[Row]] = {}
    current: list[Row] | None = None
    header: list[str] | None = None
    for line, cells in rows:
        first, rest = (cells[0].strip(), cells[1:]) if cells else ("", [])
        if first:
            current, header = sheets.setdefault(first.lower(), []), None
        if current is None or not any(cell.strip() for cell in rest):
            continue
        if header is None:
            header = [_column(cell) for cell in rest]
        else:
            current.append(row_of(header, rest, line))
    return sheets


def sheet_of_table(rows: Iterator[tuple[int, list[str]]]) -> list[Row]:
    """The rows of one sheet, whose first row has the names of its columns."""
    header: list[str] | None = None
    found: list[Row] = []
    for line, cells in rows:
        if header is None:
            header = [_column(cell) for cell in cells]
        elif any(cell.strip() for cell in cells):
            found.append(row_of(header, cells, line))
    return found


def row_of(header: Sequence[str], cells: Sequence[str], line: int) -> Row:
    """A row as column → text, without empty cells."""
    named = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name and cell.strip()}
    return {**named, LINE: str(line)}


def _column(name: str) -> str:
    """A column's name; of ``label::English (en)`` only the part before the colons is lowered."""
    column, colons, language = name.strip().partition("::")
    return f"{column.strip().lower()}{colons}{language.strip()}"
