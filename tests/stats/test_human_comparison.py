"""A model's answers beside people's: known cases, and the nominal share within the ceiling on real data."""

from __future__ import annotations

import numpy as np
import pytest

from harness.model import (
    Allocation,
    Choice,
    FreeText,
    Likert,
    Matrix,
    MultipleChoice,
    Numeric,
    Ranking,
    YesNo,
)
from harness.stats.human_comparison.answers import AnswerSample, AnswerScale
from harness.stats.human_comparison.comparison import BETWEEN, NO_BETTER, OPEN, WITHIN, compare_item, decide
from harness.stats.human_comparison.distances import AnswerGrid, kendall
from harness.stats.human_comparison.effects import OPPOSITE, SAME, UNCLEAR, compare_effects
from harness.stats.human_comparison.item_scales import rows_of, scales_of
from harness.stats.human_comparison.noise import people_against_people
from harness.stats.human_comparison.subgroups import subgroup_spread
from harness.stats.human_comparison.survey_comparison import compare_survey
from tests.support.lazy_modules import LazyModule

stats = LazyModule("scipy.stats")
spatial = LazyModule("scipy.spatial.distance")

FIVE = scales_of(Likert("trust", "How far?"))[0]
PARTY = scales_of(Choice("vote", "For whom?", options=("red", "green", "blue")))[0]
AGE = scales_of(Numeric("age", "How old?", least=18, most=98))[0]


def sample(values: object, **more: object) -> AnswerSample:
    return AnswerSample.of(values, **more)  # type: ignore[arg-type]


def drawn(scale: AnswerScale, n: int, seed: int, chances: list[float]) -> AnswerSample:
    return sample(np.random.default_rng(seed).choice(len(scale.levels), size=n, p=chances).astype(float))


def test_identical_answers_are_at_distance_zero_and_within_the_ceiling() -> None:
    people = drawn(FIVE, 400, 1, [0.4, 0.3, 0.15, 0.1, 0.05])
    found = compare_item(FIVE, people, people)
    assert set(found.distances.values()) == {0.0}
    assert found.verdict == WITHIN
    assert found.difference.value == 0
    assert found.spread.value == pytest.approx(1)
    assert found.closeness is not None
    assert found.closeness > 1


def test_shifted_answers_are_between_or_no_better_than_a_guess() -> None:
    people = drawn(FIVE, 400, 1, [0.6, 0.25, 0.1, 0.05, 0.0])
    near = sample(np.minimum(people.values + (np.arange(400) % 3 == 0)[:, None], 4))
    far = sample(4 - people.values)
    assert compare_item(FIVE, near, people).verdict == BETWEEN
    found = compare_item(FIVE, far, people)
    assert found.verdict == NO_BETTER
    assert found.difference.interval is not None
    assert found.difference.interval.low > 1


def test_shuffled_answers_of_the_same_people_are_as_near_as_identical_ones() -> None:
    people = drawn(PARTY, 300, 2, [0.6, 0.3, 0.1])
    shuffled = sample(np.random.default_rng(0).permutation(people.values))
    assert compare_item(PARTY, shuffled, people).distances == compare_item(PARTY, people, people).distances


def test_uniform_and_constant_answers_are_no_better_than_their_baselines() -> None:
    people = drawn(PARTY, 500, 3, [0.5, 0.4, 0.1])
    for model in (drawn(PARTY, 500, 4, [1 / 3] * 3), sample(np.zeros(500))):
        assert compare_item(PARTY, model, people).verdict == NO_BETTER


def test_distances_are_those_of_scipy() -> None:
    rng = np.random.default_rng(5)
    one, other = rng.uniform(18, 98, 40).round(1), rng.normal(50, 12, 60).clip(18, 98).round(1)
    grid = AnswerGrid.of(AGE, (sample(other), sample(one)))
    shares = [grid.shares(side[:, None], np.ones(len(side))) for side in (one, other)]
    expected = stats.wasserstein_distance(one, other) / 80
    assert grid.distances(*shares)["Wasserstein"] == pytest.approx(expected)
    red = np.array([[0.2, 0.5, 0.3]]), np.array([[0.6, 0.4, 0.0]])
    found = AnswerGrid.of(PARTY, (sample([0.0]),)).distances(*red)
    assert found["Jensen–Shannon"] == pytest.approx(
        spatial.jensenshannon(*(one[0] for one in red), base=2) ** 2
    )
    assert found["total variation"] == pytest.approx(0.4)


def test_kendalls_tau_is_that_of_scipy() -> None:
    one, other = np.array([1.0, 2, 2, 5, 4]), np.array([2.0, 1, 3, 9, 3])
    assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other).statistic)


