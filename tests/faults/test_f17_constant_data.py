"""F17: constant data yields an interval of zero width."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from harness.stats import analyse, consistency
from harness.stats.counts import Count
from harness.stats.results import Interval
from tests.support.scores import dataset, drawn

SHAPE = (4, 3, 2, 5)
CONSTANT = {
    "both at the ceiling": (np.full(SHAPE, 100.0), np.full(SHAPE, 100.0)),
    "each constant": (np.full(SHAPE, 7.0), np.full(SHAPE, 9.0)),
    "the same difference in every block": (drawn()["Control"], drawn()["Control"] + 0.1),
    "one trial": (np.full((1, 1, 1, 1), 7.0), np.full((1, 1, 1, 1), 9.0)),
    "nothing": (np.full(SHAPE, np.nan), np.full(SHAPE, np.nan)),
    "nothing of one arm": (drawn()["Control"], np.full(SHAPE, np.nan)),
}


@pytest.fixture(params=CONSTANT.values(), ids=CONSTANT)
def data(request: pytest.FixtureRequest) -> Any:
    return dataset(dict(zip(("Control", "Treatment"), request.param, strict=True)))


def walk(found: Any) -> Iterator[Any]:
    yield found
    if isinstance(found, Interval | tuple):
        yield from found if isinstance(found, tuple) else ()
    if dataclasses.is_dataclass(found):
        for field in dataclasses.fields(found):
            yield from walk(getattr(found, field.name))
    elif isinstance(found, tuple):
        for one in found:
            yield from walk(one)


def test_no_interval_of_zero_width_and_no_number_that_is_none(data: Any) -> None:
    for one in walk(analyse(data)):
        assert not isinstance(one, Interval) or one.high > one.low
        assert not isinstance(one, float) or math.isfinite(one)


def test_the_primary_answer_is_none_with_its_reason(data: Any) -> None:
    found = analyse(data).comparisons[0]
    primary = found.primary
    assert (primary.p, primary.interval, primary.se, found.p_adjusted) == (None, None, None, None)
    assert primary.reason
    assert found.hedges_g.interval is None and found.hedges_g.reason
    for quantity in (found.icc_trial, found.icc_person, found.design_effect):
        assert (quantity.value is None) == bool(quantity.reason)
    for estimate in found.secondary:
        assert (estimate.p is None) == bool(estimate.reason), estimate


def test_no_verdict_is_built_on_it(data: Any) -> None:
    found = consistency(data, dataset(drawn()))[0]
    assert (found.verdict, found.difference.value) == (None, None)
    assert found.reason.startswith("new: ")


def test_all_of_36_is_not_certainty() -> None:
    found = Count(36, 36).interval()
    assert found is not None and found.low < 0.91 and found.high == 1
