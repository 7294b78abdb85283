"""The session behind ``--estimate``: an ordinary one on the offline model, in a folder that is thrown away."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.engines import make_engine
from harness.engines.tinytroupe import workers
from harness.gateway.call_observers import CallRecord
from harness.gateway.gateway import Gateway
from harness.gateway.prices import find_prices
from harness.gateway.providers import check_provider, make_provider
from harness.gateway.rates import least_rate
from harness.gateway.rehearsal.provider import MODEL, RehearsalProvider
from harness.gateway.requests.call_kinds import can_wait, role_of
from harness.model.roles import JUDGE, SEPARATE
from harness.plugin.estimate import (
    CallPace,
    ExperimentEstimate,
    GroupEstimate,
    PriceEstimate,
    Taken,
    all_together,
    estimate_group,
)
from harness.plugin.expected_calls import expected_calls
from harness.plugin.factories import NamedModels
from harness.records.comparisons import BETWEEN
from harness.runtime.cells import CellOutcome
from harness.runtime.coordinator import Parts
from harness.runtime.plan import CellPlan
from harness.runtime.runs import Conclusion
from harness.runtime.settings import Settings, without_role_models

COMPARED = "comparisons"
"""The column of pairwise comparisons."""


class CallTally:
    """A `CallObserver` that adds up the calls of a rehearsal, by (experiment, group) and kind."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], dict[str, Taken]] = defaultdict(lambda: defaultdict(Taken))
        self.judged: set[str] = set()
        """Experiments in which a judge was asked."""

    def on_call(self, call: CallRecord) -> None:
        """Add one attempt, if it was sent and answered: in a rehearsal there are no others."""
        if call.reply is None or call.replayed:
            return
        experiment, group, _ = call.trial.split("/", 2)
        if role_of(call.site) == JUDGE:
            self.judged.add(experiment)
        taken = self._taken[experiment, group][call.site.kind]
        if call.site.kind == "embedding":  # the offline model counts no tokens of those
            texts = call.request.extra.get("input", ())
            taken.add(sum(math.ceil(len(text) / 4) for text in texts), call.request.model)
        else:
            model = "" if call.request.model == MODEL else call.request.model
            taken.add(call.reply.tokens_in, model, can_wait=can_wait(call.site))

    def of(self, experiment: str, group: str) -> Mapping[str, Taken]:
        """By kind; empty when no call was made."""
        return self._taken.get((experiment, group), {})

    def compared(self, experiment: str) -> Mapping[str, Taken]:
        """The calls of pairwise comparisons, of all pairs of arms together; empty when there are none."""
        found: dict[str, Taken] = {}
        for (name, arms), kinds in self._taken.items():
            for kind, taken in kinds.items() if name == experiment and BETWEEN in arms else ():
                found.setdefault(kind, Taken()).join(taken)
        return found


