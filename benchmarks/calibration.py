"""Calibration: how often the primary analysis of each design finds an effect where there is none.

    python benchmarks/calibration.py [--runs 10000] [--effect 0.5] [--design-runs 3000] [--seed 1]

First the designs: two arms, a 2 × 2 with the effects of its factors, and five arms (each against the first, every
pair, named contrasts), with two metrics, 12 blocks and 2 reps; two arms and the 2 × 2 also between personas, with 12
panels per arm. ``--design-runs`` experiments without an effect are
analysed as a run is, by `harness.stats.analyse`. Printed: the share with a false positive, that is any adjusted
p ≤ .05, with its exact binomial 99 % bounds; and the share of p ≤ .05 before adjustment. Each again with one arm whose
trials vary twice as much. The 2 × 2 is then given an interaction and no main effect: the power for it, and the false
positives besides.

Then questionnaires: each trial is one persona, 60 of them (in each arm, between personas). In an unequal sample the
personas with an effect of +1 are four times as many as those with −1, who are as many in the population. Random items
have their own differences, of 0 on average. Families are corrected as a run's are.

Then two arms in detail. For each cell of a grid of trial SD, persona SD, missing scores and ceiling, ``--runs``
experiments of exp_3's size (4 panels × 3 proposals × 2 reps, 5 personas) are simulated with no effect, and again with
one of ``--effect`` points. Printed: the share of p ≤ .05 of the primary analysis with its Monte-Carlo 99 % bounds; how
often its 95 % interval covers the true difference, without and with the effect; its power; and the share of p ≤ .05 of
Welch on raw scores, the yardstick. Residual SD is 1.2 points. ``ceiling`` rounds scores to 0–9 around 8.5, so that half
of them sit at 9.

The exit code is 1 when the lower bound of any design or cell exceeds .05: then the primary analysis calls chance an
effect. A rate below .05 is careful, and is only reported.

At a ceiling an effect cannot show in full; the difference that is true there is the mean over all experiments.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import NamedTuple

import numpy as np

from harness.stats.components import Components, Sizes
from harness.stats.power import monte_carlo
from harness.stats.simulation import Many, blocked_many, simulate
from tests.support.families import DESIGNS, INTERACTION, Design, Found, interaction
from tests.support.families import simulate as simulate_design
from tests.support.persona_families import FAMILIES, simulate_family
from tests.support.scores import welch_many

DESIGN = Sizes(reps=2, panels=4, proposals=3, people=5)
RESIDUAL = 1.2
TRIAL, PERSON, MISSING = (0.0, 0.5, 1.0), (0.0, 0.8), (0.0, 0.1)
CEILING = {False: (5.0, None), True: (8.5, (0.0, 9.0))}
ALPHA = 0.05
PLANTED = 1.5
"""Points of the interaction that is planted in the 2 × 2."""
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


class DesignRow(NamedTuple):
    """One line of the table of designs."""

    design: Design
    setting: str
    spread: dict[str, float]
    shifts: dict[str, float]
    planted: str = ""


def design_rows() -> Iterator[DesignRow]:
    for design in DESIGNS:
        loud = {design.groups[0]: 2.0}
        yield DesignRow(design, "arms vary alike", {}, {})
        yield DesignRow(design, f"{design.groups[0]} varies twice as much", loud, {})
    crossed = next(design for design in DESIGNS if design.effects)
    planted = f"interaction of {PLANTED:g} points"
    yield DesignRow(crossed, planted, {}, interaction(PLANTED), INTERACTION)


def _calibrated(work: tuple[DesignRow, int, int]) -> Found:
    row, runs, seed = work
    return simulate_design(row.design, runs, seed, spread=row.spread, shifts=row.shifts, planted=row.planted)


def _family(work: tuple[str, int, int]) -> Found:
    return simulate_family(*work)


def calibrate_families(runs: int, seed: int) -> int:
    """Print the table of questionnaires; how many exceed their level."""
    print("| questionnaire | false positives ≤ .05 [99 %] | p ≤ .05 before adjustment |")
    print("| --- " * 3 + "|")
    failed = 0
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        for name, found in zip(
            FAMILIES, pool.map(_family, [(name, runs, seed) for name in FAMILIES]), strict=True
        ):
            bounds = monte_carlo(found.false, found.runs)
            above = bounds.low > ALPHA
            failed += above
            level = f"{found.false / found.runs:.4f} [{bounds.low:.4f}, {bounds.high:.4f}]{' FAIL' if above else ''}"
            print(f"| {name} | {level} | {found.raw:.4f} |", flush=True)
    return failed


def calibrate_designs(runs: int, seed: int) -> int:
    """Print the table of designs; how many exceed their level."""
    rows = list(design_rows())
    print("| design | setting | false positives ≤ .05 [99 %] | p ≤ .05 before adjustment | power |")
    print("| --- " * 5 + "|")
    failed = 0
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        for row, found in zip(rows, pool.map(_calibrated, [(row, runs, seed) for row in rows]), strict=True):
            bounds = monte_carlo(found.false, found.runs)
            above = bounds.low > ALPHA
            failed += above
            power = "–" if found.power is None else f"{found.power:.3f}"
            level = f"{found.false / found.runs:.4f} [{bounds.low:.4f}, {bounds.high:.4f}]{' FAIL' if above else ''}"
            print(f"| {row.design.name} | {row.setting} | {level} | {found.raw:.4f} | {power} |", flush=True)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000, help="experiments per cell (default: 10,000)")
    parser.add_argument(
        "--design-runs", type=int, default=3_000, help="experiments per design (default: 3,000)"
    )
    parser.add_argument(
        "--effect", type=float, default=0.5, help="effect for power, in points (default: 0.5)"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    above = calibrate_designs(options.design_runs, options.seed)
    seconds = time.perf_counter() - began
    print(f"\n{options.design_runs:,} experiments per line; {seconds:.0f} s")
    print(f"designs whose 99 % lower bound exceeds .05: {above}\n", flush=True)
    above += calibrate_families(options.design_runs, options.seed)
    print(flush=True)
    failed = calibrate_two_arms(options.runs, options.effect, options.seed)
    sys.exit(1 if failed or above else 0)


def calibrate_two_arms(runs: int, effect: float, seed: int) -> int:
    """Print the table of two arms in detail; how many of its cells exceed their level."""
    began = time.perf_counter()
    print("| trial SD | persona SD | missing | ceiling | primary ≤ .05 [99 %] | raw Welch ≤ .05 | ", end="")
    print("coverage, no effect | coverage, effect | power |")
    print("| --- " * 9 + "|")
    failed = 0
    cells = list(grid())
    for number, cell in enumerate(cells):
        rates = calibrate(cell, runs, effect, np.random.default_rng([seed, number]))
        failed += rates.failed
        print(_row(cell, rates), flush=True)
    seconds = time.perf_counter() - began
    each = f"{runs:,} experiments each without and with {effect:g} points"
    print(f"\n{len(cells)} cells, {each}; {seconds:.0f} s")
    print(f"cells whose 99 % lower bound exceeds .05: {failed} of {len(cells)}")
    return failed


def _row(cell: Cell, rates: Rates) -> str:
    place = f"| {cell.trial:g} | {cell.person:g} | {cell.missing:.0%} | {'yes' if cell.ceiling else 'no'} "
    level = f"| {rates.primary:.4f} [{rates.low:.4f}, {rates.high:.4f}]{' FAIL' if rates.failed else ''} "
    rest = (rates.raw, rates.coverage, rates.coverage_effect, rates.power)
    return place + level + "".join(f"| {rate:.3f} " for rate in rest) + "|"


if __name__ == "__main__":
    main()
