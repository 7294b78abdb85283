"""Ordinal answers: cumulative shares with the design's own error, and tests by ranks with the effect in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.model import Dataset, Respondents, Scale
from harness.stats import analyse
from harness.stats.binary_events import count_events
from harness.stats.ordinal import ordinal_points
from harness.stats.results import CumulativeShares
from tests.support.answers import ARMS, N, answers, drawn
from tests.support.lazy_modules import LazyModule
from tests.support.scores import dataset
from tests.support.scores import drawn as drawn_scores

stats = LazyModule("scipy.stats")


def shares(data: Dataset) -> CumulativeShares:
    (found,) = analyse(data).shares
    return found


def test_shares_at_or_above_each_point_have_paired_errors() -> None:
    arms = drawn()
    found = shares(answers(arms, scales={"trust": Scale(1, 5)}))
    assert [one.point for one in found.points] == [2, 3, 4, 5]
    for one in found.points:
        control, treatment = ((arms[arm][:, 0] >= one.point).astype(float) for arm in ARMS)
        assert (one.control, one.treatment) == pytest.approx((control.mean(), treatment.mean()))
        expected = stats.ttest_rel(treatment, control).confidence_interval()
        assert one.estimate.interval is not None
        assert (one.estimate.interval.low, one.estimate.interval.high) == pytest.approx(tuple(expected))


def test_shares_are_weighted() -> None:
    arms, rng = drawn(), np.random.default_rng(2)
    known = {f"P{n}": float(w) for n, w in enumerate(rng.uniform(0.2, 4, N))}
    found = shares(answers(arms, respondents=Respondents(weights=known)))
    expected = np.average(arms["plain"][:, 0] >= found.points[0].point, weights=[*known.values()])
    assert found.points[0].control == pytest.approx(float(expected))


def test_the_signed_rank_test_gives_its_effect_in_words() -> None:
    arms = drawn()
    d = (arms["hopeful"] - arms["plain"])[:, 0]
    found = shares(answers(arms)).ranks
    expected = stats.wilcoxon(d, zero_method="pratt", correction=False, method="approx")
    assert found.p == pytest.approx(float(expected.pvalue))
    higher, lower, alike = (d > 0).sum(), (d < 0).sum(), (d == 0).sum()
    assert found.note is not None
    assert found.note.startswith(f"{higher} answered higher under hopeful, {lower} lower, {alike} alike")


def test_the_rank_biserial_correlation_is_one_where_everybody_goes_up() -> None:
    arms = drawn()
    found = shares(answers({"plain": arms["plain"], "hopeful": arms["plain"] + 1})).ranks
    assert found.note is not None and found.note.endswith("rank-biserial correlation +1.00")


def test_between_personas_ranks_are_mann_and_whitneys_with_a_probability_in_words() -> None:
    arms = drawn()
    found = shares(answers(arms, between=True)).ranks
    one, other = arms["hopeful"][:, 0], arms["plain"][:, 0]
    expected = stats.mannwhitneyu(one, other, use_continuity=False, method="asymptotic")
    assert found.p == pytest.approx(float(expected.pvalue))
    chance = np.mean([(a > b) + 0.5 * (a == b) for a in one for b in other])
    assert found.note is not None and f"with probability {chance:.0%} (ties count half)" in found.note


def test_few_differences_have_no_test_by_ranks() -> None:
    arms = drawn()
    found = shares(
        answers({"plain": arms["plain"], "hopeful": arms["plain"] + (np.arange(N) < 9)[:, None]})
    ).ranks
    assert (found.p, found.reason) == (None, "needs 10 differences other than 0; there are 9")


@pytest.mark.parametrize(
    ("values", "scale", "points"),
    [
        ([1.0, 2.0, 4.0], None, (1, 2, 4)),
        ([1.0, 2.0, 4.0], Scale(1, 5), (1, 2, 3, 4, 5)),
        ([0.0, 1.0], Scale(0, 1), ()),  # a share already
        ([0.0, 1.0], None, ()),
        ([1.5, 2.0, 4.0], Scale(1, 5), ()),
        ([3.0, 50.0, 99.0], Scale(0, 100), ()),
        ([float(n) for n in range(20)], None, ()),
    ],
)
def test_scales_of_few_whole_points_are_ordinal(
    values: list[float], scale: Scale | None, points: tuple[int, ...]
) -> None:
    data = answers({"plain": np.array([values]).T, "hopeful": np.array([values]).T})
    assert ordinal_points(replace(data, scales={} if scale is None else {"trust": scale}), "trust") == points


def test_scores_of_panels_are_not_treated_as_answers() -> None:
    assert analyse(dataset(drawn_scores(shape=(2, 2, 1, 3))), with_secondary=True).shares == ()


def yes_or_no(seed: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        arm: (rng.random((N, 1)) < chance).astype(float) for arm, chance in zip(ARMS, (0.3, 0.5), strict=True)
    }


def test_yes_or_no_within_personas_is_mcnemars_test() -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    arms = yes_or_no()
    (found,) = count_events(answers(arms))
    table = [[int(((arms["plain"] == a) & (arms["hopeful"] == b)).sum()) for b in (0, 1)] for a in (0, 1)]
    assert found.test.p == pytest.approx(float(mcnemar(table, exact=True).pvalue))
    assert (found.test.method, found.test.unit, found.test.n) == ("McNemar's exact", "personas", N)


@pytest.mark.parametrize("times", [1, 12])
def test_yes_or_no_between_personas_is_fishers_test(times: int) -> None:
    arms = {arm: np.tile(one, (times, 1)) for arm, one in yes_or_no().items()}
    (found,) = count_events(answers(arms, between=True))
    table = [[int((arms[arm] == value).sum()) for value in (0, 1)] for arm in ARMS]
    assert found.test.p == pytest.approx(float(stats.fisher_exact(table).pvalue), rel=1e-6)
    assert (found.test.method, found.test.n) == ("Fisher's exact", 2 * N * times)


def test_several_yes_or_no_of_one_persona_are_one_unit() -> None:
    arms = {arm: np.hstack([one, one[::-1]]) for arm, one in yes_or_no().items()}
    (found,) = count_events(answers(arms))
    assert (found.test.method, found.test.n) == ("sign-flip, 100,000 random draws", N)
