"""Answers of one persona per trial: the persona is the unit, weights count, and claims reach the sample's frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from harness.model import Dataset, Respondents, SampleDesign, Scale
from harness.stats import analyse
from harness.stats.mixed import reml
from harness.stats.results import Comparison, Estimate
from harness.stats.units import weighted_mean
from tests.support.answers import ARMS, N, answers, drawn
from tests.support.lazy_modules import LazyModule
from tests.support.scores import dataset

stats = LazyModule("scipy.stats")


def compared(data: Dataset) -> Comparison:
    (found,) = analyse(data).comparisons
    return found


def secondary(found: Comparison, method: str) -> Estimate:
    return next(one for one in found.secondary if one.method.startswith(method))


def test_framings_within_personas_are_paired_by_persona() -> None:
    arms = drawn()
    found = compared(answers(arms)).primary
    expected = stats.ttest_rel(arms["hopeful"][:, 0], arms["plain"][:, 0])
    assert (found.unit, found.n, found.df) == ("personas", N, N - 1)
    assert found.p == pytest.approx(float(expected.pvalue))
    assert found.method == "paired t on persona differences"
    assert found.estimand == "these personas, over repeated sampling of the model"


def test_framings_between_personas_are_not_paired() -> None:
    arms = drawn()
    found = compared(answers(arms, between=True)).primary
    expected = stats.ttest_ind(arms["hopeful"][:, 0], arms["plain"][:, 0], equal_var=False)
    assert (found.unit, found.n, found.method) == ("personas", 2 * N, "Welch t on persona means")
    assert found.p == pytest.approx(float(expected.pvalue))
    assert found.df == pytest.approx(float(expected.df))


def test_a_persona_who_answers_several_items_is_one_unit() -> None:
    arms = drawn(proposals=4)
    found = compared(answers(arms)).primary
    expected = stats.ttest_rel(arms["hopeful"].mean(axis=1), arms["plain"].mean(axis=1))
    assert (found.n, found.p) == (N, pytest.approx(float(expected.pvalue)))


def test_an_answer_that_one_arm_lacks_is_left_out_of_both() -> None:
    arms = drawn(proposals=2)
    arms["plain"][0, 0] = np.nan
    arms["hopeful"][1, :] = np.nan
    found = compared(answers(arms)).primary
    one, other = arms["plain"].copy(), arms["hopeful"].copy()
    other[0, 0], one[1, :] = np.nan, np.nan
    gone = np.delete(np.arange(N), 1)
    expected = stats.ttest_rel(np.nanmean(other[gone], axis=1), np.nanmean(one[gone], axis=1))
    assert (found.n, found.p) == (N - 1, pytest.approx(float(expected.pvalue)))
    assert found.note == "3 of 240 scores are missing; 3 answers that an arm lacks are left out of both"


def test_a_panel_of_several_keeps_its_blocks() -> None:
    data = replace(answers(drawn()), panels=tuple((f"P{n}", f"Q{n}") for n in range(N)))
    assert compared(data).primary.unit == "blocks (panel × proposal)"


def weights(seed: int = 1, people: int = N) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {f"P{number}": float(value) for number, value in enumerate(rng.uniform(0.3, 3, people))}


def test_weighted_differences_have_the_robust_error_of_weighted_least_squares() -> None:
    import statsmodels.api as sm

    arms, known = drawn(), weights()
    found = compared(answers(arms, respondents=Respondents(weights=known)))
    d, w = (arms["hopeful"] - arms["plain"])[:, 0], np.array([*known.values()])
    fit = sm.WLS(d, np.ones(N), weights=w).fit(cov_type="HC1")
    assert found.primary.difference == pytest.approx(float(fit.params[0]))
    assert found.primary.se == pytest.approx(float(fit.bse[0]))
    assert found.primary.df == N - 1
    assert f"effective n {w.sum() ** 2 / (w**2).sum():.0f} (Kish)" in (found.primary.note or "")
    assert found.weighted_means == pytest.approx([np.average(arms[arm][:, 0], weights=w) for arm in ARMS])
    alike = secondary(found, "paired t on persona differences")
    assert alike.p == pytest.approx(float(stats.ttest_rel(arms["hopeful"][:, 0], arms["plain"][:, 0]).pvalue))


def test_weighted_arms_between_personas_have_errors_of_their_own() -> None:
    import statsmodels.api as sm

    arms, known = drawn(), weights(people=2 * N)
    found = compared(answers(arms, between=True, respondents=Respondents(weights=known))).primary
    w = np.array([*known.values()]).reshape(2, N)
    fits = [
        sm.WLS(arms[arm][:, 0], np.ones(N), weights=w[n]).fit(cov_type="HC1") for n, arm in enumerate(ARMS)
    ]
    assert found.difference == pytest.approx(float(fits[1].params[0] - fits[0].params[0]))
    assert found.se == pytest.approx(float(np.hypot(fits[0].bse[0], fits[1].bse[0])))


def test_equal_weights_change_nothing() -> None:
    data = answers(drawn())
    alike = replace(data, respondents=Respondents(weights=dict.fromkeys(weights(), 2.0)))
    assert compared(alike).primary == compared(data).primary


def test_a_persona_without_a_weight_is_left_out_and_counted() -> None:
    known = weights()
    del known["P7"]
    found = compared(answers(drawn(), respondents=Respondents(weights=known))).primary
    assert found.n == N - 1 and "1 personas without a weight are left out" in (found.note or "")


def test_strata_take_their_differences_out_of_the_error() -> None:
    rng = np.random.default_rng(5)
    strata = np.repeat(["a", "b", "c"], 20)
    values = rng.normal(0, 1, 60) + np.repeat([0.0, 3.0, 6.0], 20)
    found = weighted_mean([*values], [1.0] * 60, [*strata])
    parts = [values[strata == one].var(ddof=1) / 20 * (20 / 60) ** 2 for one in "abc"]
    df = sum(parts) ** 2 / sum(part**2 / 19 for part in parts)
    assert (found.variance, found.df) == (pytest.approx(sum(parts)), pytest.approx(df))
    assert weighted_mean([*values], [1.0] * 60).variance > 3 * found.variance


SAMPLED = Respondents(sampling=SampleDesign("simple random sample", "1,000 people in people.csv", 1000))


@pytest.mark.parametrize("between", [False, True])
def test_the_claim_reaches_the_population_that_personas_were_sampled_from(between: bool) -> None:
    plain = compared(answers(drawn(), between=between)).primary
    drawn_from = compared(answers(drawn(), between=between, respondents=SAMPLED)).primary
    assert plain.estimand.startswith("these personas")
    assert drawn_from.estimand == (
        "the population that the personas were sampled from (simple random sample; 1,000 people in people.csv), "
        "as this model plays it"
    )
    assert drawn_from.p == plain.p


def battery(items: int, seed: int = 0, people: int = 30) -> tuple[Dataset, np.ndarray]:
    """Items as metrics on one scale, and the differences, persona × item."""
    arms = drawn(seed, proposals=items, people=people)
    parts = [
        answers({group: array[:, [item]] for group, array in arms.items()}, metric=f"i{item}")
        for item in range(items)
    ]
    names = tuple(part.metrics[0] for part in parts)
    data = replace(
        parts[0],
        metrics=names,
        observations=tuple(one for part in parts for one in part.observations),
        scales=dict.fromkeys(names, Scale(1, 5)),
    )
    return data, arms["hopeful"] - arms["plain"]


def crossed_by_likelihood(d: np.ndarray) -> float:
    """The standard error of the grand mean by REML, personas and items random, maximised on the covariance itself."""
    from scipy import optimize

    people, items = d.shape
    y, one = d.ravel(), np.ones(d.size)
    same_person = np.kron(np.eye(people), np.ones((items, items)))
    same_item = np.kron(np.ones((people, people)), np.eye(items))

    def parts(logs: np.ndarray) -> tuple[float, float]:
        a, b, e = np.exp(logs)
        inverse = np.linalg.inv(a * same_person + b * same_item + e * np.eye(d.size))
        information = one @ inverse @ one
        mean = one @ inverse @ y / information
        rest = y - mean
        _, log_det = np.linalg.slogdet(inverse)
        return float(-log_det + np.log(information) + rest @ inverse @ rest), float(information)

    best = optimize.minimize(lambda logs: parts(logs)[0], [-1.0, -1.0, 0.0], method="Nelder-Mead")
    return float(parts(best.x)[1] ** -0.5)


def test_personas_and_items_both_random_have_the_error_of_reml() -> None:
    rng = np.random.default_rng(3)
    d = 0.5 + rng.normal(0, 0.9, (12, 1)) + rng.normal(0, 0.7, (1, 7)) + rng.normal(0, 1, (12, 7))
    data = answers({"plain": np.zeros((12, 7)), "hopeful": d})
    found = compared(data).generalising
    assert found.difference == pytest.approx(d.mean())
    assert found.se == pytest.approx(crossed_by_likelihood(d), rel=1e-3)
    assert found.p is not None and found.estimand == "other personas and items like these"
    assert found.se > (compared(data).primary.se or 0)


def test_few_items_support_no_claim_about_others_and_say_so() -> None:
    found = compared(answers(drawn(proposals=5))).generalising
    assert found.p is None and found.reason is not None
    assert found.reason.startswith("not estimable: 60 personas and 5 items are too few levels, 6 of each")


def test_items_on_one_scale_are_analysed_together() -> None:
    data, d = battery(7)
    (found,) = analyse(data).across_items
    assert found.items == data.metrics and found.ends == (1, 5)
    assert found.estimate.p == pytest.approx(float(stats.ttest_1samp(d.mean(axis=1), 0).pvalue))
    assert found.both_random.difference == pytest.approx(d.mean())
    assert found.both_random.note == "30 personas × 7 items"
    assert {one.adjustment for one in analyse(data).comparisons} == {"Holm over 7 items"}


def test_options_of_one_item_are_named_as_one_item_in_the_family() -> None:
    data, _ = battery(3)
    names = ("party=red", "party=blue", "trust")
    renamed = dict(zip(data.metrics, names, strict=True))
    moved = tuple(replace(one, metric=renamed[one.metric]) for one in data.observations)
    options = replace(data, metrics=names, observations=moved, scales={"trust": Scale(1, 5)})
    assert analyse(options).comparisons[0].adjustment == "Holm over 3 metrics of 2 items"


def methods(found: Sequence[Estimate]) -> list[str]:
    return [one.method for one in found]


def test_a_mixed_model_is_refused_with_its_reason_where_each_trial_has_one_score() -> None:
    found = compared(answers(drawn()))
    reml = secondary(found, "REML")
    assert (reml.p, reml.reason) == (None, "one score per trial: trial and residual cannot be separated")
    assert "paired t by persona" not in methods(found.secondary)  # the primary analysis, once more


def test_a_mixed_model_is_refused_where_blocks_are_too_many_to_fit() -> None:
    arms = {group: np.random.default_rng(n).normal(5, 1, (61, 1, 1, 2)) for n, group in enumerate(ARMS)}
    with mock.patch("harness.stats.mixed._fit") as fit:
        found = reml(dataset(arms), "score", *ARMS)
    assert not fit.called
    assert found.reason == "not fitted to more than 60 blocks, each a coefficient; there are 61"
