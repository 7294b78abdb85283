"""Open a notebook file: its hash and the syntax trees of its code cells. Nothing is executed."""

from __future__ import annotations

import ast
import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.experiments.table1.flow import NotebookStatement, statements
from harness.extras import require
from harness.text_files import decoded, read_content

MAX_BYTES = 16 * 2**20
"""Larger files are refused; the published notebooks, outputs included, have at most 4 MB."""

_WAY_OUT = "Check the file out again, or run without notebooks, with the packaged script."


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook's statements in cell order. ``unparsed`` are the code cells that are not Python.

    ``path`` is the folder and file name, not the full path. Cells are numbered from 0, all kinds counted, as in the
    file's list ``cells``.
    """

    path: str
    sha256: str
    statements: tuple[NotebookStatement, ...]
    unparsed: tuple[int, ...] = ()


def open_notebook(file: Path) -> Notebook:
    """Read ``file``. Raises `ConfigurationError` if it is missing, too large, or not a notebook."""
    path = f"{file.resolve().parent.name}/{file.name}"
    content = _bytes(file)
    found: list[NotebookStatement] = []
    unparsed = []
    for number, source in _code_cells(file, content):
        try:
            found.extend(statements(number, _parse(source)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            unparsed.append(number)
    return Notebook(path, hashlib.sha256(content).hexdigest(), tuple(found), tuple(unparsed))


def _bytes(file: Path) -> bytes:
    try:
        return read_content(file, f"Notebook {file}", MAX_BYTES)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} {_WAY_OUT}") from None


def _code_cells(file: Path, content: bytes) -> list[tuple[int, str]]:
    require("table1", "Reading notebooks")
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document: Any = nbformat.reads(decoded(content, str(file)), as_version=4)  # type: ignore[no-untyped-call]
        return [
            (number, str(cell.source))
            for number, cell in enumerate(document.cells)
            if cell.cell_type == "code"
        ]
    # nbformat also lets through any error of its format upgrades.
    except Exception as error:
        reason = " ".join(str(error).split())[:80]
        raise ConfigurationError(
            f"Notebook {file}: not a Jupyter notebook ({type(error).__name__}: {reason}); "
            f"expected JSON with a list of cells. {_WAY_OUT}"
        ) from None


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        # Warnings about invalid escapes concern the notebook's author.
        warnings.simplefilter("ignore")
        return ast.parse(source)
