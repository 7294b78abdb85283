"""Optimisation runs with a scripted proposer, and the two-bank market that can be solved on paper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from support.clients import FakeClient

from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import payments, play
from harness.experiments.payments.market import LIQUIDITY, Market
from harness.experiments.payments.optimiser import PaymentsRunner
from harness.experiments.payments.proposals import Proposer
from harness.experiments.payments.settlement import Rates
from harness.gateway.calls import CallSite, Request
from harness.model import Cell, Trial, TrialPlan, TrialResult
from harness.runner import ExperimentResult
from tests.support.two_banks import TwoBanks

TWO = TwoBanks(x=100_000, y=150_000, a=1, b=5, ticks=10, rates=Rates(100, 50, 2_000))
"""A pays at once; B needs the difference."""
WAITING = replace(TWO, rates=Rates(300, 50, 2_000))
"""Liquidity is dear: A waits for B's payment."""


def solved(two: TwoBanks = TWO, **more: Any) -> PaymentsConfig:
    """The configuration of a two-bank market, both banks with more than enough at first."""
    return PaymentsConfig(
        **{
            "banks": ("BANK_A", "BANK_B"), "days": (two.day,), "ticks": two.ticks, "samples": 3,
            "liquidity_bps": two.rates.liquidity, "delay_bps": two.rates.delay, "unsettled_bps": two.rates.unsettled,
            "opening_liquidity": 400_000, "most_liquidity": 400_000, "max_iterations": 40, "window": 3, **more,
        }
    )  # fmt: skip


Answer = Callable[[Request, CallSite], Any]


def proposing(*amounts: Any) -> Answer:
    """Every bank proposes these in turn, the last again and again; an exception is raised, a text said."""
    turns: dict[str, Iterator[Any]] = {}

    def answer(_: Request, site: CallSite) -> Any:
        own = turns.setdefault(site.person, iter(amounts))
        amount = next(own, amounts[-1])
        return amount if isinstance(amount, BaseException | str | dict) else {LIQUIDITY: amount}

    return answer


def optimise(
    config: PaymentsConfig, answer: Answer, *, seed: int = 0, earlier: int | None = None, **how: Any
) -> tuple[PaymentsRunner, ExperimentResult, FakeClient]:
    """Run to the end."""
    client = FakeClient(answer)
    market = Market(config, seed)
    runner = PaymentsRunner("two", market, Proposer(client, config), seed=seed, earlier=earlier, **how)
    return runner, asyncio.run(runner.run()), client


def plan(
    config: PaymentsConfig, group: str = "Control", rep: int = 1, seed: int = 0, market: int = 0
) -> TrialPlan:
    """The plan of one optimisation run."""
    experiment = payments(config)
    return TrialPlan(
        trial=Trial(Cell("payments", group, rep), 0, market),
        personas=(),
        script=experiment.script,
        proposal=experiment.script.proposals[market],
        steps=1,
        correction=None,
        interventions=(),
        metrics=experiment.metrics,
        seed=seed,
        play=experiment.play,
        settings=experiment.settings,
        arm=experiment.group(group).settings,
    )


def played(config: PaymentsConfig, answer: Answer, **which: Any) -> tuple[TrialResult, FakeClient]:
    """One trial of the experiment."""
    client = FakeClient(answer)
    return asyncio.run(play(plan(config, **which), client)), client


def values(result: TrialResult) -> Mapping[str, float | None]:
    """Metric → value."""
    return {sample.metric: sample.value for sample in result.samples}
