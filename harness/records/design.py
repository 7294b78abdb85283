"""The part of a design that records carry with them, so that they can be merged from the files alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import HarnessError
from harness.model import Cell, Trial
from harness.model.contrast import CONTROL, Contrasts, contrasts_from_metadata, contrasts_to_metadata


@dataclass(frozen=True, slots=True)
class Design:
    """What a run set out to measure. The first group is the one that the others are compared with.

    ``only`` are the proposals that the run is about, where it is a part of the design; ``None``: all of them.
    ``metrics`` are all names, in the artifact's order; ``person_metrics`` those with one sample per person.
    ``panels`` are the people of each panel; ``proposals`` and ``reps`` are numbers of them. ``reps`` is the
    largest number that any session of the run planned. ``assignment`` is the group of each panel where each panel takes
    part in one group only; ``None``: in all of them. ``contrasts`` are those that the run began with, whatever later
    sessions declared.
    """

    groups: tuple[str, ...]
    metrics: tuple[str, ...]
    person_metrics: tuple[str, ...]
    panels: tuple[tuple[str, ...], ...]
    proposals: int
    reps: int
    only: tuple[int, ...] | None = None
    assignment: tuple[str, ...] | None = None
    contrasts: Contrasts = CONTROL

    @classmethod
    def from_metadata(cls, data: Mapping[str, Any]) -> Design:
        """Read what `to_metadata` wrote. Raises `HarnessError` when it is not that."""
        try:
            return cls(
                groups=_names(data["groups"]),
                metrics=_names(data["metrics"]),
                person_metrics=_names(data["person_metrics"]),
                panels=tuple(_names(panel) for panel in data["panels"]),
                proposals=_count(data["proposals"]),
                reps=_count(data["reps"]),
                only=None if data.get("only") is None else tuple(_count(one) for one in data["only"]),
                assignment=None if data.get("assignment") is None else _names(data["assignment"]),
                contrasts=contrasts_from_metadata(data.get("contrasts", CONTROL)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise HarnessError(
                f"A metadata line has a design that cannot be read ({type(error).__name__}: {error}); "
                "expected groups, metrics, person_metrics, panels, proposals and reps. Leave that file out."
            ) from error

    def to_metadata(self) -> dict[str, Any]:
        return {
            "groups": list(self.groups),
            "metrics": list(self.metrics),
            "person_metrics": list(self.person_metrics),
            "panels": [list(panel) for panel in self.panels],
            "proposals": self.proposals,
            "reps": self.reps,
            **({} if self.only is None else {"only": list(self.only)}),
            **({} if self.assignment is None else {"assignment": list(self.assignment)}),
            **({} if self.contrasts == CONTROL else {"contrasts": contrasts_to_metadata(self.contrasts)}),
        }

    def joined(self, others: Iterable[Design]) -> Design:
        """This design with the groups that only ``others`` have, and the most reps of all."""
        all_of_them = (self, *others)
        groups = dict.fromkeys(group for design in all_of_them for group in design.groups)
        return replace(self, groups=tuple(groups), reps=max(design.reps for design in all_of_them))

    def trials(self, experiment: str, group: str) -> Iterator[Trial]:
        """Every planned trial of a group, in the order of samples: panel, proposal, rep."""
        for panel in self.panels_of(group):
            for proposal in range(self.proposals) if self.only is None else self.only:
                for rep in range(1, self.reps + 1):
                    yield Trial(Cell(experiment, group, rep), panel, proposal)

    def panels_of(self, group: str) -> list[int]:
        """The numbers of the panels that take part in a group."""
        everyone = range(len(self.panels))
        return [panel for panel in everyone if self.assignment is None or self.assignment[panel] == group]

    def trials_of(self, group: str) -> int:
        """How many trials are planned in a group."""
        return (
            len(self.panels_of(group)) * (self.proposals if self.only is None else len(self.only)) * self.reps
        )

    @property
    def trials_per_group(self) -> int:
        """How many trials are planned in each group; with an assignment, in the largest."""
        return max((self.trials_of(group) for group in self.groups), default=0)

    @property
    def trials_planned(self) -> int:
        """How many trials are planned in all groups."""
        return sum(self.trials_of(group) for group in self.groups)

    def expected(self, panel: int, metric: str) -> tuple[str | None, ...]:
        """Whose samples of ``metric`` one trial gives: each person's, or the panel's one (``None``)."""
        return self.panels[panel] if metric in self.person_metrics else (None,)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"expected a list of names, not {value!r}")
    return tuple(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"expected a whole number, not {value!r}")
    return value
