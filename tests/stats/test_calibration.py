"""A small A/A calibration; benchmarks/calibration.py runs the whole grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.model import Respondents
from harness.stats import analyse
from harness.stats.components import Components, Sizes
from harness.stats.power import monte_carlo
from harness.stats.simulation import blocked_many, simulate
from tests.support.families import DESIGNS, INTERACTION, Design, interaction
from tests.support.families import simulate as simulate_design
from tests.support.persona_families import FAMILIES, simulate_family, unequal
from tests.support.scores import welch_many

DESIGN = Sizes(reps=2, panels=4, proposals=3, people=5)


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize(("mean", "scale"), [(5.0, None), (8.5, (0.0, 9.0))])
@pytest.mark.parametrize(("trial", "person"), [(0.0, 0.0), (0.5, 0.8), (1.0, 0.0)])
def test_control_against_control(
    trial: float, person: float, mean: float, scale: tuple[float, float] | None, missing: float
) -> None:
    rng = np.random.default_rng(4)
    components = Components(trial**2, person**2, 0.0, 1.44)
    arms = simulate(components, 0.0, DESIGN, 1000, rng, mean=mean, missing=missing, scale=scale)
    found = blocked_many(*arms)
    rejected = int(np.count_nonzero(found.p <= 0.05))
    assert monte_carlo(rejected, 1000).low <= 0.05
    assert np.mean((found.low <= 0) & (found.high >= 0)) >= 0.93
    if trial == 1.0:
        assert monte_carlo(int(np.count_nonzero(welch_many(*arms).p <= 0.05)), 1000).low > 0.05


ONE_METRIC = [replace(design, metrics=1) for design in DESIGNS]


@pytest.mark.parametrize("design", ONE_METRIC, ids=lambda design: design.name)
def test_no_analysis_of_a_design_calls_chance_an_effect_more_often_than_its_level(design: Design) -> None:
    found = simulate_design(design, 120, seed=3)
    assert monte_carlo(found.false, found.runs).low <= 0.05
    assert 0.02 <= found.raw <= 0.09


def test_a_planted_interaction_is_found_and_nothing_else() -> None:
    crossed = next(design for design in ONE_METRIC if design.effects)
    found = simulate_design(crossed, 60, seed=3, shifts=interaction(3.0), planted=INTERACTION)
    assert found.power is not None and found.power > 0.9
    assert monte_carlo(found.false, found.runs).low <= 0.05


QUICK = [name for name in FAMILIES if "weighted" in name or "random" in name]


@pytest.mark.parametrize("name", QUICK)
def test_no_analysis_of_a_questionnaire_calls_chance_an_effect_more_often_than_its_level(name: str) -> None:
    found = simulate_family(name, 60, seed=3)
    assert monte_carlo(found.false, found.runs).low <= 0.05


def test_an_analysis_that_ignored_the_weights_would_call_chance_an_effect() -> None:
    rng = np.random.default_rng(3)
    data = [replace(unequal(rng, between=False), respondents=Respondents()) for _ in range(80)]
    found = [one.primary.p for each in data for one in analyse(each, with_secondary=False).comparisons]
    assert monte_carlo(sum(p is not None and p <= 0.05 for p in found), 80).low > 0.05
