"""Calibration of the noise ceiling: how often people are within the ceiling of people.

    python benchmarks/noise_ceiling.py [--repeats 1000] [--draws 500] [--seed 1]

The people are the 944 respondents of anes96, which statsmodels ships. Per question, sample size and repeat, they are
divided at random into a sample, which plays the model, and the others, from whom the ceiling is computed. Printed: the
share of repeats in which the sample is within the ceiling, with its exact 99 % bounds; 95 % is nominal. Each again with
weights from 0.5 to 2.5 on both sides. The exit code is 1 where the upper bound is below .93 or the lower above .97.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from scipy import stats
from statsmodels.datasets import anes96

from harness.stats.human_comparison.answers import AnswerSample, AnswerScale
from harness.stats.human_comparison.distances import AnswerGrid
from harness.stats.human_comparison.noise import people_against_people

SEVEN = tuple("1234567")
SCALES = (
    *(
        AnswerScale(name, "ordinal", SEVEN, tuple(map(float, range(1, 8))))
        for name in ("selfLR", "ClinLR", "DoleLR")
    ),
    AnswerScale("vote", "nominal", ("Clinton", "Dole"), (1.0, 0.0)),
    AnswerScale("PID", "nominal", SEVEN),
    AnswerScale("TVnews", "numeric", least=0, most=7, whole=True),
    AnswerScale("age", "numeric", least=18, most=95, whole=True),
)
SIZES = (25, 100, 472)


def share_within(
    scale: AnswerScale, size: int, *, weighted: bool, repeats: int, draws: int, rng: np.random.Generator
) -> int:
    """In how many repeats a sample of ``size`` people is within the ceiling of the others."""
    column = anes96.load_pandas().data[scale.item].to_numpy(float)
    values = column - 1 if scale.kind == "ordinal" else column
    weights = rng.uniform(0.5, 2.5, len(values)) if weighted else np.ones(len(values))
    within = 0
    for _ in range(repeats):
        order = rng.permutation(len(values))
        sample, others = (
            AnswerSample.of(values[some], weights[some]) for some in (order[:size], order[size:])
        )
        grid = AnswerGrid.of(scale, (others, sample))
        distance = grid.deciding(*(grid.shares(one.values, one.weights) for one in (sample, others)))
        within += bool(
            distance <= people_against_people(others, grid, sample.effective_n, rng, draws).ceiling
        )
    return within


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, began, off = np.random.default_rng(options.seed), time.perf_counter(), False
    print(f"{'question':10}{'n':>5}  {'weights':8}{'within':>8}  99 % bounds")
    for scale in SCALES:
        for size in SIZES:
            for weighted in (False, True):
                found = share_within(
                    scale, size, weighted=weighted, repeats=options.repeats, draws=options.draws, rng=rng
                )
                bounds = stats.binomtest(found, options.repeats).proportion_ci(0.99, method="exact")
                off |= bounds.high < 0.93 or bounds.low > 0.97
                said = "yes" if weighted else "no"
                print(
                    f"{scale.item:10}{size:>5}  {said:8}{found / options.repeats:8.3f}  "
                    f"{bounds.low:.3f} to {bounds.high:.3f}", flush=True,
                )  # fmt: skip
    print(f"{time.perf_counter() - began:.0f} s")
    return int(off)


if __name__ == "__main__":
    sys.exit(main())
