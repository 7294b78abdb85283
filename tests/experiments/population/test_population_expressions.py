from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigurationError
from harness.experiments.population.formats.expressions import ExpressionError, parse

COLUMNS = {
    "age": np.array([20, 40, 70]),
    "income": np.array([0.0, 1500.0, 3000.0]),
    "town": np.array(["north", "south", "north"]),
    "car": np.array([True, False, True]),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age + 1", [21, 41, 71]),
        ("age - 28 if age > 30 else 0", [0, 12, 42]),
        ("min(age, 50) * 2", [40, 80, 100]),
        ("max(0, income / 1000 - 1)", [0, 0.5, 2]),
        ("round(income / 7, 1)", [0, 214.3, 428.6]),
        ("30 <= age < 65", [False, True, False]),
        ("town == 'north' and not car", [False, False, False]),
        ("car or age == 40", [True, True, True]),
        ("town in ['south', 'east']", [False, True, False]),
        ("town not in ('south',)", [True, False, True]),
        ("true", [True, True, True]),
        ("'old' if age >= 65 else 'young'", ["young", "young", "old"]),
        ("1000 / income if income > 0 else 0", [0, 1000 / 1500, 1 / 3]),
    ],
)
def test_values(text: str, expected: list[Any]) -> None:
    assert (
        parse(text).values(COLUMNS, 3).tolist() == pytest.approx(expected)
        if not isinstance(expected[0], str)
        else (parse(text).values(COLUMNS, 3).tolist() == expected)
    )


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "age.__class__",
        "().__class__.__bases__",
        "[x for x in age]",
        "lambda: 1",
        "age[0]",
        "f'{age}'",
        "open('x')",
        "min(age, key=len)",
        "age is 3",
        "(age := 3)",
        "age if",
        "",
        "town in age",
        "(" * 300 + "1" + ")" * 300,
        "+".join(["age"] * 500),
        "1" * 3000,
    ],
)
def test_what_is_not_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["9 ** 9 ** 9 ** 9", "1 / income", "town + 1", "town < 3", "age == 'old'", "log(income)", "nobody > 3"],
)
def test_what_cannot_be_worked_out_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="nobody" if "nobody" in text else "'"):
        parse(text).values(COLUMNS, 3)


def test_a_text_is_no_condition() -> None:
    with pytest.raises(ConfigurationError, match="expected a condition"):
        parse("town").mask(COLUMNS, 3)