def test_weights_shift_the_shares_and_lower_the_effective_number() -> None:
    values = np.repeat([0.0, 1.0, 2.0], 100)
    weights = np.repeat([3.0, 1.0, 1.0], 100)
    people = sample(values, weights=weights)
    assert people.effective_n == pytest.approx(500**2 / (100 * 9 + 200))
    found = compare_item(PARTY, sample(values), people)
    assert found.people.shares[0] == pytest.approx((0.6, 0.2, 0.2))
    unweighted = compare_item(PARTY, sample(values), sample(values))
    assert found.ceiling is not None
    assert unweighted.ceiling is not None
    assert found.ceiling > unweighted.ceiling


def test_several_answers_of_one_persona_count_as_one_person() -> None:
    model = sample([0.0, 1.0] * 30, persons=[f"p{number % 20}" for number in range(60)])
    assert (len(model), model.people) == (60, 20)
    assert model.effective_n == pytest.approx(20)


@pytest.mark.parametrize(
    ("distance", "ceiling", "baseline", "model_n", "people_n", "verdict"),
    [
        (0.05, 0.1, 0.3, 100, 100, WITHIN),
        (0.2, 0.1, 0.3, 100, 100, BETWEEN),
        (0.3, 0.1, 0.3, 100, 100, NO_BETTER),
        (0.2, 0.3, 0.3, 100, 100, OPEN),
        (0.4, 0.3, 0.3, 100, 100, NO_BETTER),
        (0.05, 0.1, 0.3, 9, 100, OPEN),
        (0.05, 0.1, 0.3, 100, 29, OPEN),
    ],
)
def test_the_rule_gives_the_verdict(
    distance: float, ceiling: float, baseline: float, model_n: float, people_n: float, verdict: str
) -> None:
    assert decide(distance, ceiling, baseline, model_n, people_n)[0] == verdict


def test_nothing_is_claimed_where_a_reason_against_it_is_given() -> None:
    people = drawn(FIVE, 100, 1, [0.2] * 5)
    found = compare_item(FIVE, people, people, nothing_claimed="a rehearsal")
    assert (found.verdict, found.reason) == (None, "a rehearsal")


ANES = {
    "selfLR": AnswerScale("selfLR", "ordinal", tuple("1234567"), tuple(range(1, 8))),
    "vote": AnswerScale("vote", "nominal", ("Clinton", "Dole"), (1.0, 0.0)),
    "age": AGE,
}


@pytest.mark.parametrize(
    ("column", "weighted", "repeats"),
    [
        ("selfLR", False, 200),
        ("selfLR", True, 200),
        ("vote", False, 200),
        ("vote", True, 200),
        ("age", False, 60),
    ],
)
def test_half_of_real_people_is_within_the_ceiling_of_the_other_half_as_often_as_stated(
    column: str, weighted: bool, repeats: int
) -> None:
    """anes96 of statsmodels, 944 respondents; random halves of 472: 95 % within, at 99.9 % binomial bounds."""
    anes = pytest.importorskip("statsmodels.api").datasets.anes96.load_pandas().data
    values = anes[column].to_numpy(float) - (column == "selfLR")
    rng = np.random.default_rng(7)
    weights = rng.uniform(0.5, 2.5, len(values)) if weighted else np.ones(len(values))
    within = 0
    for _ in range(repeats):
        order = rng.permutation(len(values))
        one, other = (sample(values[half], weights=weights[half]) for half in (order[:472], order[472:]))
        grid = AnswerGrid.of(ANES[column], (other, one))
        distance = grid.deciding(*(grid.shares(side.values, side.weights) for side in (one, other)))
        noise = people_against_people(other, grid, one.effective_n, rng, draws=200)
        within += bool(distance <= noise.ceiling)
    low, high = stats.binom.ppf([0.0005, 0.9995], repeats, 0.95)
    assert low <= within <= high


def test_effects_of_an_experiment_with_people_have_ratio_and_sign() -> None:
    rng = np.random.default_rng(1)
    people = {
        arm: sample(rng.choice(5, 300, p=p).astype(float))
        for arm, p in (("plain", [0.3, 0.3, 0.2, 0.1, 0.1]), ("warm", [0.1, 0.1, 0.2, 0.3, 0.3]))
    }
    names = [f"p{number}" for number in range(60)]
    base = rng.choice(4, 60).astype(float)
    model = {"plain": sample(base, persons=names), "warm": sample(base + (np.arange(60) % 2), persons=names)}
    (found,) = compare_effects(FIVE, model, people)
    assert (found.arm, found.control, found.sign) == ("warm", "plain", SAME)
    assert found.model.value == pytest.approx(0.5)
    assert found.people.value is not None
    assert found.ratio.value == pytest.approx(0.5 / found.people.value)
    assert found.ratio.interval is not None
    assert found.people_agree is not None
    assert found.people_agree > 0.99
    turned = {"plain": model["warm"], "warm": model["plain"]}
    assert next(compare_effects(FIVE, turned, people)).sign == OPPOSITE
    none = {"plain": people["plain"], "warm": people["plain"]}
    assert next(compare_effects(FIVE, model, none)).sign == UNCLEAR


