"""Validity checks as data for meta files and as lines for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.checks.answer_order import asked_items
from harness.checks.suite import OwnChecks, examine
from harness.checks.transcript_trace import condense
from harness.checks.treatment_delivery import undelivered
from harness.console import visible
from harness.model import Check, Dataset, Level, worst
from harness.records import FiledRun, dataset_of
from harness.records.json_safe import plain
from harness.records.lines import COMMON
from harness.records.reader import Lean

if TYPE_CHECKING:
    from harness.records.record_schemas import Examined

COLUMNS = 80
LARGEST = 200_000
"""The most values that a merge analyses, which takes a few seconds."""
_NEEDED = (
    "rep",
    "panel",
    "proposal",
    "started",
    "refusals",
    "rejections",
    "unsent_options",
    "unread_settings",
    "replies",
)
SHORT = 200
"""The longest text kept of an experiment's own details, in characters."""
_QUIET = (Level.WARN, Level.FAIL)


class Traced(Lean):
    """What checks need of a record: what a merge needs, short details, and a trace instead of the transcript."""

    @cached_property
    def shape(self) -> type[Examined]:
        from harness.records.record_schemas import Examined

        return Examined

    def quick(self, line: Examined) -> dict[str, Any]:  # type: ignore[override]
        return super().quick(line) | {
            "rep": line.rep,
            "panel": line.panel,
            "proposal": line.proposal,
            "started": line.started,
            "refusals": line.refusals,
            "rejections": line.rejections,
            "replies": line.replies,
            "asked": asked_items(line.answers, line.order),
            "trace": condense({"transcript": line.transcript, "people": line.people}),
        }

    def __call__(self, record: dict[str, Any], /) -> dict[str, Any]:
        own = {key: record[key] for key in _NEEDED if key in record}
        details = {key: record[key] for key in record.keys() - COMMON if _is_short(record[key])}
        return {**details, **super().__call__(record), **own, "trace": condense(record), **_asked(record)}


class CheckRunner:
    """Examines each run that `harness.records.merge` merges, also with ``own`` checks."""

    def __init__(self, own: OwnChecks | None = None) -> None:
        self.keep, self._own = Traced(), own

    def __call__(self, run: FiledRun, meta: Mapping[str, Any]) -> dict[str, Any]:
        """``instrument``, ``analysis`` and ``preferences`` of the run's meta file, as plain JSON data.

        ``meta`` is the rest of it. ``preferences`` are there where the run declares some, and ``undelivered`` where a
        treatment reached no request.
        ``instrument`` has the ``worst`` level, ``rehearsal``, and ``checks``. A failed analysis has its ``problem``.
        """
        data = dataset_of(run, meta)
        checks = examine(run, data, self._own)
        missing = undelivered(checks)
        data = replace(data, undelivered=missing)
        found = {"instrument": described(run, checks), "analysis": _analysed(data)}
        found |= {"undelivered": missing} if missing else {}
        return {**found, **({"preferences": _preferences(data)} if data.judgements else {})}


def _asked(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of the answers to a survey."""
    return {"asked": asked_items(record["answers"], record.get("order"))} if "answers" in record else {}


def _is_short(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) <= SHORT)


def described(run: FiledRun, checks: Sequence[Check]) -> dict[str, Any]:
    """``checks`` in the format of the meta file of ``run``."""
    return {
        "worst": str(worst(checks)),
        "rehearsal": run.rehearsal,
        "checks": [asdict(check) | {"level": str(check.level)} for check in checks],
    }


def _analysed(data: Dataset) -> Any:
    """The primary analysis. The secondary methods are left to reports, so that the session does not wait for them."""
    from harness.stats import analyse

    if len(data.observations) > LARGEST:
        return {"problem": f"skipped for more than {LARGEST:,} values; run harness analyse"}
    try:
        return plain(analyse(data, with_secondary=False))[0]
    except Exception as error:  # a fault here must not keep the results from their artifact (F25)
        return {"problem": f"the analysis failed: {type(error).__name__}: {error}"}


def _preferences(data: Dataset) -> Any:
    from harness.stats.preferences import analyse_preferences

    try:
        return plain(analyse_preferences(data))[0]
    except Exception as error:  # as above
        return {"problem": f"the analysis failed: {type(error).__name__}: {error}"}


def check_lines(instrument: Mapping[str, Any], *, all_of_them: bool = False) -> Iterator[str]:
    """The checks of a meta file's ``instrument`` in lines of at most 80 columns: a count, then each WARN and FAIL."""
    checks: Sequence[Mapping[str, Any]] = instrument["checks"]
    count = {level: sum(check["level"] == level for check in checks) for level in Level}
    bad = ", ".join(f"{count[level]} {level}" for level in _QUIET if count[level])
    mark = " (rehearsal)" if instrument["rehearsal"] else ""
    yield f"Validity checks{mark}: {count[Level.PASS]} of {len(checks)} passed{bad and f'; {bad}'}"
    for check in sorted(checks, key=lambda check: -tuple(Level).index(check["level"])):
        if all_of_them or check["level"] in _QUIET:
            yield from _lines(check)


def _lines(check: Mapping[str, Any]) -> Iterable[str]:
    about = f", {check['about']}" if check["about"] else ""
    number = "" if check["number"] is None else f" [{check['number']:.3g}]"
    expected = f"; expected {check['threshold']}" if check["threshold"] else ""
    text = f"{check['level']} {check['name']}{about}: {check['message']}{number}{expected}."
    return textwrap.wrap(
        visible(text), COLUMNS, initial_indent="  ", subsequent_indent="       ", break_on_hyphens=False
    )
