"""The experiment ``payments``: its arms, one optimisation run per trial, and its record."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.console import echo
from harness.errors import HarnessError, ModelCallError
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.market import Market
from harness.experiments.payments.optimiser import PaymentsRunner
from harness.experiments.payments.proposals import KIND, Proposer
from harness.experiments.payments.seeds import derived, master_seed
from harness.gateway.calls import ModelClient
from harness.model import (
    Event,
    Experiment,
    Group,
    Measure,
    Mode,
    Play,
    Sample,
    Script,
    TrialPlan,
    TrialResult,
)
from harness.runner import ExperimentResult, IterationRecord, RichOutput
from harness.runner.events import EventStream, iteration_data
from harness.runner.result import Reason

NAME = "payments"
MARKETS = 6
TEMPERATURE = 0.7
MAX_TOKENS = 400
EARLIER = 20
"""Earlier proposals in the prompt of a Treatment bank, the latest ones."""

GROUPS = (
    Group("Control", settings={"earlier_proposals": None}),
    Group("Treatment", settings={"earlier_proposals": EARLIER}),
)
FINAL, BEST, ITERATIONS, SHARE, CONVERGED = (
    "final_total_cost", "best_total_cost", "iterations", "accepted_share", "converged",
)  # fmt: skip


def payments(
    config: PaymentsConfig | Path | str | None = None,
    *,
    groups: Sequence[Group] = GROUPS,
    markets: int = MARKETS,
) -> Experiment:
    """Optimisation runs on ``markets`` markets, each with a different past, in three repetitions; one case per run.

    ``config`` may be a YAML file. A group's ``earlier_proposals`` is how many of a bank's own proposals, with their
    results, its prompt lists; ``None``: none are mentioned. Raises `ConfigurationError`.
    """
    if isinstance(config, str | Path):
        config = PaymentsConfig.load(Path(config))
    config = config or PaymentsConfig()
    return Experiment(
        name=NAME,
        groups=tuple(groups),
        script=Script(task="", proposals=tuple({"id": f"market_{n}"} for n in range(1, markets + 1))),
        metrics=tuple(map(Measure, (FINAL, BEST, ITERATIONS, SHARE, CONVERGED))),
        modes={
            "full": Mode(reps=3, steps=config.max_iterations),
            "fast": Mode(steps=config.max_iterations, proposals=1),
        },
        protocol="iterating",
        settings={"payments": config.as_settings()},
        temperature=TEMPERATURE,
        model_options={"max_tokens": MAX_TOKENS},
        play=Play(
            play,
            calls=calls,
            record_type="optimisation_result",
            case_per_trial=True,
            check=check,
            transcript=False,
        ),
    )


def check(experiment: Experiment) -> Iterable[str]:
    """Every fault of the groups, before the first call."""
    for group in experiment.groups:
        told = group.settings.get("earlier_proposals")
        if told is not None and (isinstance(told, bool) or not isinstance(told, int) or told < 0):
            yield (
                f"Group {group.name!r} of {experiment.name}: earlier_proposals={told!r}; "
                "expected a whole number, 0 or more, or None not to mention them."
            )


def calls(plan: TrialPlan) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Fewest: it converges at once, or no bank proposes. Most: every proposal takes all its tries."""
    config = PaymentsConfig.read(plan.settings["payments"])
    banks = len(config.banks)
    least = min(config.max_iterations, config.window + 1, config.patience)
    return {KIND: least * banks}, {KIND: config.max_iterations * banks * config.tries}


async def play(plan: TrialPlan, client: ModelClient) -> TrialResult:
    """Run one optimisation. Its lines are printed together at the end, so that overlapping runs do not mix."""
    console, saved = io.StringIO(), list[IterationRecord]()
    stream = EventStream([RichOutput(console)])
    runner = _runner(plan, client, stream, saved.append)
    try:
        result = await runner.run()
        _refuse_an_outage(result, runner)
    except HarnessError as error:
        error.details = {"turns": runner.turns, "events": stream.events}
        raise
    finally:
        echo(f"\n{console.getvalue()}", end="")
    samples, transcript = tuple(_samples(result, runner.turns)), tuple(_transcript(runner.turns))
    return TrialResult(plan.trial, samples, transcript, details=_details(result, saved, runner, stream))


def _runner(
    plan: TrialPlan, client: ModelClient, stream: EventStream, save: Callable[[IterationRecord], None]
) -> PaymentsRunner:
    config = PaymentsConfig.read(plan.settings["payments"])
    name = plan.proposal["id"]
    return PaymentsRunner(
        plan.trial.id,
        Market(config, derived(plan.seed, "market", name)),
        Proposer(client, config, plan.temperature),
        seed=master_seed(plan.seed, name, plan.trial.cell.rep),
        earlier=plan.arm.get("earlier_proposals"),
        output=stream,
        save=save,
    )


def _refuse_an_outage(result: ExperimentResult, runner: PaymentsRunner) -> None:
    """Raise `ModelCallError` if the run ended because calls failed, so that the trial runs again.

    If the model declines or cannot answer, that is an outcome: asking until it answers would select the sample.
    """
    if result.convergence_reason == Reason.PROPOSER_OUTAGE:
        patience = runner.market.config.patience
        latest = [turn for turn in runner.turns if turn["iteration"] > result.num_iterations - patience]
        failed = [turn["failure"] for turn in latest if turn["failed"] == "call"]
        if failed:
            raise ModelCallError(
                f"{result.experiment_name}: no proposal in {patience} iterations in a row; "
                f"{len(failed)} of {len(latest)} calls failed, the last: {failed[-1]}"
            )


def _samples(result: ExperimentResult, turns: Sequence[Mapping[str, Any]]) -> Iterator[Sample]:
    best, last = result.best, result.last
    assert best is not None
    assert last is not None
    yield Sample(FINAL, float(last.total_cost))
    yield Sample(BEST, float(best.total_cost))
    yield Sample(ITERATIONS, float(result.num_iterations))
    decided = [turn["accepted"] for turn in turns if turn["proposal"] is not None]
    if decided:
        yield Sample(SHARE, sum(decided) / len(decided))
    else:
        yield Sample(SHARE, None, reason="no proposal was decided on")
    yield Sample(CONVERGED, float(result.converged), justification=str(result.convergence_reason))


def _transcript(turns: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
    for turn in turns:
        text = f"no proposal: {turn['failure']}" if turn["proposal"] is None else str(dict(turn["proposal"]))
        yield Event(turn["iteration"], turn["agent"], "action", "PROPOSE", text)


def _details(
    result: ExperimentResult, saved: Sequence[IterationRecord], runner: PaymentsRunner, stream: EventStream
) -> dict[str, Any]:
    best, last = result.best, result.last
    assert best is not None
    assert last is not None
    return {
        "master_seed": runner.seed,
        "convergence_reason": str(result.convergence_reason),
        "best_iteration": best.iteration,
        "last_iteration": last.iteration,
        "iterations": [iteration_data(one) for one in saved],
        "turns": runner.turns,
        "failures": sum(turn["proposal"] is None for turn in runner.turns),
        "events": stream.events,
    }