class DryRun:
    """What makes a session a rehearsal, ``settings`` and `parts`, and the resulting `estimates`."""

    def __init__(self, asked: Settings, folder: Path) -> None:
        """``asked`` is what the real session would have. Raises `ConfigurationError` for an unknown provider."""
        roles = ((role, getattr(asked, f"{role}_model")) for role in SEPARATE)
        self._roles = {role: spec for role, spec in roles if spec is not None}
        for spec in (asked.model, *self._roles.values()):
            check_provider(spec)
        self._asked, self._prices = asked, find_prices(asked.prices)
        self._tally = CallTally()
        self.settings = replace(
            asked, model="rehearsal", base_url=None, judge_base_url=None, **without_role_models(),
            results_dir=folder, out=None, resume=None, fresh=False, accept_changes=False,
            accept_lost_journal=False,
            concurrency=Settings().concurrency, rpm=None, tpm=None, max_cost=None, max_calls=None, max_tokens=None,
        )  # fmt: skip

    def parts(self) -> Parts:
        """The offline model without limits, the real engines, and no observers."""
        return Parts(gateway=self._gateway, engine=make_engine)

    def _gateway(self, settings: Settings) -> Gateway:
        provider = make_provider(settings.model, seed=settings.seed)
        return Gateway(
            provider,
            roles={role: RehearsalProvider(settings.seed, model=spec) for role, spec in self._roles.items()},
            concurrency=settings.concurrency,
            temperature=settings.temperature,
            observers=[self._tally],
            maker=NamedModels(settings, provider),
        )

    def estimates(
        self, plans: Iterable[CellPlan], outcomes: Iterable[CellOutcome], conclusions: Iterable[Conclusion]
    ) -> Iterator[ExperimentEstimate]:
        """One estimate per experiment of ``plans``, all the cells that were submitted."""
        finished = {one.trial.id for outcome in outcomes for one in outcome.played if one.failure is None}
        problems = {one.experiment: one.problem for one in conclusions if one.problem is not None}
        by_experiment: dict[str, list[CellPlan]] = defaultdict(list)
        for plan in plans:
            by_experiment[plan.cell.experiment].append(plan)
        for name, cells in sorted(by_experiment.items()):
            faults = [problems[name]] if name in problems else []
            left = sum(any(one.trial.id not in finished for one in plan.trials) for plan in cells)
            if left:
                faults.append(f"{left} of {len(cells)} cells could not be rehearsed to their end.")
            yield self._estimate(cells, tuple(faults))

    def _estimate(self, cells: Sequence[CellPlan], faults: tuple[str, ...]) -> ExperimentEstimate:
        first, model = cells[0], self._asked.model
        groups = [group.name for group in first.experiment.groups]
        taken = [one for name in groups for one in self._tally.of(first.cell.experiment, name).values()]
        taken += self._tally.compared(first.cell.experiment).values()
        bill, pace = PriceEstimate(model, self._prices, taken), self._pace(cells)
        in_groups = ([plan for plan in cells if plan.cell.group == name] for name in groups)
        estimated = tuple(self._group(plans, bill) for plans in in_groups if plans)
        if compared := self._tally.compared(first.cell.experiment):
            estimated += (estimate_group(COMPARED, 0, compared, (Counter(), Counter()), bill, pace),)
        return ExperimentEstimate(
            experiment=first.cell.experiment,
            mode=first.mode_name,
            reps=first.reps,
            engine=", ".join(sorted({plan.engine for plan in cells})),
            model=model,
            judge_model=self._asked.judge_model if first.cell.experiment in self._tally.judged else None,
            prices=bill.prices,
            seed=self._asked.seed,
            pace=pace,
            groups=estimated,
            total=all_together(estimated, pace),
            price=bill.price,
            price_reason=bill.reason,
            faults=faults,
        )

    def _group(self, plans: Sequence[CellPlan], bill: PriceEstimate) -> GroupEstimate:
        least, most = Counter[str](), Counter[str]()
        for plan in plans:
            low, high = expected_calls(plan.engine, plan.trials)
            least.update(low)
            most.update(high)
        cell, trials = plans[0].cell, sum(len(plan.trials) for plan in plans)
        taken = self._tally.of(cell.experiment, cell.group)
        return estimate_group(cell.group, trials, taken, (least, most), bill, self._pace(plans))

    def _pace(self, plans: Sequence[CellPlan]) -> CallPace:
        return CallPace(
            _lanes(plans, self._asked),
            self._asked.seconds_per_call,
            *(
                least_rate(rate, self._asked.model.partition(":")[0])
                for rate in (self._asked.rpm, self._asked.tpm)
            ),
        )


def _lanes(plans: Sequence[CellPlan], asked: Settings) -> int:
    """Calls in flight at a time: everyone's in a panel × trials at once, and no more than the concurrency."""
    trials = [trial for plan in plans for trial in plan.trials]
    at_once = min(len(trials), asked.trial_window or len(trials))
    if any(plan.engine == "tinytroupe" for plan in plans):
        at_once = min(at_once, workers(asked))
    lanes = at_once * max(1, *(len(trial.personas) for trial in trials))
    return min(lanes, asked.concurrency or lanes)
