"""F43: one provider seed is passed to every repetition. Here each trial, arm and rep has a seed of its own."""

from __future__ import annotations

from itertools import product

from support.requests import ask

from harness.gateway.requests.seeds import derived_seed, seeded
from harness.model import Cell, Trial

TRIALS = [
    Trial(Cell("exp_1", group, rep), panel, proposal).id
    for group, rep, panel, proposal in product(("Control", "Treatment"), range(1, 6), range(3), range(4))
]


def seeds_of(base: int | None, own: int | None = None) -> list[int]:
    request = ask("s", "the same words in every trial", extra={} if own is None else {"seed": own})
    return [seeded(request, base, trial, 0).extra["seed"] for trial in TRIALS]


def test_no_two_trials_share_a_seed_and_a_session_again_has_the_same_ones() -> None:
    seeds = seeds_of(7)
    assert len(set(seeds)) == len(TRIALS) == 120
    assert seeds == seeds_of(7) != seeds_of(8)


def test_nor_do_they_when_foreign_code_puts_one_seed_into_all_its_requests() -> None:
    assert len(set(seeds_of(None, own=42))) == 120
    assert 42 not in seeds_of(None, own=42)


def test_asking_again_after_a_useless_reply_is_another_seed() -> None:
    assert len({derived_seed(7, TRIALS[0], occurrence) for occurrence in range(10)}) == 10
