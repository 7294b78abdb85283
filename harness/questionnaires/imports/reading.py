"""Reads a questionnaire of another tool, from a file or from an object of EDSL."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.extras import require
from harness.personas.edsl_files import read_edsl
from harness.questionnaires.csv_file import rows_of
from harness.questionnaires.imports import edsl, qsf, xlsform
from harness.questionnaires.imports.draft import ImportedQuestionnaire
from harness.text_files import read_content

MAX_BYTES = 1 << 26
"""The largest file: 64 MiB."""
SHEETS = ("survey", "choices", "settings")
"""The sheets of a form that are read."""
MAX_ROWS = 20_000
"""Rows of one sheet; forms have hundreds."""
MOST_EMPTY = 200
"""Empty rows in a row; a sheet ends there, since Excel counts rows that were only formatted."""

_KNOWN = "a Qualtrics survey (.qsf), an XLSForm (.xlsx, .csv) or an EDSL survey (.json, .ep)"


def import_survey(source: Any) -> ImportedQuestionnaire:
    """Read a questionnaire of another tool: Qualtrics (``.qsf``), XLSForm (``.xlsx``, ``.csv``), EDSL (JSON, ``.ep``).

    ``source`` is a path, or a survey of EDSL. The result has the ``survey``, and names each question that is
    ``left_out`` and all that is ``changed``, with reasons. Raises `ConfigurationError` for a file that is none of
    these, or has no question that can be carried.
    """
    if not isinstance(source, str | Path):
        to_dict = getattr(source, "to_dict", None)
        if not callable(to_dict):
            raise ConfigurationError(f"{type(source).__name__}: expected a path, or a survey of EDSL.")
        return edsl.from_edsl(to_dict(), f"EDSL {type(source).__name__}")
    path = Path(source)
    owner, ending = f"Questionnaire {path}", path.suffix.lower()
    if ending == ".xlsx":
        return xlsform.from_xlsform(_workbook(path, owner), owner)
    if ending == ".csv":
        return xlsform.from_xlsform(_csv_sheets(path, owner), owner)
    if ending in (".qsf", ".json", ".ep", ".gz"):
        data = read_edsl(path, owner)
        if qsf.is_qsf(data) or ending == ".qsf":
            return qsf.from_qsf(data, owner)
        if edsl.is_edsl_survey(data):
            return edsl.from_edsl(data, owner)
        if isinstance(data, dict) and (
            data.keys() & {"agent_list"} or data.get("edsl_class_name") == "Agent"
        ):
            raise ConfigurationError(
                f"{owner}: holds agents of EDSL; expected a survey. Load them with load_population."
            )
        raise ConfigurationError(f"{owner}: is JSON, and not a survey that is read here; expected {_KNOWN}.")
    raise ConfigurationError(f"{owner}: the file name ends in {ending or 'nothing'!r}; expected {_KNOWN}.")


def _csv_sheets(path: Path, owner: str) -> xlsform.Sheets:
    rows = list(rows_of(read_content(path, owner, MAX_BYTES), owner))
    return xlsform.sheets_of_csv(iter(rows))


def _workbook(path: Path, owner: str) -> xlsform.Sheets:
    require("forms", f"{owner}: an Excel file")
    import openpyxl

    content = read_content(path, owner, MAX_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions, which no form needs
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            named = {sheet.title.strip().lower(): sheet for sheet in book.worksheets}
            return {
                name: xlsform.sheet_of_table(_cells(named[name], owner)) for name in SHEETS if name in named
            }
    except ConfigurationError:
        raise
    except Exception as error:  # a damaged workbook raises whatever the part that is damaged raises
        raise ConfigurationError(
            f"{owner}: is not an Excel workbook ({type(error).__name__}: {str(error)[:100]}); expected one in .xlsx."
        ) from None


def _cells(sheet: Any, owner: str) -> Iterator[tuple[int, list[str]]]:
    empty = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > MAX_ROWS:
            raise ConfigurationError(f"{owner}: a sheet has more than {MAX_ROWS:,} rows; expected a form.")
        cells = [_cell(value) for value in row]
        empty = 0 if any(cells) else empty + 1
        if empty > MOST_EMPTY:
            return
        yield number, cells


def _cell(value: Any) -> str:
    """A cell as the text that a form means: Excel keeps every number with decimals."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
