"""The mixed model, cluster-robust errors, ICC, design effect and Hedges' g against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.blocked import blocked, layout
from harness.stats.clusters import cluster_robust
from harness.stats.effect import correction, hedges_g
from harness.stats.icc import PlacedScore, design_effect, icc_by_person, icc_by_trial, squares
from harness.stats.mixed import reml
from tests.support.lazy_modules import LazyModule
from tests.support.scores import dataset, drawn

pd = LazyModule("pandas")
sm = LazyModule("statsmodels.api")
smf = LazyModule("statsmodels.formula.api")

ARMS = ("Control", "Treatment")


def frame(arms: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "block": place[:2],
                "trial": (arm, *place[:3]),
                "person": (place[0], place[3]),
                "y": value,
            }
            for arm in ARMS
            for place, value in np.ndenumerate(arms[arm])
            if not math.isnan(value)
        ]
    ).astype(dict.fromkeys(("block", "trial", "person"), "string"))


def test_reml_on_balanced_data_is_the_anova_of_trial_means() -> None:
    """With personas complete in every trial, they cancel: blocks and arm on trial means, 35 degrees of freedom."""
    arms = drawn(3)
    means = frame(arms).groupby(["arm", "block", "trial"], as_index=False)["y"].mean()
    expected = smf.ols("y ~ C(arm) + C(block)", means).fit()
    found = reml(dataset(arms), "score", *ARMS)
    assert expected.df_resid == found.df == 35
    assert found.difference == pytest.approx(expected.params["C(arm)[T.Treatment]"], abs=1e-6)
    assert found.se == pytest.approx(expected.bse["C(arm)[T.Treatment]"], rel=1e-3)
    assert found.p == pytest.approx(expected.pvalues["C(arm)[T.Treatment]"], rel=1e-2)
    assert found.note is not None and found.note.startswith("variances: trial ")


def test_its_p_is_not_the_normal_one_of_statsmodels() -> None:
    from scipy import stats

    found = reml(dataset(drawn(3)), "score", *ARMS)
    assert found.difference is not None and found.se is not None and found.p is not None
    assert found.p > 1.01 * 2 * stats.norm.sf(abs(found.difference / found.se))


def test_a_component_on_its_boundary_is_no_answer() -> None:
    arms = {arm: np.random.default_rng(i).normal(5, 1, (4, 3, 2, 5)) for i, arm in enumerate(ARMS)}
    for array in arms.values():
        array -= array.mean(axis=3, keepdims=True)  # trials alike: their variance is below 0
    found = reml(dataset(arms), "score", *ARMS)
    assert (found.p, found.se, found.interval) == (None, None, None)
    assert found.reason is not None and "boundary" in found.reason


def test_the_fit_reaches_the_optimum_where_gradients_stop_short() -> None:
    """Seed 7: statsmodels' default ends at another place, two points of log-likelihood lower."""
    found = reml(dataset(drawn(7)), "score", *ARMS)
    assert found.note is not None
    variances = [float(part.split()[-1]) for part in found.note.split(", ")]
    assert [variances[0] / variances[2], variances[1] / variances[2]] == pytest.approx(
        [0.095, 0.156], abs=2e-3
    )


def test_a_fit_that_does_not_converge_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.stats import mixed

    monkeypatch.setattr(mixed, "_OPTIMISER", "bfgs")
    found = reml(dataset(drawn(7)), "score", *ARMS)
    assert (found.p, found.reason) == (None, "the fit did not converge")


@pytest.mark.parametrize(
    ("arms", "persons", "reason"),
    [
        ({arm: np.full((4, 3, 2, 5), 7.0) for arm in ARMS}, True, "every score of an arm is the same"),
        ({arm: np.zeros((4, 3, 2)) for arm in ARMS}, False, "one score per trial"),
        (drawn(shape=(6, 6, 6, 3)), True, "not fitted to more than 1,200 scores; there are 1,296"),
        (
            {"Control": np.ones((4, 3, 2, 5)), "Treatment": np.full((4, 3, 2, 5), np.nan)},
            True,
            "an arm has no",
        ),
    ],
)
def test_where_there_is_nothing_to_fit(arms: dict[str, np.ndarray], persons: bool, reason: str) -> None:
    found = reml(dataset(arms, persons=persons), "score", *ARMS)
    assert found.p is None and found.reason is not None and reason in found.reason


@pytest.mark.parametrize("holes", [0, 17])
def test_cluster_robust_is_statsmodels_own(holes: int) -> None:
    arms = drawn(4)
    arms["Control"].ravel()[:holes] = np.nan
    table = frame(arms)
    fit = sm.OLS(table["y"], sm.add_constant((table["arm"] == "Treatment").astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(table["trial"])[0]}, use_t=True
    )
    found = cluster_robust(dataset(arms), "score", *ARMS)
    clusters = table["trial"].nunique()
    assert (found.n, found.df) == (clusters, clusters - 1)
    assert found.difference == pytest.approx(fit.params["arm"])
    assert found.se == pytest.approx(fit.bse["arm"])
    assert found.p == pytest.approx(fit.pvalues["arm"])