def test_fiellers_interval_covers_the_true_ratio_as_often_as_stated() -> None:
    rng, covered = np.random.default_rng(3), 0
    scale = scales_of(Numeric("rent", "How much?", least=-50, most=50))[0]
    for _ in range(150):
        model = {"a": sample(rng.normal(0, 3, 40)), "b": sample(rng.normal(1.5, 3, 40))}
        people = {"a": sample(rng.normal(0, 3, 200)), "b": sample(rng.normal(3, 3, 200))}
        limits = next(compare_effects(scale, model, people)).ratio.interval
        covered += limits is not None and limits.low <= 0.5 <= limits.high
    low, high = stats.binom.ppf([0.0005, 0.9995], 150, 0.95)
    assert low <= covered <= high


def test_subgroups_that_answer_alike_are_told_from_those_that_differ() -> None:
    rng = np.random.default_rng(4)
    group = ["young", "old"] * 100
    apart = np.where(np.array(group) == "young", rng.choice(5, 200, p=[0.5, 0.3, 0.1, 0.1, 0.0]), 4.0)
    people = sample(apart, attributes={"age": group})
    alike = sample(rng.choice(5, 200).astype(float), attributes={"age": group})
    same = subgroup_spread(FIVE, people, people, "age", ["young", "old"])
    flat = subgroup_spread(FIVE, alike, people, "age", ["young", "old"])
    assert same is not None
    assert same.people_differ
    assert same.ratio.value == pytest.approx(1)
    assert flat is not None
    assert flat.ratio.value is not None
    assert flat.ratio.interval is not None
    assert flat.ratio.value < 0.4 < flat.ratio.interval.low


def test_a_survey_is_compared_by_item_arm_and_subgroup() -> None:
    rng = np.random.default_rng(6)
    group = ["a", "b"] * 50
    scales = [FIVE, PARTY, AGE, scales_of(YesNo("stay", "Stay?"))[0]]
    answers = {
        "trust": rng.choice(5, 100), "vote": rng.choice(3, 100), "age": rng.integers(18, 99, 100),
        "stay": rng.choice(2, 100),
    }  # fmt: skip
    model = {
        name: {"plain": sample(one.astype(float), attributes={"g": group})} for name, one in answers.items()
    }
    people = {name: {"": arms["plain"]} for name, arms in model.items()}
    found = compare_survey(scales, model, people, attributes={"g": ["a", "b"]}, draws=100)
    assert [one.item for one in found.items] == ["trust", "vote", "age", "stay"]
    assert [one.subgroup for one in found.subgroups][:2] == ["g: a", "g: b"]
    assert found.item_agreement["plain"].value == pytest.approx(1)
    assert found.effects == ()


def test_each_kind_of_item_becomes_its_scale_and_rows() -> None:
    options = ("roads", "schools", "parks")
    cases = [
        (MultipleChoice("m", "?", options=options), ["schools"], {"m": (0, 1, 0)}),
        (Ranking("r", "?", options=options), ["parks", "roads", "schools"], {"r": (1, 2, 0)}),
        (Allocation("a", "?", options=options), {"roads": 20, "schools": 30, "parks": 50}, {"a": (20, 30, 50)}),
        (Matrix("x", "?", rows=options[:2], opt_out=("no idea",)), {"roads": 2, "schools": "no idea"},
         {"x[roads]": (1,), "x[schools]": None}),
        (Choice("c", "?", options=options, opt_out=("no idea",)), "no idea", {"c": None}),
        (FreeText("f", "?", categories=options), "parks", {"f": (2,)}),
    ]  # fmt: skip
    for item, value, expected in cases:
        assert [scale.item for scale in scales_of(item)] == list(expected)
        assert dict(rows_of(item, value)) == expected
    assert scales_of(FreeText("why", "?")) == []


@pytest.mark.parametrize("item", [
    MultipleChoice("m", "?", options=("a", "b", "c")), Ranking("r", "?", options=("a", "b", "c")),
    Allocation("a", "?", options=("a", "b", "c"), total=10),
])  # fmt: skip
def test_items_of_several_parts_are_compared_with_the_order_of_their_options(item: object) -> None:
    rows = {"m": [[1, 1, 0], [1, 0, 0], [1, 1, 1]], "r": [[0, 1, 2], [0, 2, 1]], "a": [[9, 1, 0], [4, 3, 3]]}
    answers = sample(rows[item.name] * 20)  # type: ignore[attr-defined]
    found = compare_item(scales_of(item)[0], answers, answers)  # type: ignore[arg-type]
    assert found.verdict == WITHIN
    assert found.agreement.value == pytest.approx(1)
