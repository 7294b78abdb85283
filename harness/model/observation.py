"""What an experiment is analysed by: every expected value with its place in the design, obtained or missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.model.contrast import CONTROL, Contrasts

OPT_OUT, SKIPPED = "opt out: ", "skipped: "
"""How the reasons of samples begin that a survey gives no number: a persona opted out, or was not asked."""


def is_answer_without_number(reason: str | None) -> bool:
    """Whether ``reason`` says that an item was answered by an opt-out or skipped, so that nothing is missing.

    >>> is_answer_without_number("opt out: don't know"), is_answer_without_number("cut at the length limit")
    (True, False)
    """
    return reason is not None and reason.startswith((OPT_OUT, SKIPPED))


@dataclass(frozen=True, slots=True)
class Observation:
    """One expected value of one metric. ``value`` is ``None`` exactly when ``reason`` says why.

    ``person`` is set where the metric is about persons. ``panel`` and ``proposal`` count from 0, ``rep`` from 1;
    a trial is (group, rep, panel, proposal), a block is (panel, proposal).
    """

    metric: str
    group: str
    rep: int
    panel: int
    proposal: int
    person: str | None
    value: float | None
    reason: str | None = None

    @property
    def trial(self) -> tuple[str, int, int, int]:
        return (self.group, self.rep, self.panel, self.proposal)

    @property
    def block(self) -> tuple[int, int]:
        return (self.panel, self.proposal)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One pairwise comparison of two arms in one block, for the metric of a `Preference`.

    ``arms`` has the earlier arm first. ``answers`` are the judge's, A, B or tie: first with the earlier arm shown as A,
    then with the later one. ``None`` for both exactly when ``reason`` says why there is no usable pair of answers.
    """

    metric: str
    question: str
    arms: tuple[str, str]
    rep: int
    panel: int
    proposal: int
    answers: tuple[str, str] | None
    reason: str | None = None

    @property
    def block(self) -> tuple[int, int]:
        return (self.panel, self.proposal)

    @property
    def votes(self) -> tuple[float, ...]:
        """Per order, 1 where the later arm is preferred, 0 where the earlier one is, and 0.5 for a tie."""
        if self.answers is None:
            return ()
        one, other = self.answers
        return ({"A": 0.0, "B": 1.0}.get(one, 0.5), {"A": 1.0, "B": 0.0}.get(other, 0.5))

    @property
    def score(self) -> float | None:
        """The mean vote over both orders: 0.5 where they contradict each other. ``None`` if missing."""
        return sum(self.votes) / 2 if self.votes else None


@dataclass(frozen=True, slots=True)
class Scale:
    """The values that a metric can take: its ends, what to call it, and the words of single points.

    ``low`` and ``high`` are ``None`` for a metric without ends; ``label`` is empty where the metric's name serves.
    """

    low: float | None = None
    high: float | None = None
    label: str = ""
    points: Mapping[float, str] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, slots=True)
class SampleDesign:
    """How personas were drawn from a larger population.

    ``method`` names it, ``source`` says from what, ``size`` is how many there are (``None``: unknown), and ``strata``
    the attribute within whose levels they were drawn, if any.
    """

    method: str
    source: str = ""
    size: int | None = None
    strata: str | None = None


@dataclass(frozen=True, slots=True)
class Respondents:
    """What is known of the personas: their attributes and weights, and how they were sampled.

    ``attributes`` maps attribute → person → value, ``weights`` person → weight; empty: every person counts alike.
    """

    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    sampling: SampleDesign | None = None


NOT_SAMPLED = Respondents()


@dataclass(frozen=True, slots=True)
class Dataset:
    """All that is known of one run's outcome. The first group is the one that the others are compared with.

    ``coordinates`` are ``recorded``, or ``reconstructed`` from the order of samples in a published artifact.
    ``source`` is the run's id, or the artifact's file name. ``meta`` is the artifact's meta file where there is one.
    ``unplaced`` holds, by metric and group, values that were obtained but whose places in the design are not known
    (a published list that is a few samples short): all observations of that metric and group are then ``None``, with
    that reason, so whatever needs places is undefined there, while `values` has them all. ``unread`` says, in
    sentences, which lines or files of the run could not be read; what they held is missing here. ``factors`` has the
    level by factor of each group of a factorial design. ``contrasts`` are those that the experiment declared.
    ``judgements`` are the planned pairwise comparisons. ``mixed`` says, in sentences, which settings changed during the
    run; then nothing may be claimed from it. ``between``: each panel took part in one group only. ``undelivered`` says,
    by group, what the check ``treatment`` found declared and in no request. ``panels`` has the
    people of each panel where they are known, ``respondents`` what is known of them, and ``scales`` the scale of each
    metric that has one.
    """

    experiment: str
    groups: tuple[str, ...]
    metrics: tuple[str, ...]
    observations: tuple[Observation, ...]
    source: str
    coordinates: str = "recorded"
    rehearsal: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)
    unplaced: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    factors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mixed: tuple[str, ...] = ()
    between: bool = False
    contrasts: Contrasts = CONTROL
    judgements: tuple[Judgement, ...] = ()
    undelivered: Mapping[str, str] = field(default_factory=dict)
    panels: tuple[tuple[str, ...], ...] = ()
    respondents: Respondents = NOT_SAMPLED
    scales: Mapping[str, Scale] = field(default_factory=dict)
    _index: dict[tuple[str, str], list[Observation]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def of(self, metric: str, group: str | None = None) -> Iterator[Observation]:
        """The observations of ``metric``, of one group or of all, in the artifact's order."""
        if not self._index:
            for one in self.observations:
                self._index.setdefault((one.metric, one.group), []).append(one)
        groups = (
            dict.fromkeys(name for of, name in self._index if of == metric) if group is None else (group,)
        )
        for name in groups:
            yield from self._index.get((metric, name), ())

    def values(self, metric: str, group: str) -> list[float]:
        """The values of ``metric`` in ``group`` that were obtained, in the artifact's order."""
        placed = [one.value for one in self.of(metric, group) if one.value is not None]
        return [*placed, *self.unplaced.get((metric, group), ())]

    @property
    def individual(self) -> bool:
        """Whether each trial has one persona, so that a panel is a person."""
        return bool(self.panels) and all(len(panel) == 1 for panel in self.panels)

    def person_of(self, panel: int) -> str:
        """The one person of a panel of an `individual` design."""
        return self.panels[panel][0]

    def missing(self, metric: str, group: str) -> int:
        """How many of the expected values of ``metric`` in ``group`` were not obtained."""
        return max(0, sum(1 for _ in self.of(metric, group)) - len(self.values(metric, group)))
