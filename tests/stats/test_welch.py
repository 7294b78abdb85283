"""Welch's test: the published numbers again, and every case in which a number is not defined."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import compare, welch

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "tinytroupe-june-2025"
KEYS = [
    "test_type",
    "control_mean",
    "treatment_mean",
    "mean_difference",
    "percent_change",
    "t_statistic",
    "p_value",
    "confidence_interval",
    "confidence_level",
    "significant",
    "degrees_of_freedom",
    "control_sample_size",
    "treatment_sample_size",
    "control_std",
    "treatment_std",
    "effect_size",
]
TEST = {"t_statistic", "p_value", "confidence_interval", "significant", "degrees_of_freedom", "effect_size"}


def published() -> list[Path]:
    return sorted(PUBLISHED.glob("*.json"))


def test_the_four_published_artifacts_are_reproduced() -> None:
    if not published():
        pytest.skip(f"the published artifacts are not at {PUBLISHED}")
    compared = 0
    for path in published():
        experiments = json.loads(path.read_text())["experiments"]
        stored = experiments["Control"]["statistical_test_results_vs_others"]["Treatment"]
        for metric, block in stored.items():
            ours = welch(
                experiments["Control"]["results"][metric], experiments["Treatment"]["results"][metric]
            )
            assert list(ours) == list(block) == KEYS
            for key, value in block.items():
                expected = pytest.approx(value, abs=1e-6, rel=0) if type(value) in (float, list) else value
                assert ours[key] == expected, f"{path.name}: {metric}: {key}"
                assert type(ours[key]) is type(value), f"{path.name}: {metric}: {key}"
                compared += 1
    assert compared == 4 * 6 * 16


@pytest.mark.parametrize(
    ("control", "treatment", "undefined"),
    [
        ([], [], {"control_mean", "treatment_mean", "mean_difference", "percent_change", *TEST}
         | {"control_std", "treatment_std"}),
        ([1, 2], [], {"treatment_mean", "mean_difference", "percent_change", "treatment_std", *TEST}),
        ([1], [2], {"control_std", "treatment_std", *TEST}),
        ([1], [2, 3], {"control_std", *TEST}),
        ([1, 2], [3], {"treatment_std", *TEST}),
        ([5, 5], [5, 5], TEST),
        ([5, 5], [7, 7, 7], TEST),
        ([0.1, 0.1, 0.1], [0.3, 0.3], TEST),
        ([5, 5], [5, 7], set()),
        ([-1, 1], [2, 3], {"percent_change"}),
        ([0, 0], [0, 0], {"percent_change", *TEST}),
        ([1, 2], [1, 2], set()),
    ],
)  # fmt: skip
def test_what_is_not_defined_is_none_with_a_reason(
    control: list[float], treatment: list[float], undefined: set[str]
) -> None:
    block = welch(control, treatment)
    assert list(block) == KEYS
    assert {key for key, value in block.items() if value is None} == undefined
    assert set(compare(control, treatment)[1]) == undefined


@pytest.mark.parametrize(
    ("control", "treatment", "key", "reason"),
    [
        ([1], [2, 3], "p_value", "needs 2 samples or more in each group; control has 1"),
        ([], [1], "effect_size", "needs 2 samples or more in each group; control has 0 and treatment has 1"),
        ([1], [], "treatment_mean", "needs 1 samples or more in each group; treatment has 0"),
        ([0, 0], [1, 2], "percent_change", "the control mean is 0"),
        ([4, 4], [4, 4], "p_value", "neither group varies, so there is no spread to compare with"),
        (
            [1e308, -1e308],
            [1, 2],
            "control_std",
            "the result is too large or too small for a floating-point number",
        ),
    ],
)
def test_reasons(control: list[float], treatment: list[float], key: str, reason: str) -> None:
    assert compare(control, treatment)[1][key] == reason


def test_whole_numbers_beyond_64_bits() -> None:
    assert welch([2**64, 1, 2], [1, 2, 3]) == welch([2.0**64, 1, 2], [1, 2, 3])


def test_signs() -> None:
    block = welch([1, 2, 3], [4, 5, 6])
    assert block["mean_difference"] == 3
    assert block["effect_size"] == pytest.approx(3)
    assert block["t_statistic"] < 0
    low, high = block["confidence_interval"]
    assert low < 3 < high


def test_a_wider_confidence_is_a_wider_interval() -> None:
    narrow, wide = (welch([1, 2, 3], [2, 3, 5], level) for level in (0.8, 0.99))
    assert wide["confidence_interval"][0] < narrow["confidence_interval"][0]
    assert wide["confidence_level"] == 0.99


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        welch([1, bad], [1, 2])


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300)


@given(*(st.lists(NUMBERS, max_size=6) for _ in range(2)))
def test_always_json_and_every_none_has_its_reason(control: list[float], treatment: list[float]) -> None:
    block, why = compare(control, treatment)
    json.dumps(block, allow_nan=False)
    assert list(block) == KEYS
    assert set(why) == {key for key, value in block.items() if value is None}
