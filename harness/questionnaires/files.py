"""Questionnaire files: read into a `Survey`, and written from one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.model import Survey
from harness.questionnaires.checking import DataPath
from harness.questionnaires.csv_file import csv_text, parse_csv
from harness.questionnaires.survey_data import data_of, survey_of
from harness.records.strict_yaml import MAX_BYTES, line_of, parsed_yaml, yaml_text
from harness.text_files import parse_json, read_content

OTHER_FORMATS = (".qsf", ".xlsx", ".xls", ".ep", ".gz")
"""File name endings of questionnaires that are imported."""

_HEAD = "# A questionnaire. Show it with: harness survey show FILE\n"


def load_survey(path: str | Path) -> Survey:
    """Read the questionnaire at ``path``, a YAML (``.yaml``, ``.yml``, ``.json``) or CSV file, as a `Survey`.

    A relative path starts from the working directory; ``Path(__file__).with_name("trust.yaml")`` lies beside a test.
    Raises `ConfigurationError` with every fault found and its line. Files of survey tools are imported first
    (`import_survey`), because not all of their questions can be carried.
    """
    place = Path(path)
    owner = f"Questionnaire {place}"
    if place.suffix.lower() in OTHER_FORMATS:
        raise ConfigurationError(
            f"{owner}: is a file of another tool; expected a questionnaire in YAML or CSV. "
            "Import it first, with harness survey import or harness.import_survey."
        )
    content = read_content(place, owner, MAX_BYTES)
    if _is_csv(place):
        data, lines = parse_csv(content, owner)
        return survey_of(data, owner, lambda part: _nearest(lines, part))
    if place.suffix.lower() == ".json":
        data = parse_json(content, owner)
    else:
        data = parsed_yaml(content, owner, yes_is_text=True)
    _refuse_other_tools(data, owner)
    return survey_of(data, owner, lambda part: line_of(content, part))


def save_survey(survey: Survey, path: str | Path) -> Path:
    """Write ``survey`` to ``path``, as YAML (``.yaml``, ``.yml``), JSON or CSV; an existing file is replaced.

    What has its default is left out, and reading the file gives an equal survey. Raises `ConfigurationError` for a
    survey with faults, or with functions, which a file cannot hold.
    """
    place = Path(path)
    text = written(data_of(survey), place)
    try:
        place.write_text(text, "utf-8", newline="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"{place}: cannot be written ({reason}); expected a writable path."
        ) from None
    return place


def written(data: Any, path: Path) -> str:
    """The text of a questionnaire file at ``path``, in the format that its name says. Raises `ConfigurationError`."""
    writers: dict[str, Callable[[Any], str]] = {
        ".csv": csv_text,
        ".json": lambda plain: json.dumps(plain, indent=2, ensure_ascii=False) + "\n",
        ".yaml": lambda plain: _HEAD + yaml_text(plain),
        ".yml": lambda plain: _HEAD + yaml_text(plain),
    }
    if path.suffix.lower() not in writers:
        raise ConfigurationError(
            f"{path}: the file name ends in {path.suffix or 'nothing'!r}; expected .yaml, .yml, .json or .csv."
        )
    return writers[path.suffix.lower()](data)


def write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet. Raises `ConfigurationError` if it does, or cannot be written."""
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigurationError(f"{path}: exists; expected a new file. Move it, or name another.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path}: cannot be written ({reason}); expected a writable path.") from None


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".tsv")


def _nearest(lines: dict[DataPath, int], part: DataPath) -> int | None:
    while part and part not in lines:
        part = part[:-1]
    return lines.get(part)


def _refuse_other_tools(data: Any, owner: str) -> None:
    from harness.questionnaires.imports import other_tool

    if tool := other_tool(data):
        raise ConfigurationError(
            f"{owner}: is a file of {tool}; expected a questionnaire with the key items. "
            "Import it first, with harness survey import or harness.import_survey."
        )