def test_no_cluster_robust_error_below_ten_clusters() -> None:
    found = cluster_robust(dataset(drawn(shape=(2, 1, 2, 5))), "score", *ARMS)
    assert found.p is None and found.reason == "needs 10 clusters or more; there are 8 trials"


def test_icc_by_hand() -> None:
    """Snedecor's arithmetic: clusters (1, 3), (5, 7), (9, 11): MSB 32, MSW 2, ICC (32 − 2) / (32 + 2) = 0.882."""
    values = [("a", 1), ("a", 3), ("b", 5), ("b", 7), ("c", 9), ("c", 11)]
    found = squares([PlacedScore("arm", cluster, value) for cluster, value in values], nested=True)
    assert not isinstance(found, str)
    assert (found.between, found.within, found.df_between, found.df_within, found.size) == (32, 2, 2, 3, 2)
    assert found.icc == pytest.approx(30 / 34)


@pytest.mark.parametrize("term", ["trial", "person"])
def test_mean_squares_are_those_of_the_anova(term: str) -> None:
    arms = drawn(6)
    table = frame(arms)
    data = dataset(arms)
    found = (icc_by_trial if term == "trial" else icc_by_person)(data, "score", ARMS)
    whole, arm = (
        smf.ols("y ~ C(trial)" if term == "trial" else "y ~ C(arm) + C(person)", table),
        smf.ols("y ~ C(arm)", table),
    )
    within = whole.fit().mse_resid
    between = (whole.fit().ess - arm.fit().ess) / (46 if term == "trial" else 19)
    size = 5 if term == "trial" else 12
    assert found.value == pytest.approx((between - within) / (between + (size - 1) * within))
    assert found.interval is not None and found.interval.low < found.value < found.interval.high


def test_searles_interval_covers_as_often_as_it_says() -> None:
    rng, covered, true = np.random.default_rng(1), 0, 0.36 / 1.36
    for _ in range(400):
        values = rng.normal(0, 0.6, (20, 1)) + rng.normal(0, 1, (20, 5))
        from harness.stats.icc import _quantity

        found = _quantity(
            squares([PlacedScore("a", i[0], v) for i, v in np.ndenumerate(values)], nested=True), "x", 0.95
        )
        assert found.interval is not None
        covered += found.interval.low <= true <= found.interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_design_effect_of_scores_copied_five_times_is_five() -> None:
    """F11's shape: whole trials of one repeated score are worth one score each."""
    arms = {arm: np.repeat(array.mean(axis=3, keepdims=True), 5, axis=3) for arm, array in drawn().items()}
    data = dataset(arms)
    assert icc_by_trial(data, "score", ARMS).value == pytest.approx(1)
    assert design_effect(data, "score", ARMS).value == pytest.approx(5)


@pytest.mark.parametrize(
    ("arms", "persons", "reason"),
    [
        ({arm: np.full((4, 3, 2, 5), 9.0) for arm in ARMS}, True, "every score of an arm is the same"),
        ({arm: drawn()[arm].mean(axis=3) for arm in ARMS}, False, "score"),
    ],
)
def test_no_icc_without_scatter_or_persons(arms: dict[str, np.ndarray], persons: bool, reason: str) -> None:
    data = dataset(arms, persons=persons)
    for found in (icc_by_trial(data, "score", ARMS), icc_by_person(data, "score", ARMS)):
        assert found.value is None and found.reason is not None and reason in found.reason
    assert design_effect(data, "score", ARMS).value is None


def test_hedges_correction() -> None:
    """Hedges (1981), table 1: J(10) = .9228, J(46) ≈ 1 − 3 / (4 · 46 − 1) = .9836."""
    assert correction(10) == pytest.approx(0.9228, abs=1e-4)
    assert correction(46) == pytest.approx(1 - 3 / 183, abs=1e-4)


def test_hedges_g_with_one_score_per_trial_is_the_textbooks() -> None:
    arms = {arm: array.mean(axis=3) for arm, array in drawn().items()}
    data = dataset(arms, persons=False)
    primary = blocked(layout(data, "score", *ARMS))
    pooled = math.sqrt((arms["Control"].var(ddof=1) + arms["Treatment"].var(ddof=1)) / 2)
    found = hedges_g(data, "score", primary, *ARMS)
    assert found.value == pytest.approx(
        correction(46) * (arms["Treatment"].mean() - arms["Control"].mean()) / pooled
    )
    assert found.interval is not None and primary.interval is not None
    assert found.interval.low / found.value == pytest.approx(primary.interval.low / primary.difference)
