"""Holm and Dunnett against statsmodels and SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.multiplicity import dunnett, dunnett_blocked, holm
from tests.support.lazy_modules import LazyModule

stats = LazyModule("scipy.stats")
multitest = LazyModule("statsmodels.stats.multitest")


@pytest.mark.parametrize(
    "p_values", [[0.3], [0.04, 0.01, 0.03, 0.9], [0.2, 0.2, 0.001], [0.0, 1.0, 0.02, 0.02]]
)
def test_holm_is_statsmodels_own(p_values: list[float]) -> None:
    found = holm({str(i): p for i, p in enumerate(p_values)})
    expected = multitest.multipletests(p_values, method="holm")[1]
    assert [found[str(i)] for i in range(len(p_values))] == pytest.approx(list(expected))


def test_what_is_not_defined_stays_so_and_counts_in_the_family() -> None:
    assert holm({"a": 0.01, "b": None, "c": 0.2}) == {
        "a": pytest.approx(0.03),
        "b": None,
        "c": pytest.approx(0.4),
    }


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_dunnett_is_scipys_in_the_balanced_design_without_blocks(groups: int) -> None:
    rng = np.random.default_rng(groups)
    control, *others = samples = [rng.normal(0.4 * i, 1, 12) for i in range(groups + 1)]
    expected = stats.dunnett(*others, control=control, rng=np.random.default_rng(0))
    square = np.mean([one.var(ddof=1) for one in samples])
    t = [(one.mean() - control.mean()) / np.sqrt(2 * square / 12) for one in others]
    assert t == pytest.approx(list(expected.statistic))
    df = 12 * (groups + 1) - groups - 1
    found = dunnett(t, df)
    assert found == pytest.approx(list(expected.pvalue), abs=2e-3)  # SciPy's own are random to that
    law = stats.multivariate_t(shape=np.full((groups, groups), 0.5) + np.eye(groups) / 2, df=df)
    for value, p in zip(map(abs, t), found, strict=True):
        box = np.full(groups, value)
        inside = law.cdf(box, lower_limit=-box, maxpts=50_000, random_state=np.random.default_rng(0))
        assert p == pytest.approx(1 - inside, abs=2e-5)


def test_one_contrast_needs_no_correction() -> None:
    assert dunnett([2.1], 14) == pytest.approx([2 * stats.t.sf(2.1, 14)])


def test_blocks_are_taken_out_of_the_error() -> None:
    """With two groups it is the paired t; with three, the error is the two-way ANOVA's."""
    rng = np.random.default_rng(2)
    cells = rng.normal(0, 1, (12, 3)) + rng.normal(0, 5, (12, 1)) + [0, 0.5, 1]
    two = dunnett_blocked(cells[:, :2].tolist())
    assert not isinstance(two, str)
    assert two == ([pytest.approx(stats.ttest_rel(cells[:, 1], cells[:, 0]).pvalue)], 11)

    import pandas as pd
    import statsmodels.formula.api as smf

    table = pd.DataFrame([{"b": b, "g": g, "y": y} for (b, g), y in np.ndenumerate(cells)])
    fit = smf.ols("y ~ C(b) + C(g)", table).fit()
    t = [float(fit.tvalues[f"C(g)[T.{g}]"]) for g in (1, 2)]
    three = dunnett_blocked(cells.tolist())
    assert not isinstance(three, str)
    assert three == (pytest.approx(dunnett(t, 22), abs=1e-6), 22)
    plain = [2 * stats.t.sf(abs(one), 22) for one in t]
    assert all(corrected > single for corrected, single in zip(three[0], plain, strict=True))


def test_where_dunnett_is_not_defined() -> None:
    assert dunnett_blocked([[1, 2, 3]]) == "Dunnett needs 2 or more blocks that have every group; there are 1"
    assert dunnett_blocked([[1, 2, 3]] * 4) == "the block differences do not vary"
