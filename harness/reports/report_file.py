"""Writes a report from record files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.checks import OwnChecks
from harness.errors import ConfigurationError
from harness.extras import require
from harness.records import write_whole
from harness.reports.run_report import OwnAnswers, Publications, Selection, select
from harness.stats.analysis import Progress, silent

FORMATS = {".html": "html", ".htm": "html", ".md": "md"}
"""Format of a report by its file's extension."""


def write_report(
    paths: Iterable[Path],
    out: Path,
    *,
    runs: Sequence[str] = (),
    published: Publications | None = None,
    format: str | None = None,
    compress: bool | None = None,
    own: OwnChecks | None = None,
    answers: OwnAnswers | None = None,
    progress: Progress = silent,
) -> Selection:
    """Write the report of the runs in ``paths`` (record files and folders of them) to ``out``, and return the runs.

    ``runs`` are ids; the default is the newest run of each experiment, and a rehearsal only if there is no other run.
    ``published`` gives published results of the same experiments. ``compress`` packs the page's transcripts; ``None``
    does so if they are large. ``own`` are the experiments' own checks, ``answers`` the parts that they add.
    ``progress`` takes each stage in words.

    Raises `HarnessError` for files that cannot be read or written and `ConfigurationError` for an unknown run or file
    extension.
    """
    form = format_of(out, format)
    selection = select(paths, runs, published, own, answers, progress)
    progress(f"{out.name}: figures, tables and transcripts")
    write_whole(out, _rendered(selection, form, compress))
    return selection


def format_of(out: Path, format: str | None = None) -> str:
    """``html`` or ``md``, by the file's extension. Other files are refused, because they may be something else."""
    found = FORMATS.get(out.suffix.lower())
    if found is None or format not in (None, found):
        endings = " or ".join(end for end, form in FORMATS.items() if format in (None, form))
        raise ConfigurationError(
            f"{out}: not a report file{f' in {format}' if format else ''}; expected a name that ends with {endings}."
        )
    return found


def check_target(out: Path, format: str | None = None) -> None:
    """Raise a `ConfigurationError` where no report can be written to ``out``: by its name, or without its extra."""
    if format_of(out, format) == "html":
        require("report", f"The report {out.name}")


def _rendered(selection: Selection, form: str, compress: bool | None) -> bytes:
    if form == "md":
        from harness.reports.markdown import markdown

        return markdown(selection)
    from harness.reports.page import html

    return html(selection, compress=compress)
