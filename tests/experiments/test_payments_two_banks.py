"""The two-bank optimum: closed form, brute force, and a scripted proposer that finds it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.payments import TWO, WAITING, optimise, proposing, solved

from harness.errors import ConfigurationError
from harness.experiments.payments.settlement import Cost, Rates, costs
from harness.runner.result import Reason
from tests.support.two_banks import FIRST, SECOND, TwoBanks


def cost(two: TwoBanks, first: int, second: int, bank: str) -> int:
    return costs(two.day, {FIRST: first, SECOND: second}, two.ticks, two.rates)[bank].total


def brute(two: TwoBanks, step: int, most: int) -> tuple[int, int]:
    """A chooses knowing that B answers with what is best for B: both tried out on a grid."""
    grid = range(0, most + 1, step)
    answers = {first: min(grid, key=lambda second: cost(two, first, second, SECOND)) for first in grid}
    best = min(grid, key=lambda first: cost(two, first, answers[first], FIRST))
    return best, answers[best]


def test_the_optimum_on_paper() -> None:
    assert TWO.optimum() == {FIRST: (100_000, Cost(1_000, 0, 0)), SECOND: (50_000, Cost(500, 0, 0))}
    assert WAITING.optimum() == {FIRST: (0, Cost(0, 2_000, 0)), SECOND: (150_000, Cost(4_500, 0, 0))}


@pytest.mark.parametrize("two", [TWO, WAITING, replace(TWO, x=150_000, y=100_000)])
def test_brute_force_agrees(two: TwoBanks) -> None:
    optimum = two.optimum()
    assert brute(two, 10_000, 300_000) == (optimum[FIRST][0], optimum[SECOND][0])


def test_paying_at_once_is_also_the_least_that_the_two_together_can_have() -> None:
    grid = range(0, 300_001, 10_000)
    totals = (cost(TWO, one, other, FIRST) + cost(TWO, one, other, SECOND) for one in grid for other in grid)
    assert min(totals) == sum(paid.total for _, paid in TWO.optimum().values()) == 1_500


_cases = st.builds(
    lambda x, y, a, wait, rest, liquidity, delay, unsettled: (
        x, y, a, a + wait, a + wait + rest, Rates(liquidity, delay, unsettled)
    ),
    st.integers(1, 12), st.integers(1, 12), st.integers(0, 2), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 40).map(lambda rate: rate * 1_000), st.integers(1, 20).map(lambda rate: rate * 1_000),
    st.integers(0, 60).map(lambda rate: rate * 1_000),
)  # fmt: skip


@given(_cases)
def test_nobody_gains_by_another_policy(case: tuple[int, int, int, int, int, Rates]) -> None:
    x, y, a, b, ticks, rates = case
    assume(rates.liquidity < rates.unsettled + rates.delay * (ticks - b))
    two = TwoBanks(x, y, a, b, ticks, rates)
    (first, first_cost), (second, second_cost) = two.optimum()[FIRST], two.optimum()[SECOND]
    assert cost(two, first, second, FIRST) == first_cost.total
    assert cost(two, first, second, SECOND) == second_cost.total
    grid = range(0, x + y + 2)
    assert min(cost(two, one, second, FIRST) for one in grid) == first_cost.total
    assert min(cost(two, first, one, SECOND) for one in grid) == second_cost.total
    chosen = brute(two, 1, x + y + 1)
    assert cost(two, *chosen, FIRST) == first_cost.total


@pytest.mark.parametrize("two", [TWO, WAITING])
def test_a_scripted_proposer_finds_it(two: TwoBanks) -> None:
    grid = range(0, 400_001, 10_000)
    once_round = solved(two, max_iterations=200, window=len(grid))  # nobody gains by anything on the grid
    _, result, _ = optimise(once_round, proposing(*grid, *grid, *grid, *grid))
    optimum = two.optimum()
    assert result.convergence_reason == Reason.STABILITY_REACHED
    assert {bank: policy["opening_liquidity"] for bank, policy in result.final_policies.items()} == {
        bank: amount for bank, (amount, _) in optimum.items()
    }
    assert result.final_costs == {bank: paid.total for bank, (_, paid) in optimum.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"b": 1}, "expected 0 <= a < b < ticks"),
        ({"b": 10}, "expected 0 <= a < b < ticks"),
        ({"x": 0}, "expected 1 cent or more each"),
        ({"rates": Rates(5_000, 50, 2_000)}, "expected liquidity to be cheaper"),
    ],
)
def test_where_the_closed_form_does_not_hold_it_says_so(change: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        replace(TWO, **change)
