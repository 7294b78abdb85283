"""A/A calibration: how often the primary analysis finds an effect where Control is compared with Control.

    python benchmarks/calibration.py [--runs 10000] [--effect 0.5] [--seed 1]

For each cell of a grid of trial SD, persona SD, missing scores and ceiling, ``--runs`` experiments of exp_3's size
(4 panels × 3 proposals × 2 reps, 5 personas) are simulated with no effect, and again with one of ``--effect`` points.
Printed: the share of p ≤ .05 of the primary analysis with its Monte-Carlo 99 % bounds; how often its 95 % interval
covers the true difference, without and with the effect; its power; and the share of p ≤ .05 of Welch on raw scores,
the yardstick. Residual SD is 1.2 points. ``ceiling`` rounds scores to 0–9 around 8.5, so that half of them sit at 9.

The exit code is 1 when the lower bound of any cell exceeds .05: then the primary analysis calls chance an effect.
A rate below .05 is careful, and is only reported.

At a ceiling an effect cannot show in full; the difference that is true there is the mean over all experiments.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from harness.stats.components import Components, Sizes
from harness.stats.power import monte_carlo
from harness.stats.simulation import Many, blocked_many, simulate
from tests.support.scores import welch_many

DESIGN = Sizes(reps=2, panels=4, proposals=3, people=5)
RESIDUAL = 1.2
TRIAL, PERSON, MISSING = (0.0, 0.5, 1.0), (0.0, 0.8), (0.0, 0.1)
CEILING = {False: (5.0, None), True: (8.5, (0.0, 9.0))}
ALPHA = 0.05
_AT_ONCE = 2500


class Cell(NamedTuple):
    trial: float
    person: float
    missing: float
    ceiling: bool


class Rates(NamedTuple):
    """Shares of experiments. ``low`` and ``high`` are the 99 % bounds of ``primary``."""

    primary: float
    low: float
    high: float
    raw: float
    coverage: float
    coverage_effect: float
    power: float

    @property
    def failed(self) -> bool:
        return self.low > ALPHA


def grid() -> Iterator[Cell]:
    yield from (Cell(*each) for each in product(TRIAL, PERSON, MISSING, (False, True)))


def calibrate(cell: Cell, runs: int, effect: float, rng: np.random.Generator) -> Rates:
    """The rates of one cell, from ``runs`` experiments without and as many with an effect."""
    primary, raw = _many(cell, runs, 0.0, rng)
    found, _ = _many(cell, runs, effect, rng)
    rejected = int(np.count_nonzero(primary.p <= ALPHA))
    bounds = monte_carlo(rejected, runs)
    true = float(np.nanmean(found.difference)) if cell.ceiling else effect
    return Rates(
        rejected / runs,
        bounds.low,
        bounds.high,
        float(np.mean(raw.p <= ALPHA)),
        _covered(primary, 0.0),
        _covered(found, true),
        float(np.mean(found.p <= ALPHA)),
    )


def _many(cell: Cell, runs: int, effect: float, rng: np.random.Generator) -> tuple[Many, Many]:
    components = Components(cell.trial**2, cell.person**2, 0.0, RESIDUAL**2)
    mean, scale = CEILING[cell.ceiling]
    parts = []
    for start in range(0, runs, _AT_ONCE):
        size = min(_AT_ONCE, runs - start)
        arms = simulate(components, effect, DESIGN, size, rng, mean=mean, missing=cell.missing, scale=scale)
        parts.append((blocked_many(*arms), welch_many(*arms)))
    primary, raw = ([part[kind] for part in parts] for kind in (0, 1))
    return _joined(primary), _joined(raw)


def _joined(parts: list[Many]) -> Many:
    return Many(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _covered(found: Many, true: float) -> float:
    return float(np.mean((found.low <= true) & (true <= found.high)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000, help="experiments per cell (default: 10,000)")
    parser.add_argument(
        "--effect", type=float, default=0.5, help="effect for power, in points (default: 0.5)"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    print("| trial SD | persona SD | missing | ceiling | primary ≤ .05 [99 %] | raw Welch ≤ .05 | ", end="")
    print("coverage, no effect | coverage, effect | power |")
    print("| --- " * 9 + "|")
    failed = 0
    for number, cell in enumerate(grid()):
        rng = np.random.default_rng([options.seed, number])
        rates = calibrate(cell, options.runs, options.effect, rng)
        failed += rates.failed
        print(_row(cell, rates), flush=True)
    cells = number + 1
    seconds = time.perf_counter() - began
    each = f"{options.runs:,} experiments each without and with {options.effect:g} points"
    print(f"\n{cells} cells, {each}; {seconds:.0f} s")
    print(f"cells whose 99 % lower bound exceeds .05: {failed} of {cells}")
    sys.exit(1 if failed else 0)


def _row(cell: Cell, rates: Rates) -> str:
    place = f"| {cell.trial:g} | {cell.person:g} | {cell.missing:.0%} | {'yes' if cell.ceiling else 'no'} "
    level = f"| {rates.primary:.4f} [{rates.low:.4f}, {rates.high:.4f}]{' FAIL' if rates.failed else ''} "
    rest = (rates.raw, rates.coverage, rates.coverage_effect, rates.power)
    return place + level + "".join(f"| {rate:.3f} " for rate in rest) + "|"


if __name__ == "__main__":
    main()
