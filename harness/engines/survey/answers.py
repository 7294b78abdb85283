"""The answers of one persona, and the samples that they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.model import Sample
from harness.model.observation import OPT_OUT, SKIPPED
from harness.model.survey.item import Item

Status = Literal["answered", "opt out", "skipped", "missing"]


@dataclass(slots=True)
class SurveyAnswer:
    """One persona's answer to one item.

    Fields:
        item: the item.
        status: ``answered``; ``opt out``, an answer such as "don't know"; ``skipped`` by a condition; ``missing``.
        value: the answer as `Item.read` gives it; ``None`` unless it is answered or an opt-out.
        reason: why it is skipped or missing.
        position: in which place it was asked, from 1; ``None`` for a skipped one.
        category: where the judge put free text.
        probabilities: of each option in its order, where they were asked for, with ``covered``, the probability of all
            options together before they were scaled to 1.
    """

    item: Item
    status: Status
    value: Any = None
    reason: str | None = None
    position: int | None = None
    category: str | None = None
    probabilities: Mapping[str, float] | None = None
    covered: float | None = None
    numbers: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def recorded(self) -> dict[str, Any]:
        """The answer as records have it; what it lacks is left out."""
        fields = ("value", "reason", "position", "category", "probabilities", "covered")
        found = {name: getattr(self, name) for name in fields if getattr(self, name) is not None}
        return {"status": self.status, **found}

    def samples(self, person: str) -> list[Sample]:
        """One sample for each of the item's metrics; without a number it says why."""
        return [
            Sample(metric.name, self.numbers.get(metric.name), person, self._reason(metric.name))
            for metric in self.item.measures
        ]

    def _reason(self, metric: str) -> str | None:
        if self.numbers.get(metric) is not None:
            return None
        if self.status == "opt out" or (self.status == "answered" and self.reason is None):
            said = self.value if isinstance(self.value, str) else " or ".join(self.item.opt_out)
            return f"{OPT_OUT}{said}"
        return f"{SKIPPED}{self.reason}" if self.status == "skipped" else self.reason


def answered(item: Item, value: Any, position: int) -> SurveyAnswer:
    """An answer that `Item.read` accepted."""
    status: Status = "opt out" if item.is_opt_out(value) else "answered"
    return SurveyAnswer(item, status, value, position=position, numbers=item.numbers(value))
