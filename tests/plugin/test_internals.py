"""Whether an ``-m`` expression asks for experiments: only then does anything of theirs run, or load."""

from __future__ import annotations

import pytest

from harness.plugin.internals import asks_for, requires


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("experiment", True),
        ("experiment and slow", True),
        ("experiment and not slow", True),
        ("experiment and slow and not fast", True),
        ("slow or experiment", True),
        ("not slow or (fast and experiment)", True),
        ("", False),
        ("slow", False),
        ("not slow", False),
        ("not experiment", False),
        ("not experiment and slow", False),
        ("not (experiment or slow)", False),
        ("experimental", False),
        ("my_experiment", False),
    ],
)
def test_experiments_are_asked_for_by_name(expression: str, expected: bool) -> None:
    assert asks_for(expression, "experiment") is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("experiment", True),
        ("experiment and slow", True),
        ("experiment and not slow", True),
        ("(experiment and slow) or (experiment and fast)", True),
        ("not (slow or not experiment)", True),
        ("experiment or slow", False),
        ("experiment or not experiment", False),
        ("not slow or (fast and experiment)", False),
        ("", False),
        ("slow", False),
        ("not experiment", False),
        ("experimental", False),
        (
            "experiment and (" + " or ".join(f"m{number}" for number in range(12)) + ")",
            False,
        ),  # not known in time
    ],
)
def test_which_expressions_hold_for_experiments_alone(expression: str, expected: bool) -> None:
    assert requires(expression, "experiment") is expected
