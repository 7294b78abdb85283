"""Whether one version of the code determined a run's requests and computed its metrics (F46)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.checks.checked_run import CheckedRun, Line
from harness.errors import ChangedRequestError
from harness.model import Check, Level
from harness.records.accepted_changes import change_sentences
from harness.records.dataset import changes_in
from harness.records.earlier_versions import CODE
from harness.records.lines import FINISHED


def mixed(subject: CheckedRun) -> Iterator[Check]:
    """The changes of settings or code that the user accepted while the run was under way."""
    changes = changes_in(subject.run)
    if changes:
        said = f"nothing can be claimed: {'; '.join(change_sentences(changes))}"
        expected = "0 accepted changes: one version of everything that determines requests"
        yield Check("mixed run", Level.FAIL, said, len(changes), expected)


def changed_requests(subject: CheckedRun) -> Iterator[Check]:
    """Trials that finished in a session in which another resumed trial no longer asked what its journal has."""
    sections = [section for file in subject.run.files for section in file.sections]
    sessions = {
        section.metadata.get("timestamp")
        for section in sections
        if any(record.get("kind") == ChangedRequestError.__name__ for record in section.records)
    }
    if sessions:
        suspects = sum(
            record["status"] == FINISHED
            for section in sections
            if section.metadata.get("timestamp") in sessions
            for record in section.records
        )
        said = f"{suspects} trials finished in sessions in which the requests of others had changed since they began"
        level = Level.FAIL if suspects else Level.PASS
        yield Check("changed requests", level, said, suspects, "0 trials by a changed version")


def people(subject: CheckedRun) -> Iterator[Check]:
    """Pairs of arms with different people, by a fixture, that never ran in one session: it may have changed between."""
    for control, other in subject.pairs:
        lines = [subject.lines(arm) for arm in (control, other)]
        hashes = [{(line.get("group_settings") or {}).get("population") for line in mine} for mine in lines]
        sessions = [{line.get("timestamp") for line in mine} for mine in lines]
        by_fixture = all(
            (line.get("population") or {}).get("declared") is False for mine in lines for line in mine
        )
        if by_fixture and hashes[0] != hashes[1] and not sessions[0] & sessions[1]:
            said = "the arms have different people, which no group declares, and never ran in one session"
            expected = "Group(population=…), or a fixture that has not changed since"
            yield Check("people", Level.WARN, said, None, expected, f"{other} against {control}")


def requests(subject: CheckedRun) -> Iterator[Check]:
    """How many versions of the code that determines requests a run holds. Version 0.1.0 recorded none."""
    lines = [(line, found) for line in subject.run.metadata if (found := _code(line)) is not None]
    if not lines:
        return
    unknown = len(subject.run.metadata) - len(lines)
    versions = {str(found) for _, found in lines}
    expected = "one version of engine, play and preconditions"
    if len(versions) > 1:
        said = f"{len(versions)} versions are mixed"
        yield Check("code", Level.FAIL, said, len(versions), expected)
    elif unknown:
        said = f"{unknown} of {len(subject.run.metadata)} files do not record their code version"
        yield Check("code", Level.WARN, said, None, expected)
    else:
        yield Check("code", Level.PASS, "one version", 1, expected)


def measures(subject: CheckedRun) -> Iterator[Check]:
    """Per metric that code computes from transcripts, whether one version of it computed all values."""
    for metric, measured in subject.run.measured.items():
        said, level = f"all computed by code {measured.code}", Level.PASS
        if measured.recomputed:
            said += f"; recomputed from transcripts: {_counted(measured.recomputed)}"
        if left := sum(measured.missing.values()):
            level = Level.FAIL
            said = f"not recomputed by code {measured.code}: {_counted(measured.missing)}"
        yield Check("metric code", level, said, left, "0 values computed by other code", metric)


def _counted(counts: Mapping[str | None, int]) -> str:
    return ", ".join(f"{number:,} (by {code or 'unrecorded code'} before)" for code, number in counts.items())


def _code(line: Line) -> dict[str, Any] | None:
    """The code of requests recorded by a first line. Preconditions differ by arm, as settings of the arm."""
    found = (line.get("settings") or {}).get(CODE)
    return dict(found) if isinstance(found, Mapping) else None
