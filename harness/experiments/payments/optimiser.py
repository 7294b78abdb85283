"""Optimise a market's policies: each bank proposes in turn, and a proposal that saves on the same days is accepted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from harness.experiments.payments.acceptance import ProposalVerdict, judge
from harness.experiments.payments.market import LIQUIDITY, Market, Policies
from harness.experiments.payments.prompts import BankView, PastProposal
from harness.experiments.payments.proposals import Proposal, Proposer
from harness.experiments.payments.seeds import derived
from harness.experiments.payments.settlement import mean_cents
from harness.runner import BaseExperimentRunner, IterationRecord, OutputHandlerProtocol
from harness.runner.iteration import Decision


class PaymentsRunner(BaseExperimentRunner):
    """Optimises ``market`` with ``proposer``.

    ``earlier`` is how many of its latest proposals a bank's prompt lists; ``None``: none are mentioned. ``turns``
    has one entry per bank and iteration: the proposal, its samples and seed, the deltas, the decision.
    """

    def __init__(
        self,
        name: str,
        market: Market,
        proposer: Proposer,
        *,
        seed: int,
        earlier: int | None = None,
        output: OutputHandlerProtocol | None = None,
        save: Callable[[IterationRecord], None] = lambda _: None,
        policies: Policies | None = None,
    ) -> None:
        config = market.config
        start = policies or {bank: {LIQUIDITY: config.opening_liquidity} for bank in config.banks}
        rule = config.rule
        super().__init__(
            name,
            start,
            max_iterations=config.max_iterations,
            convergence=rule,
            patience=config.patience,
            output=output,
            save=save,
        )
        self.market, self.seed, self.turns = market, seed, list[dict[str, Any]]()
        self._proposer, self._earlier = proposer, earlier
        self._past: dict[str, list[PastProposal]] = {bank: [] for bank in config.banks}

    async def decide(self, iteration: int, agent: str, policies: Mapping[str, Any]) -> Decision:
        """Ask the bank for a policy and try it on days drawn with the seed of (master, iteration, bank)."""
        proposal = await self._proposer.propose(self._view(iteration, agent, policies))
        if proposal.policy is None:
            self._note(iteration, agent, proposal)
            return Decision(False, failure=f"{proposal.kind}: {proposal.failure}")
        seed = derived(self.seed, iteration, agent)
        days = self.market.bootstrap(seed)
        old = self.market.costs(policies, days, agent)
        new = self.market.costs({**policies, agent: proposal.policy}, days, agent)
        verdict = judge(old, new, self.market.config.confidence)
        self._past[agent].append(
            PastProposal(iteration, proposal.policy[LIQUIDITY], verdict.accepted, verdict.delta)
        )
        self._note(
            iteration, agent, proposal, verdict, seed=seed, days=list(days), old=sum(old), new=sum(new)
        )
        return Decision(verdict.accepted, proposal.policy, verdict.delta)

    def _view(self, iteration: int, bank: str, policies: Policies) -> BankView:
        """The content of the bank's prompt, without anything of another bank."""
        past = self._past[bank]
        earlier = None if self._earlier is None else past[max(0, len(past) - self._earlier) :]
        pays, is_paid = self.market.flows(bank)
        cost = self.market.past(policies, bank)
        return BankView(bank, iteration, policies[bank], cost, pays, is_paid, earlier)

    def _note(
        self,
        iteration: int,
        bank: str,
        proposal: Proposal,
        verdict: ProposalVerdict | None = None,
        **tried: Any,
    ) -> None:
        turn = {
            "iteration": iteration,
            "agent": bank,
            "proposal": proposal.policy,
            "faults": list(proposal.faults),
        }
        if verdict is None:
            self.turns.append(
                {**turn, "accepted": False, "failure": proposal.failure, "failed": proposal.kind}
            )
        else:
            self.turns.append({**turn, **tried, **asdict(verdict), "deltas": list(verdict.deltas)})

    async def evaluate(self, iteration: int, policies: Mapping[str, Any]) -> Mapping[str, int]:
        """The mean cost per bank of a past day; in bootstrap mode, of days drawn for this iteration."""
        days: tuple[int, ...] = tuple(range(len(self.market.days)))
        if self.market.config.convergence == "bootstrap":
            days = self.market.bootstrap(derived(self.seed, iteration, "all banks"))
        return {
            bank: mean_cents(self.market.costs(policies, days, bank)) for bank in self.market.config.banks
        }
