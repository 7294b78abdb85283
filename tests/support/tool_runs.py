"""Made-up runs of the study of tool variants: records as a session writes them, outcomes as a test wants them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness.checks import CheckRunner
from harness.experiments.tool_variants.experiment import NAME, tool_variants
from harness.experiments.tool_variants.run_records import VariantsRun, read_run
from harness.experiments.tool_variants.scenarios import SCENARIOS, TurnOutcome
from harness.model import Experiment, Trial
from harness.records import Design, FiledRun, runs_in_files
from tests.support.records import START, finished, write_file

Turn = Callable[[str, int, int], bool | None]
"""(variant, number of the scenario, rep) → appropriate, or not, or ``None``: no record."""


def design(experiment: Experiment, reps: int = 3, only: Sequence[int] | None = None) -> Design:
    groups = tuple(group.name for group in experiment.groups)
    chosen = None if only is None else tuple(only)
    return Design(groups, ("appropriate", "tokens"), (), ((),), len(SCENARIOS), reps, chosen)


def write_tool_run(
    folder: Path,
    turn: Turn,
    *,
    experiment: Experiment | None = None,
    provider: str = "openai",
    run_id: str = "r1",
    reps: int = 3,
    only: Sequence[int] | None = None,
    tokens: Callable[[str], int] = lambda _: 100,
    failure: Mapping[str, Any] | None = None,
) -> list[Path]:
    """The files of a run, one per variant and rep. What has no record fails with ``failure``, where that is given."""
    made = experiment or tool_variants()
    plan = design(made, reps, only)
    found = []
    for group in made.groups:
        for rep in range(1, reps + 1):
            first = _first_line(made, plan, group.name, rep, provider, run_id)
            trials = [one for one in plan.trials(NAME, group.name) if one.cell.rep == rep]
            lines = list(_lines(trials, plan, turn, run_id, tokens, failure))
            found.append(write_file(folder / f"{NAME}_{group.name}_run{rep}_{run_id}.jsonl", first, lines))
    return found


def filed_run(folder: Path, turn: Turn, **more: Any) -> FiledRun:
    (run,) = runs_in_files(write_tool_run(folder, turn, **more), keep=CheckRunner().keep)
    return run


def told(folder: Path, turn: Turn, **more: Any) -> VariantsRun:
    return read_run(filed_run(folder, turn, **more))


def chance(*key: object) -> random.Random:
    return random.Random(repr(key))


def planted(effect: float, *, base: float = 0.45, seed: int = 0) -> Turn:
    """Scenarios differ in how hard they are; the later variants are appropriate more often by ``effect``."""

    def turn(variant: str, scenario: int, rep: int) -> bool:
        hard = chance(seed, scenario).uniform(-0.3, 0.3)
        share = base + hard + (effect if variant != "baseline" else 0)
        return chance(seed, variant, scenario, rep).random() < share

    return turn


def _first_line(
    experiment: Experiment, plan: Design, variant: str, rep: int, provider: str, run_id: str
) -> dict[str, Any]:
    arm = dict(experiment.group(variant).settings)
    own = dict(experiment.settings)
    return {
        "type": "run_metadata",
        "run_id": run_id,
        "experiment": NAME,
        "group": variant,
        "rep": rep,
        "engine": "own",
        "mode": "full",
        "provider": provider,
        "model": "some-model",
        "temperature": 0.2,
        "correction": {"enabled": False},
        "interventions": [],
        "script": {
            "sha256": "ab",
            "words": {"proposals": [dict(one) for one in experiment.script.proposals]},
        },
        **own,
        **arm,
        "settings": {"provider": provider, "own": own},
        "group_settings": {"own": arm},
        "design": plan.to_metadata(),
    }


def _lines(
    trials: Sequence[Trial],
    plan: Design,
    turn: Turn,
    run_id: str,
    tokens: Callable[[str], int],
    failure: Mapping[str, Any] | None,
) -> Iterator[dict[str, Any]]:
    for trial in trials:
        variant, rep = trial.cell.group, trial.cell.rep
        good = turn(variant, trial.proposal, rep)
        if good is not None:
            yield _line(trial, plan, good, run_id, tokens(variant))
        elif failure is not None:
            common = _line(trial, plan, False, run_id, 0)
            keys = (
                "run_id",
                "trial",
                "experiment",
                "group",
                "rep",
                "panel",
                "proposal",
                "attempt",
                "ended",
                "usage",
            )
            yield {
                "type": "trial_failure",
                "status": "failed",
                **{key: common[key] for key in keys},
                **failure,
            }


def _line(trial: Trial, plan: Design, good: bool, run_id: str, tokens: int) -> dict[str, Any]:
    scenario = SCENARIOS[trial.proposal]
    wrong = TurnOutcome.WRONG_TOOL if trial.proposal % 2 else TurnOutcome.WRONG_ARGUMENTS
    outcome = scenario.accept[0] if good else wrong
    # Arms by turns in seeded random order, so that nothing but what a test plants is wrong with the run.
    begin = START + timedelta(seconds=chance("order", trial.id).uniform(0, 600))
    more = tokens + chance("tokens", trial.id).randrange(20)
    return finished(trial, plan, lambda _, metric, __: float(good) if metric == "appropriate" else more) | {
        "type": "scenario_result",
        "run_id": run_id,
        "variant": trial.cell.group,
        "scenario_id": scenario.id,
        "category": scenario.category,
        "proposal_fields": {"id": scenario.id, "category": scenario.category, "prompt": scenario.prompt},
        "people": [],
        "transcript": [
            {"step": 1, "person": "", "kind": "stimulus", "type": "CONVERSATION", "content": scenario.prompt,
             "source": "", "target": ""},
            {"step": 1, "person": "model", "kind": "action", "type": "TALK",
             "content": f"Reply {chance('text', trial.id).random()}", "source": "", "target": ""},
        ],
        "outcome": outcome.value,
        "appropriate": good,
        "stop_reason": "stop",
        "tokens_total": more,
        "latency": 0.5 + chance("latency", trial.id).random(),
        "refusals": 0,
        "rejections": [],
        "usage": {
            "calls": {"answer": 1}, "tokens_in": more - 20, "tokens_out": 20, "cost": None,
            "models": [{"model": "some-model", "fingerprint": "fp", "replies": 1}],
        },
        "started": begin.isoformat(),
        "ended": (begin + timedelta(seconds=2)).isoformat(),
    }  # fmt: skip
