"""Binary events of a metric, such as ``Fluency>=7`` and ``appropriate=1``, counted per arm."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.errors import ConfigurationError
from harness.model import Dataset
from harness.stats.counts import CountComparison, compare_counts
from harness.stats.withheld_claims import stripped, why_withheld

_HOLDS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}
)
_WRITTEN = re.compile(r"\s*(.*?)\s*(>=|<=|>|<|=)\s*(-?\d+(?:\.\d+)?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BinaryEvent:
    """The event that a value of ``metric`` is ``sign`` (=, <, >, <= or >=) ``bound``."""

    metric: str
    sign: str = "="
    bound: float = 1

    @classmethod
    def read(cls, text: str) -> BinaryEvent:
        """Parse ``METRIC>=7`` and the like; a metric alone means ``METRIC=1``."""
        found = _WRITTEN.fullmatch(text)
        return cls(found[1], found[2], float(found[3])) if found else cls(text.strip())

    def __call__(self, value: float) -> bool:
        return _HOLDS[self.sign](value, self.bound)

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.bound:g}"


def count_events(dataset: Dataset, events: Sequence[BinaryEvent] = ()) -> list[CountComparison]:
    """Compare ``events``, and each metric whose values are all 0 or 1, between every later group and the first.

    Raises `ConfigurationError` for a metric that the dataset does not have.
    """
    for event in events:
        if event.metric not in dataset.metrics:
            raise ConfigurationError(
                f"Event '{event}' of {dataset.experiment}: unknown metric {event.metric!r}; "
                f"expected one of {', '.join(dataset.metrics)}."
            )
    asked = dict.fromkeys(
        [*events, *(BinaryEvent(metric) for metric in dataset.metrics if _binary(dataset, metric))]
    )
    found = [
        compare_counts(dataset, event.metric, group, event, str(event))
        for event in asked
        for group in dataset.groups[1:]
    ]
    whys = [why_withheld(dataset, (one.treatment, one.control)) for one in found]
    return [stripped(one, why) if why else one for one, why in zip(found, whys, strict=True)]


def _binary(dataset: Dataset, metric: str) -> bool:
    values = {one.value for one in dataset.of(metric) if one.value is not None}
    return bool(values) and values <= {0, 1}
