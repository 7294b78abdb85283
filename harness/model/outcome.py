"""What happens when an experiment runs: cells, trials, and how each trial ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """(experiment, group, rep): the unit behind a pytest case. ``rep`` counts from 1."""

    experiment: str
    group: str
    rep: int

    def __str__(self) -> str:
        return f"{self.experiment}-{self.group}-{self.rep}"


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """The smallest thing that runs alone: one panel's conversation about one proposal at one rep.

    ``panel`` and ``proposal`` count from 0.
    """

    cell: Cell
    panel: int
    proposal: int

    @property
    def id(self) -> str:
        """Unique within a run, stable across sessions: ``exp_3/Control/rep1/panel0/proposal2``."""
        cell = self.cell
        return f"{cell.experiment}/{cell.group}/rep{cell.rep}/panel{self.panel}/proposal{self.proposal}"

    @property
    def block(self) -> tuple[int, int, int]:
        """What the arms are paired by: rep, panel, proposal."""
        return (self.cell.rep, self.panel, self.proposal)


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """Where a running trial may keep its own files, for a `Play` with ``files=True``.

    ``results`` is the results directory; ``run_id`` is the same in every session of the run, and begins with the time
    of its start. ``tell`` shows a line of progress, in place of the previous one. ``serve`` starts the gateway's HTTP
    server, for code that uses the client's ``base_url``; calling it twice is harmless.
    """

    results: Path
    run_id: str
    tell: Callable[[str], None]
    serve: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric, or the reason why there is none.

    ``person`` is set where the metric is about persons. ``value`` is ``None`` exactly when ``reason`` says why.
    ``raised`` says that the metric's own function failed, which fails the case too.
    """

    metric: str
    value: float | None
    person: str | None = None
    reason: str | None = None
    justification: str | None = None
    raised: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a transcript. ``kind`` is ``stimulus`` (heard, thought into) or ``action``.

    ``step`` 0 is the introduction. ``type`` is TALK, THINK, DONE, … for an action, CONVERSATION or THOUGHT for
    a stimulus. ``source`` is who caused a stimulus, ``target`` whom an action is addressed to. ``person`` is who
    acted or perceived; empty for a stimulus that reached everyone.
    """

    step: int
    person: str
    kind: str
    type: str
    content: str
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class CorrectionEvent:
    """One turn that the quality check sent back: each attempt's text and score, and the attempt that was kept."""

    step: int
    person: str
    attempts: tuple[tuple[str, float], ...]
    kept: int


@dataclass(frozen=True, slots=True)
class Answering:
    """A model that gave ``replies``, by the name and the fingerprint in them; an empty name: they name none."""

    model: str
    fingerprint: str | None
    replies: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a trial's model calls cost. ``calls`` counts by kind, failed attempts included.

    ``cost`` is in US dollars, ``None`` with ``cost_reason`` where that of any reply is not known.
    ``usage_faults`` counts the replies that stated tokens which do not add up, by what was wrong. ``roles`` counts
    replies by role and by the model that was asked.
    """

    calls: Mapping[str, int] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    cost_reason: str | None = None
    models: tuple[Answering, ...] = ()
    usage_faults: Mapping[str, int] = field(default_factory=dict)
    roles: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def total_calls(self) -> int:
        return sum(self.calls.values())


@dataclass(frozen=True, slots=True)
class TrialResult:
    """A trial that ran to its end. Samples that could not be obtained are in it, with their reasons.

    ``details`` are further keys of its record, plain data under names that records do not use themselves.
    """

    trial: Trial
    samples: tuple[Sample, ...]
    transcript: tuple[Event, ...] = ()
    extraction: Any = None
    corrections: tuple[CorrectionEvent, ...] = ()
    interventions: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrialFailure:
    """A trial that could not be finished, and why. ``kind`` is the error's class, for counting.

    ``details`` are further keys of its record, as in `TrialResult`: what there was of it until then.
    """

    trial: Trial
    reason: str
    kind: str
    details: Mapping[str, Any] = field(default_factory=dict)
