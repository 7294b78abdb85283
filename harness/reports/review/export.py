"""Exports a run as blind sheets, and the key to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ConfigurationError
from harness.records import FiledRun, write_whole
from harness.reports.review.blinding import Mask, hints, telling_names, with_endings
from harness.reports.review.form import html_form
from harness.reports.review.item_keys import NAME, Key, add_key, keep_apart, secret_of
from harness.reports.review.items import Blinding, CallReader, ReviewItem, items_of
from harness.reports.review.sheet import csv_sheet

FORMS = (".html", ".csv")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. ``hidden`` counts removed names, ``hinting`` items whose replies contain ``hints``."""

    files: tuple[Path, ...]
    key: Path
    items: int
    hidden: int
    hints: tuple[str, ...]
    hinting: int


def export(
    run: FiledRun,
    out: Path,
    *,
    key: Path | None = None,
    seed: int | None = None,
    reviewer: str = "",
    reading: CallReader = CallReader(),  # noqa: B008
    strict: bool = False,
) -> Exported:
    """Write the sheets of ``run``, whose records were read whole: a page and a CSV in the folder ``out``, or one file.

    ``key`` defaults to `NAME` in the records' folder and is written first. ``seed`` makes ids and order
    reproducible, but anyone who guesses it can identify the arms. ``strict`` also hides `hints`.

    Raises `ConfigurationError` if sheets would be in the folder of the records or the key, or there is nothing
    to review.
    """
    targets = _targets(out)
    key = key or run.folder / NAME
    if targets != [out]:
        keep_apart(out, key, run.folder)
    own = Key(secret_of(run.run_id, reviewer, seed), run.experiment, run.run_id, reviewer)
    found = items_of(run, _blinding(run, own, reading, strict))
    if not found:
        raise ConfigurationError(
            f"Run {run.run_id} of {run.experiment} has no finished trial, so there is nothing to review."
        )
    add_key(key, replace(own, items={item.id: trial for trial, item in found.items()}))
    items = [found[trial] for trial in own.shuffled(found)]
    for target in targets:
        write_whole(target, _rendered(target, items, own, run.rehearsal))
    return _told(run, targets, key, items, strict)


def _blinding(run: FiledRun, key: Key, reading: CallReader, strict: bool) -> Blinding:
    words = with_endings(hints(run)) if strict else Mask.of(())
    names = Mask.of({*telling_names(run), *reading.names}, reading.forms)
    return Blinding(key.item, names, words, reading.acts, reading.spoken)


def _told(
    run: FiledRun, files: Sequence[Path], key: Path, items: Sequence[ReviewItem], strict: bool
) -> Exported:
    words = hints(run)
    mask = with_endings(words)
    hinting = 0 if strict else sum(mask.text(item.reply)[1] > 0 for item in items)
    hidden = sum(item.hidden for item in items)
    return Exported(tuple(files), key, len(items), hidden, tuple(sorted(words)), hinting)


def _rendered(target: Path, items: Sequence[ReviewItem], key: Key, rehearsal: bool) -> bytes:
    if target.suffix == ".csv":
        return csv_sheet(items)
    return html_form(items, export=key.export, reviewer=key.reviewer, rehearsal=rehearsal)


def _targets(out: Path) -> list[Path]:
    """The files to write. Other extensions are refused, because the file may be something else."""
    if out.is_dir() or not out.suffix:
        return [out / f"review{form}" for form in FORMS]
    if out.suffix not in FORMS:
        raise ConfigurationError(f"{out}: expected a folder, or a file that ends with .html or .csv.")
    return [out]
