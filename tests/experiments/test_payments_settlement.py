"""A settlement day: queues, incoming money, costs in whole cents."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiments.payments.settlement import (
    Cost,
    Payment,
    Rates,
    Waited,
    charge,
    costs,
    mean_cents,
    settle,
)

RATES = Rates(liquidity=60, delay=12, unsettled=1_000)
BANKS = ("A", "B", "C")


def pay(tick: int, sender: str, receiver: str, amount: int) -> Payment:
    return Payment(tick, sender, receiver, amount)


def test_what_is_covered_settles_at_once() -> None:
    assert settle([pay(0, "A", "B", 100)], {"A": 100, "B": 0}, 3) == {"A": Waited(0, 0), "B": Waited(0, 0)}


def test_zero_is_an_opening_like_any_other() -> None:
    assert settle([pay(1, "A", "B", 100)], {"A": 0, "B": 0}, 3)["A"] == Waited(200, 100)


def test_the_queue_is_first_in_first_out() -> None:
    day = [pay(0, "A", "B", 100), pay(0, "A", "B", 1)]
    assert settle(day, {"A": 50, "B": 0}, 2)["A"] == Waited(202, 101), (
        "a small payment waits behind a large one"
    )


def test_incoming_money_can_be_used_at_once() -> None:
    day = [pay(0, "A", "B", 100), pay(0, "B", "C", 100), pay(0, "C", "A", 100)]
    assert all(one == Waited(0, 0) for one in settle(day, {"A": 100, "B": 0, "C": 0}, 1).values())
    assert all(one == Waited(100, 100) for one in settle(day, {"A": 99, "B": 0, "C": 0}, 1).values())


def test_a_payment_waits_until_money_comes() -> None:
    day = [pay(1, "A", "B", 100), pay(4, "B", "A", 70)]
    assert settle(day, {"A": 30, "B": 70}, 6)["A"] == Waited(300, 0), "ticks 1, 2 and 3"


def test_costs_are_rounded_up_once_per_part_and_day() -> None:
    day = [pay(0, "A", "B", 1), pay(0, "A", "B", 1)]
    assert costs(day, {"A": 0, "B": 1}, 1, RATES)["A"] == Cost(0, 1, 1)
    assert costs(day, {"A": 0, "B": 1}, 1, RATES)["B"] == Cost(1, 0, 0)


@pytest.mark.parametrize(
    ("rate", "cents", "charged"), [(60, 10_000, 60), (60, 1, 1), (60, 0, 0), (0, 99, 0), (1, 10_001, 2)]
)
def test_charges_are_rounded_up(rate: int, cents: int, charged: int) -> None:
    assert charge(rate, cents) == charged


@pytest.mark.parametrize(("amounts", "mean"), [([1, 2], 2), ([1, 1, 2], 1), ([0], 0), ([5, 6, 6], 6)])
def test_means_are_rounded_half_up(amounts: list[int], mean: int) -> None:
    assert mean_cents(amounts) == mean


_payment = st.builds(
    lambda tick, pair, amount: Payment(tick, *pair, amount),
    st.integers(0, 4),
    st.permutations(BANKS).map(lambda banks: tuple(banks[:2])),
    st.integers(1, 50),
)
_days = st.lists(_payment, max_size=12).map(lambda day: sorted(day, key=lambda one: one.tick))
_openings = st.fixed_dictionaries({bank: st.integers(0, 120) for bank in BANKS})


@given(_days, _openings, st.permutations(BANKS))
def test_the_order_of_banks_makes_no_difference(
    day: list[Payment], opening: dict[str, int], order: list[str]
) -> None:
    assert settle(day, {bank: opening[bank] for bank in order}, 5) == settle(day, opening, 5)


@given(_days, _openings, st.sampled_from(BANKS), st.integers(1, 50))
def test_more_liquidity_never_delays_anybody(
    day: list[Payment], opening: dict[str, int], bank: str, more: int
) -> None:
    before, after = settle(day, opening, 5), settle(day, {**opening, bank: opening[bank] + more}, 5)
    assert all(after[one].queued <= before[one].queued for one in BANKS)


@given(_days, _openings)
def test_what_is_unsettled_waited_too_and_enough_settles_all(
    day: list[Payment], opening: dict[str, int]
) -> None:
    assert all(one.unsettled <= one.queued for one in settle(day, opening, 5).values())
    plenty = dict.fromkeys(opening, sum(one.amount for one in day))
    assert set(settle(day, plenty, 5).values()) == {Waited(0, 0)}


def test_prices_are_linear_in_rates() -> None:
    day = [pay(0, "A", "B", 10_000)]
    dear = costs(day, {"A": 0, "B": 0}, 2, replace(RATES, delay=24))["A"]
    assert dear == Cost(0, 48, 1_000)
