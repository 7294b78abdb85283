"""Bundles for reviewers and archives: data, codebook, prompts, plan, environment, checklist and checksums."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigurationError, HarnessError
from harness.records import meta_beside
from harness.records.atomic import write_whole
from harness.records.json_safe import encoded, indented, plain
from harness.records.plans import FOLDER, plans_in
from harness.reports.data.checklist import checklist
from harness.reports.data.codebook import codebook
from harness.reports.data.environment import environment
from harness.reports.data.people import attribute_columns
from harness.reports.data.prompts import prompts
from harness.reports.data.tables import Tables, read_tables
from harness.reports.data.tidy import as_csv_bytes, as_parquet, tidy

if TYPE_CHECKING:
    import pyarrow as pa

CHECKSUMS = "checksums.sha256"
MARK = "REHEARSAL: the offline rehearsal model answered in some or all of these runs. They are not evidence."
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_DATA = (
    "experiments",
    "trials",
    "scores",
    "answers",
    "people",
    "events",
    "comparisons",
    "calls",
    "call_counts",
)
_LONG = {"calls": ("request", "reply", "tool_calls"), "events": ("content",)}
"""Columns that are in the Parquet file only: no cell of a spreadsheet holds them."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was written: each file's size in bytes by name, and unreadable lines."""

    path: Path
    files: Mapping[str, int]
    rehearsal: bool
    problems: tuple[str, ...]


def write_bundle(results: Path, out: Path, *, runs: Sequence[str] = ()) -> Bundle:
    """Write the bundle of all runs in ``results``, or of ``runs``, as ``out``: a ``.zip`` or a new folder.

    Equal records give equal bytes on equal installations. Raises `ConfigurationError` for an unknown run, no
    records, or a folder that is not empty; `HarnessError` when it cannot be written.
    """
    if out.suffix != ".zip" and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"{out} is there already; expected a .zip file, or a folder not yet there.")
    tables = read_tables(results, runs)
    if not tables.runs:
        raise ConfigurationError(f"No records in {results}; expected JSONL files of a run.")
    files = contents(tables, results if results.is_dir() else results.parent)
    _refuse_secrets(files, tables)
    if out.suffix == ".zip":
        write_whole(out, zipped(files))
    else:
        for name, content in files.items():
            write_whole(out / name, content)
    sizes = {name: len(content) for name, content in files.items()}
    return Bundle(out, sizes, any(run.rehearsal for run in tables.runs), tables.problems)


def contents(tables: Tables, folder: Path) -> dict[str, bytes]:
    """The files of the bundle by name, sorted, checksums last."""
    rehearsal = any(run.rehearsal for run in tables.runs)
    plans = _plans(tables, folder)
    files = {
        "README.md": _readme(tables, rehearsal, bool(plans)),
        "checklist.md": checklist(
            tables,
            sorted(plans),
            MARK if rehearsal else None,
            {run.run_id: meta_beside(folder, run.experiment, run.run_id) for run in tables.runs},
        ),
        "codebook.md": codebook(
            _DATA, MARK if rehearsal else None, {"people": attribute_columns(tables.people)}
        ),
        "environment.json": indented(environment() | {"rehearsal": rehearsal}) + "\n",
        "prompts.json": indented(plain(prompts(tables.runs))[0]) + "\n",
    }
    found = {name: encoded(text) for name, text in files.items()} | plans
    for name in _DATA:
        content = tidy(tables, name)
        found[f"data/{name}.parquet"] = as_parquet(content)
        found[f"data/{name}.csv"] = as_csv_bytes(content.drop_columns(list(_LONG.get(name, ()))))
    ordered = dict(sorted(found.items()))
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in ordered.items())
    return ordered | {CHECKSUMS: sums.encode()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """``files`` as a zip archive whose bytes depend on nothing else."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return out.getvalue()


def _plans(tables: Tables, folder: Path) -> dict[str, bytes]:
    """The locked plans of these experiments, unchanged."""
    names = {run.experiment for run in tables.runs}
    if not (folder / FOLDER).is_dir():
        return {}
    paths = [plan.path for plan in plans_in(folder) if plan.experiment in names and plan.path is not None]
    try:
        return {f"plan/{path.name}": path.read_bytes() for path in paths}
    except OSError as error:
        raise HarnessError(f"Could not read a plan in {folder / FOLDER}: {error.strerror}.") from error


def _readme(tables: Tables, rehearsal: bool, planned: bool) -> str:
    names = ", ".join(sorted({run.experiment for run in tables.runs}))
    lines = [
        f"# Records of {names}",
        "",
        *([f"**{MARK}**", ""] if rehearsal else []),
        f"{len(tables.runs)} run(s) of a controlled experiment on LLM personas, made with persona-harness.",
        "",
        "- `data/`: one row per run, try, value, and model call, as CSV and as Parquet; `codebook.md` explains each",
        "  column. In the CSV files, text that a spreadsheet could take for a formula has an apostrophe in front.",
        "- `data/calls.parquet`: every request as it was sent, and its reply.",
        "- `prompts.json`: the script, the judge's claims, corrections and interventions, by run and group.",
        *(["- `plan/`: the plan, locked before the first paid call."] if planned else []),
        "- `environment.json`: the software that made this bundle.",
        "- `checklist.md`: the reporting checklist, filled in from the records.",
        f"- `{CHECKSUMS}`: checksums of the other files; verify with `sha256sum -c {CHECKSUMS}`.",
    ]
    return "\n".join(lines) + "\n"


def _refuse_secrets(files: Mapping[str, bytes], tables: Tables) -> None:
    """Keys never reach a record; if one did, refuse to publish it."""
    texts = {
        f"data/{table}.parquet, {name}": tables.named(table).column(name)
        for table, names in _LONG.items()
        for name in names
    }
    secrets = {
        name: value.encode("utf-8", "surrogateescape")
        for name, value in os.environ.items()
        if name.upper().endswith(_SECRET) and len(value) >= 12
    }
    for variable, value in secrets.items():
        plain = (
            name for name, content in files.items() if not name.endswith(".parquet") and value in content
        )
        long = (name for name, column in texts.items() if _holds(column, value))
        for name in (*plain, *long):
            raise HarnessError(
                f"The value of {variable} is in {name}; the bundle was not written. "
                "Remove it from the records and replace the key."
            )


def _holds(column: pa.ChunkedArray, value: bytes) -> bool:
    """Whether a text of ``column`` contains ``value``."""
    import pyarrow.compute as pc

    found = pc.match_substring(column, value.decode("utf-8", "backslashreplace"))
    return bool(pc.any(found).as_py())
