"""F56: personas answer with less variance than people, and means hide it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.humans import load_humans
from harness.humans.comparison import compared
from harness.model import Level, Likert
from tests.support.people import microdata, survey_run

TRUST = Likert("trust", "How far do you trust the council?")


def checks(folder: Path, given: list[Any], people: list[int]) -> list[tuple[Level, float | None]]:
    run = survey_run(folder, (TRUST,), {"plain": [{"trust": one} for one in given]})
    file = microdata(folder / "people.csv", {"trust": people})
    found = compared(run, load_humans(file, (TRUST,), {"trust": "trust"}), draws=300)
    assert found.found.items[0].difference.value is not None
    assert abs(found.found.items[0].difference.value) < 0.15  # the means agree
    return [(one.level, one.number) for one in found.checks if one.name == "variance beside people"]


def test_personas_who_all_say_the_middle_fail_although_the_means_agree(tmp_path: Path) -> None:
    people = [1, 2, 3, 4, 5] * 60
    ((level, ratio),) = checks(tmp_path, [3] * 38 + [2, 4], people)
    assert level is Level.FAIL
    assert ratio is not None
    assert ratio < 0.1


def test_personas_who_vary_as_people_do_pass(tmp_path: Path) -> None:
    people = [1, 2, 3, 4, 5] * 60
    given = np.random.default_rng(5).permutation([1, 2, 3, 4, 5] * 8).tolist()
    ((level, _),) = checks(tmp_path, given, people)
    assert level is Level.PASS
