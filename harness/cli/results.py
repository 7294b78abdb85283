"""The recorded runs that a command reads, the look that it takes at them, and how it prints them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.common_options import TextFormat
from harness.console import echo, echo_json
from harness.errors import ConfigurationError, expected_one_of

if TYPE_CHECKING:
    from harness.model import Dataset
    from harness.records import FiledRun
    from harness.reports.parts import Part


def recorded(paths: Sequence[Path], runs: Sequence[str] = (), only: Sequence[str] = ()) -> list[Dataset]:
    """The datasets of ``runs`` and of the experiments ``only``, or all, oldest first. Raises `HarnessError`."""
    from harness.records import datasets, record_files

    found, where = datasets(record_files(paths)), ", ".join(map(str, paths))
    known = {"Experiment": {one.experiment for one in found}, "Run": {one.source for one in found}}
    problems = [
        f"{kind} {name!r}: no records in {where}; {expected_one_of(name, sorted(known[kind]))}"
        for kind, names in (("Experiment", only), ("Run", runs))
        for name in names
        if name not in known[kind]
    ]
    if problems:
        raise ConfigurationError(*problems)
    return [one for one in found if (not only or one.experiment in only) and (not runs or one.source in runs)]


def has_records(path: Path) -> bool:
    """Whether ``path`` is a record file, or a folder with some."""
    return path.is_file() or any(path.glob("*.jsonl"))


def datasets_in(path: Path, runs: Sequence[str] = (), only: Sequence[str] = ()) -> list[Dataset]:
    """The datasets of the records in ``path``, or of its artifacts where it has no records."""
    from harness.guests import datasets

    if not path.exists():
        raise ConfigurationError(f"{path}: no such file or folder; expected results of a run, or artifacts.")
    return recorded([path], runs, only) if has_records(path) else datasets(path, runs, only)


def find_run(paths: Sequence[Path], run_id: str | None, keep: Any = None) -> FiledRun:
    """The run of that id, or the only one. ``keep`` as for `runs_in_files`. Raises `ConfigurationError`."""
    from harness.records import record_files, runs_in_files

    runs = runs_in_files(record_files(paths), **({} if keep is None else {"keep": keep}))
    wanted = [one for one in runs if run_id in (None, one.run_id)]
    if len(wanted) == 1:
        return wanted[0]
    known = ", ".join(f"{one.run_id} ({one.experiment})" for one in runs) or "none"
    asked = "" if run_id is None else f" {run_id}"
    raise ConfigurationError(
        f"--run{asked}: {len(wanted)} runs in {', '.join(map(str, paths))}; expected one of {known}."
    )


def note_looks(places: Iterable[Path], how: str, run_ids: Collection[str] | None = None) -> None:
    """Note a look at each run in ``places``, or at those of ``run_ids``. Raises `HarnessError`."""
    from harness.records import record_files, runs_in_files
    from harness.records.looks import note_look_at
    from harness.records.reader import Lean

    now = datetime.now(UTC)
    for run in runs_in_files(record_files(places), keep=Lean()):
        if run_ids is None or run.run_id in run_ids:
            note_look_at(run, how=how, now=now)


def formatted(parts: Iterable[Part], format: TextFormat) -> str:
    """Headings, paragraphs and tables as text or Markdown."""
    from harness.reports.parts import as_markdown, as_text

    return as_markdown(parts) if format is TextFormat.MD else as_text(parts)


def print_answers(
    answers: Iterable[Any],
    to_json: Callable[[Any], Any],
    to_parts: Callable[[Any], Iterable[Part]],
    format: TextFormat,
    *,
    as_json: bool,
) -> None:
    """Print each answer, one after another, or all of them as JSON."""
    if as_json:
        echo_json([to_json(one) for one in answers], sort_keys=True)
    else:
        echo("\n".join(formatted(to_parts(one), format) for one in answers), end="")
