r"""Questionnaires as CSV: a row per item, and a column per field.

Several texts in one cell stand between ``|``; a meaning or a code follows its name and ``=``. A backslash before
``|``, ``=``, a space or a backslash makes it part of the text. A row of the type ``setting`` has a setting of the whole
questionnaire: its name, and under ``question`` its value.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import ConfigurationError, expected_one_of
from harness.questionnaires.checking import VERSION, DataPath, fields_of, kinds, settings
from harness.text_files import decoded

SETTING = "setting"
FIRST = ("name", "type", "question")

_DELIMITERS = ",;\t"
_PART = re.compile(r"(?:[^\\|]|\\.|\\$)*", re.DOTALL)
_NAME = re.compile(r"((?:[^\\=]|\\.)*?)(?:=(.*))?", re.DOTALL)
_INTEGER = re.compile(r"[+-]?\d{1,400}")


def columns() -> tuple[str, ...]:
    """Every column that a file may have, in the order in which they are written."""
    every = (name for kind in kinds() for name in fields_of(kind))
    return tuple(dict.fromkeys((*FIRST, *every)))


def rows_of(content: bytes, owner: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row of a CSV file whose cells are separated by commas, semicolons or tabs.

    Raises `ConfigurationError` for a quote that is never closed.
    """
    text = decoded(content, owner)
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigurationError(
            f"{owner}: line {line}: is not CSV: {error}; expected each opening quote to be closed. Correct that row."
        ) from None


def parse_csv(content: bytes, owner: str) -> tuple[dict[str, Any], dict[DataPath, int]]:
    """The plain data of a questionnaire in CSV, and the line of each item. Raises `ConfigurationError`."""
    rows = rows_of(content, owner)
    header = [cell.strip() for cell in next(rows, (1, []))[1]]
    _check_header(header, owner)
    data: dict[str, Any] = {"questionnaire": VERSION}
    items: list[dict[str, Any]] = []
    lines: dict[DataPath, int] = {}
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise ConfigurationError(
                f"{owner}: line {line}: the row has {len(cells)} cells, and the header {len(header)}; "
                "expected as many. Complete the row, or put quotes around a cell with a comma."
            )
        row = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        if row.get("type") == SETTING:
            name = row.get("name", "")
            lines[(name,)] = line
            data[name] = _value(row.get("question", ""), settings().get(name, {}))
        else:
            lines[("items", len(items))] = line
            items.append(_item(row))
    return {**data, "items": items}, lines


def csv_text(data: Mapping[str, Any]) -> str:
    """``data`` of a questionnaire as CSV, with the columns that it needs."""
    items = data["items"]
    used = {name for item in items for name in item}
    header = [name for name in columns() if name in used or name in FIRST]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    for name, known in settings().items():
        if name in data:
            cells = {"name": name, "type": SETTING, "question": _cell(data[name], known)}
            writer.writerow([cells.get(column, "") for column in header])
    for item in items:
        known = fields_of(item["type"])
        writer.writerow([_cell(item[name], known[name]) if name in item else "" for name in header])
    return out.getvalue()


def _check_header(header: Sequence[str], owner: str) -> None:
    known = columns()
    absent = [name for name in FIRST if name not in header]
    if absent and header[:1] in (["survey"], ["choices"], ["settings"]):
        raise ConfigurationError(
            f"{owner}: is an XLSForm; expected a questionnaire. Import it first, with harness survey import or "
            "harness.import_survey."
        )
    if absent:
        raise ConfigurationError(
            f"{owner}: line 1: is not a questionnaire: no column {', '.join(absent)}; expected the columns "
            f"{', '.join(FIRST)} and the fields of the items."
        )
    for name in header:
        if header.count(name) > 1:
            raise ConfigurationError(
                f"{owner}: line 1: two columns are called {name[:60]!r}; expected each once."
            )
        if name not in known:
            raise ConfigurationError(
                f"{owner}: line 1: unknown column {name[:60]!r}; {expected_one_of(name, known)}"
            )


def _item(row: Mapping[str, str]) -> dict[str, Any]:
    known = fields_of(row["type"]) if row.get("type") in kinds() else {}
    return {name: _value(cell, known.get(name, {})) for name, cell in row.items()}


def _value(cell: str, known: Mapping[str, Any]) -> Any:
    """The value of a cell for a field of that schema; text that is not of its type stays text, for the check."""
    kind = known.get("type")
    if kind == "array":
        return [_unescaped(part) for part in _parts(cell)]
    if kind == "object":
        pairs = (_NAME.fullmatch(part) for part in _parts(cell))
        return {_unescaped(_bare(one[1])): _unescaped(_bare(one[2] or "")) for one in pairs if one}
    if kind == "boolean":
        return {"true": True, "false": False}.get(cell.strip().lower(), cell)
    if kind in ("integer", "number"):
        return _number(cell)
    return cell


def _number(cell: str) -> int | float | str:
    text = cell.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return cell


def _cell(value: Any, known: Mapping[str, Any]) -> str:
    kind = known.get("type")
    if kind == "array":
        return " | ".join(_escaped(one, "|\\") for one in value)
    if kind == "object":
        return " | ".join(_pair(name, meaning) for name, meaning in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _pair(name: str, meaning: Any) -> str:
    named = _escaped(name, "|\\=")
    return f"{named} = {_escaped(str(meaning), '|' + chr(92))}" if meaning != "" else named


def _parts(cell: str) -> Iterator[str]:
    place = 0
    while True:
        found = _PART.match(cell, place)
        assert found is not None
        yield _bare(found[0])
        if found.end() >= len(cell):
            return
        place = found.end() + 1


def _bare(part: str) -> str:
    """A part without the spaces around it; a space after a backslash belongs to the text."""
    text = part.strip(" ")
    backslashes = len(text) - len(text.rstrip("\\"))
    return f"{text} " if backslashes % 2 and part.endswith(" ") else text


def _escaped(text: str, special: str) -> str:
    found = "".join(f"\\{one}" if one in special else one for one in text)
    if found.startswith(" "):
        found = f"\\{found}"
    return f"{found[:-1]}\\ " if found.endswith(" ") and found != "\\ " else found


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
