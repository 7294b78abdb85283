"""F20: "accepted" is saved before the decision is made. Here an iteration is saved once, when all is decided."""

from __future__ import annotations

from support.payments import TWO, optimise, proposing, solved

from harness.experiments.payments.market import LIQUIDITY
from harness.gateway.calls import CallSite, Request
from harness.runner import IterationRecord


def test_what_is_saved_is_what_was_decided() -> None:
    saved: list[IterationRecord] = []
    runner, result, _ = optimise(solved(), proposing(TWO.x, 300_000, 0, 50_000), save=saved.append)
    assert tuple(saved) == result.iteration_history
    for record in saved:
        turns = [turn for turn in runner.turns if turn["iteration"] == record.iteration]
        assert record.accepted_changes == {turn["agent"]: turn["accepted"] for turn in turns}
        for turn in turns:
            assert turn["accepted"] == (turn["new"] < turn["old"])
            if turn["accepted"]:
                assert record.policies[turn["agent"]] == turn["proposal"]


def test_nothing_is_saved_while_a_bank_has_yet_to_propose() -> None:
    saved: list[int] = []
    seen: list[tuple[int, str, list[int]]] = []

    def answer(_: Request, site: CallSite) -> dict[str, int]:
        seen.append((site.step, site.person, list(saved)))
        return {LIQUIDITY: 100_000}

    optimise(solved(max_iterations=3), answer, save=lambda record: saved.append(record.iteration))
    assert seen == [(step, bank, list(range(1, step))) for step in (1, 2, 3) for bank in ("BANK_A", "BANK_B")]
