"""The run that is checked, by arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.model import Dataset, Observation, read_items
from harness.records import FiledRun
from harness.records.reader import TrialHistory

Record = Mapping[str, Any]
Line = Mapping[str, Any]
Block = tuple[int, int]
"""Panel and proposal."""


@dataclass(frozen=True)
class CheckedRun:
    """One run and its dataset. Arms without records have not run and are not checked."""

    run: FiledRun
    data: Dataset

    @cached_property
    def _by_arm(self) -> Mapping[str, Sequence[TrialHistory]]:
        found: dict[str, list[TrialHistory]] = {group: [] for group in self.data.groups}
        for outcome in self.run.outcomes.values():
            group = _any(outcome).get("group")
            if group in found:
                found[group].append(outcome)
        return found

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """The arms with records, in the design's order."""
        return tuple(group for group in self.data.groups if self._by_arm[group])

    @property
    def pairs(self) -> Iterator[tuple[str, str]]:
        """(control, other) for each other arm with records; none if control has none."""
        control = self.data.groups[0] if self.data.groups else None
        if control in self.arms:
            yield from ((self.arms[0], other) for other in self.arms[1:])

    def outcomes(self, arm: str) -> Sequence[TrialHistory]:
        """The history of each trial of ``arm`` that was tried."""
        return self._by_arm[arm]

    def accepted(self, arm: str) -> list[Record]:
        """The record of each finished trial of ``arm``."""
        return [outcome.accepted for outcome in self._by_arm[arm] if outcome.accepted is not None]

    def tries(self, arm: str) -> Iterator[Record]:
        """The records of all tries of ``arm``."""
        for outcome in self._by_arm[arm]:
            yield from outcome.tries

    def lines(self, arm: str) -> list[Line]:
        """The first lines of the files of ``arm``."""
        return [line for line in self.run.metadata if line.get("group") == arm]

    @cached_property
    def without_lines(self) -> tuple[str, ...]:
        """The arms whose first line could not be read, if another arm's could."""
        due = self.data.groups if self.run.unread else self.arms
        return tuple(arm for arm in due if self.run.metadata and not self.lines(arm))

    def due(self, metric: str, arm: str) -> Sequence[Observation]:
        """The values of ``metric`` that the tried trials of ``arm`` should give."""
        return self._values.get((metric, arm), ())

    def scores(self, metric: str, arm: str) -> list[float]:
        """The values of ``metric`` obtained in ``arm``."""
        return [one.value for one in self.due(metric, arm) if one.value is not None]

    def block_means(self, metric: str, arm: str) -> Mapping[Block, float]:
        """Block → the mean of the values of ``metric`` that were obtained in ``arm``."""
        if (metric, arm) not in self._block_means:
            found: dict[Block, list[float]] = {}
            for one in self.due(metric, arm):
                if one.value is not None:
                    found.setdefault(one.block, []).append(one.value)
            self._block_means[metric, arm] = {block: mean(values) for block, values in found.items()}
        return self._block_means[metric, arm]

    @cached_property
    def _block_means(self) -> dict[tuple[str, str], Mapping[Block, float]]:
        return {}

    @cached_property
    def _values(self) -> Mapping[tuple[str, str], Sequence[Observation]]:
        records = map(_any, self.run.outcomes.values())
        tried = frozenset((r["group"], r["rep"], r["panel"], r["proposal"]) for r in records)
        found: dict[tuple[str, str], list[Observation]] = {}
        for one in self.data.observations:
            if one.trial in tried:
                found.setdefault((one.metric, one.group), []).append(one)
        return found

    @cached_property
    def _claims(self) -> frozenset[str]:
        metrics = [metric for line in self.run.metadata for metric in _metrics(line)]
        return frozenset(str(metric.get("name")) for metric in metrics if metric.get("claim") is not None)

    def is_judged(self, metric: str) -> bool:
        """Whether a judge scores the metric, a claim, by reading the trial."""
        return metric in self._claims

    @cached_property
    def _options(self) -> frozenset[str]:
        plays = [(line.get("settings") or {}).get("play") for line in self.run.metadata]
        items = [
            item for play in plays if isinstance(play, Mapping) for item in read_items(play.get("survey"))
        ]
        return frozenset(
            one.name
            for item in items
            for one in item.measures
            if one.name != item.name and one.scale == (0, 1)
        )

    def is_option(self, metric: str) -> bool:
        """Whether ``metric`` is the share of one option of a survey's item, of which some are rare."""
        return metric in self._options

    def scale(self, metric: str) -> tuple[float, float] | None:
        """The ends of the metric's scale; ``None`` for counts and measures without one."""
        known = self.data.scales.get(metric)
        return None if known is None else known.ends


def percent(share: float) -> str:
    """A share for a reader: 0.125 is ``12.5 %``."""
    return f"{100 * share:.3g} %"


def counts_by_arm(counts: Mapping[str, tuple[int, int]]) -> str:
    """Shares by arm with their denominators: ``3 of 40 in Control, 0 of 38 in Treatment``."""
    return ", ".join(f"{count:,} of {of:,} in {arm}" for arm, (count, of) in counts.items())


def mean(values: Sequence[float]) -> float:
    """The plain mean; ``statistics.fmean`` takes four times as long over a trial's few scores."""
    return sum(values) / len(values)


def _any(outcome: TrialHistory) -> Record:
    return next(outcome.tries)


def _metrics(line: Line) -> list[Mapping[str, Any]]:
    return [
        metric for metric in (line.get("settings") or {}).get("metrics") or () if isinstance(metric, Mapping)
    ]
