"""How much work an analysis does, counted in operations rather than seconds: it grows with the answers, no faster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np
import pytest

from harness.model import Dataset, Observation, Respondents, Scale
from harness.stats import analyse
from harness.stats.binary_events import count_events
from harness.stats.blocked import layout
from harness.stats.personas import PersonaValues
from harness.stats.student import critical
from tests.support.answers import ARMS, answers

SMALL, FACTOR = 30, 4
ALLOWED = 1.25
"""n log n may cost so much more than n from the small to the large size."""


def operations(work: Callable[[], object]) -> int:
    """Bytecode instructions that ``work`` executes."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def survey(people: int, *, between: bool = False) -> Dataset:
    """A scale and a choice, with attributes and weights."""
    rng = np.random.default_rng(people)
    drawn = {group: rng.integers(1, 6, (people, 1)).astype(float) for group in ARMS}
    names = [f"P{number}" for number in range(people * (1 + between))]
    respondents = Respondents(
        {"region": {name: rng.choice(["a", "b"]) for name in names}},
        {name: float(rng.uniform(0.5, 2)) for name in names},
    )
    data = answers(drawn, between=between, respondents=respondents)
    chosen = [
        Observation("stay=yes", *(getattr(one, name) for name in _PLACES), float((one.value or 0) > 3))
        for one in data.observations
    ]
    return Dataset(
        "survey",
        ARMS,
        ("trust", "stay=yes"),
        (*data.observations, *chosen),
        "r",
        between=between,
        panels=data.panels,
        respondents=respondents,
        scales={"trust": Scale(1, 5)},
    )


_PLACES = ("group", "rep", "panel", "proposal", "person")


PARTS: dict[str, Callable[[Dataset], object]] = {
    "analysis": analyse,
    "primary": lambda data: analyse(data, with_secondary=False),
    "layout": lambda data: layout(data, "trust", *ARMS),
    "values by persona": lambda data: PersonaValues.of(data, "trust", ARMS),
    "binary outcomes": count_events,
}


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("part", PARTS)
def test_the_work_of_an_analysis_grows_with_the_answers_alone(part: str, between: bool) -> None:
    work = PARTS[part]
    work(survey(SMALL, between=between))  # imports
    counts = []
    for people in (SMALL, SMALL * FACTOR):
        data = survey(people, between=between)
        critical.cache_clear()
        counts.append(operations(partial(work, data)))
    small, large = counts
    assert large <= FACTOR * ALLOWED * small


def test_one_answer_per_persona_never_fits_a_mixed_model() -> None:
    with mock.patch("harness.stats.mixed._fit") as fit:
        analyse(survey(SMALL))
    assert not fit.called
