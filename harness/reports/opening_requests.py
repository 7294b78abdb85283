"""The first requests of each arm, as they were sent: what a reader needs to see what the treatment was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.gateway.journal.requests import SentRequest, SentRequests
from harness.reports.run_report import RunReport

MOST_CALLS = 4
"""Calls of a trial that are shown, one of each kind first."""


@dataclass(frozen=True)
class OpeningCall:
    """One request as text, and the model that it named."""

    place: str
    model: str
    text: str


@dataclass(frozen=True)
class OpeningRequests:
    """The first calls of the first trial of an arm, in the order in which they were sent."""

    group: str
    trial: str
    calls: Sequence[OpeningCall]


def opening_requests(report: RunReport) -> list[OpeningRequests]:
    """One entry for each arm with a finished trial; none where the journal is missing or cannot be read."""
    journal = SentRequests.of_run(report.run.folder, report.run_id)
    try:
        return list(_of_arms(report, journal)) if journal else []
    except HarnessError:  # `harness query` says what is wrong with a journal; a report does without it
        return []


def _of_arms(report: RunReport, journal: SentRequests) -> Iterator[OpeningRequests]:
    finished = {
        trial: str(outcome.accepted["group"])
        for trial, outcome in sorted(report.run.outcomes.items())
        if outcome.accepted is not None
    }
    for group in report.design.groups:
        trial = next((trial for trial, owner in finished.items() if owner == group), None)
        if trial is not None and (sent := journal.of(trial)):
            yield OpeningRequests(group, trial, _first(sent))


def _first(sent: Sequence[SentRequest]) -> list[OpeningCall]:
    """The first call of each kind, as many as are shown, in the order in which they were sent."""
    kinds: dict[str, SentRequest] = {}
    for one in sorted(sent, key=lambda one: one.sent):
        kinds.setdefault(one.kind, one)
    chosen = list(kinds.values())[:MOST_CALLS]
    return [OpeningCall(one.place, one.model, "\n".join(one.lines())) for one in chosen]
