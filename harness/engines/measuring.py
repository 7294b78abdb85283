"""Metrics that users' functions compute from transcripts, for every engine."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness.model import Event, Measure, Sample
from harness.user_code import UserCodeError, runner


async def measure(measures: Iterable[Measure], transcript: Sequence[Event]) -> list[Sample]:
    """One sample per measure; missing, with the reason, if its function raises or does not return."""
    return [await _measured(one, transcript) for one in measures]


async def _measured(one: Measure, transcript: Sequence[Event]) -> Sample:
    assert one.function is not None  # only an experiment's own play reports such a metric
    try:
        number = await runner.get().call(one.function, transcript, what="The measure", then=_number)
    except UserCodeError as fault:
        return Sample(one.name, None, reason=str(fault), raised=True)
    if number is None:
        return Sample(one.name, None, reason="The measure has no answer for this transcript.")
    if not math.isfinite(number):
        return Sample(one.name, None, reason=f"The measure returned {number}; expected a finite number.")
    return Sample(one.name, number)


def _number(value: Any) -> float | None:
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError("the function is asynchronous; expected a plain one that returns a number or None")
    return None if value is None else float(value)
