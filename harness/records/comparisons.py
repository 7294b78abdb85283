"""Records of pairwise comparisons, in separate files next to those of the trials.

The first line names the run; no line has a type of a trial's, so that versions without comparisons skip them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model import Cell, Judgement, Preference, Trial, Usage
from harness.records.design import Design
from harness.records.lines import usage_line
from harness.records.writer import JSONLWriter, safe_name

METADATA, RESULT, FAILURE = "comparison_metadata", "comparison", "comparison_failure"
TYPES = (METADATA, RESULT, FAILURE)
ANSWERS = ("A", "B", "tie")
BETWEEN = "~"
"""Between the two arms of a comparison's id; no name of an arm has it."""


@dataclass(frozen=True, slots=True)
class BlockPair:
    """Two arms in one block, which are compared for one preference. ``arms`` has the earlier arm first."""

    preference: Preference
    arms: tuple[str, str]
    trials: tuple[Trial, Trial]

    @property
    def id(self) -> str:
        """Unique within a run, stable across sessions: ``exp_3/Control~Treatment/rep1/panel0/proposal2/politer``."""
        trial, (one, other) = self.trials[0], self.arms
        rest = f"rep{trial.cell.rep}/panel{trial.panel}/proposal{trial.proposal}"
        return f"{trial.cell.experiment}/{one}{BETWEEN}{other}/{rest}/{self.preference.name}"


def preferences_of(settings: Mapping[str, Any]) -> list[Preference]:
    """The comparisons that the settings of a run declare."""
    declared = settings.get("preferences") or {}
    return [Preference(name, one["question"], pairs=one["pairs"]) for name, one in declared.items()]


def block_pairs(experiment: str, design: Design, preferences: Iterable[Preference]) -> Iterator[BlockPair]:
    """Every comparison that a design plans."""
    for preference in preferences:
        for one, other in preference.arms(design.groups):
            for trial in design.trials(experiment, one):
                cell = Cell(experiment, other, trial.cell.rep)
                yield BlockPair(preference, (one, other), (trial, Trial(cell, trial.panel, trial.proposal)))


def open_comparisons(
    results_dir: Path, experiment: str, run_id: str, metadata: Mapping[str, Any], timestamp: str
) -> JSONLWriter:
    """A new file for the comparisons that a session makes."""
    name = "_".join(safe_name(one) for one in (experiment, run_id, "compared", timestamp))
    first = {"type": METADATA, "run_id": run_id, "experiment": experiment, **metadata}
    return JSONLWriter(directory=results_dir, name=f"{name}.jsonl", metadata=first)


def comparison_line(
    run_id: str, pair: BlockPair, outcome: list[Mapping[str, Any]] | str, *, usage: Usage, **more: Any
) -> dict[str, Any]:
    """One try at a comparison: the answers in both orders, or the reason why there are none."""
    trial = pair.trials[0]
    failed = isinstance(outcome, str)
    return {
        "type": FAILURE if failed else RESULT,
        "run_id": run_id,
        "comparison": pair.id,
        "metric": pair.preference.name,
        "arms": list(pair.arms),
        "rep": trial.cell.rep,
        "panel": trial.panel,
        "proposal": trial.proposal,
        **({"reason": outcome} if failed else {"answers": outcome}),
        "usage": usage_line(usage),
        **more,
    }


def compared(lines: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Mapping[str, Any]], dict[str, list[str]]]:
    """The first result of each comparison, and why each failed try of one failed."""
    results: dict[str, Mapping[str, Any]] = {}
    failures: dict[str, list[str]] = {}
    for one in lines:
        name = one.get("comparison")
        if isinstance(name, str) and one.get("type") == RESULT and _are_answers(one.get("answers")):
            results.setdefault(name, one)
        elif isinstance(name, str) and one.get("type") == FAILURE:
            failures.setdefault(name, []).append(str(one.get("reason")))
    return results, failures


def _are_answers(value: Any) -> bool:
    """Whether it is an answer in each order, the earlier arm shown first in the first."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(one, Mapping) for one in value)


def judgements(
    experiment: str,
    design: Design,
    metadata: Iterable[Mapping[str, Any]],
    lines: Iterable[Mapping[str, Any]],
    finished: Container[str],
) -> Iterator[Judgement]:
    """Every comparison that a run planned, made or missing. ``finished`` are its finished trials."""
    declared = (preferences_of(line.get("settings") or {}) for line in metadata)
    preferences = next((found for found in declared if found), [])
    if not preferences:
        return
    results, failures = compared(lines)
    for pair in block_pairs(experiment, design, preferences):
        answers, reason = _answers(results.get(pair.id))
        if answers is None and reason is None:
            reason = _why_not(pair, failures.get(pair.id, ()), finished)
        trial = pair.trials[0]
        yield Judgement(
            pair.preference.name,
            pair.preference.question,
            pair.arms,
            trial.cell.rep,
            trial.panel,
            trial.proposal,
            answers,
            reason,
        )


def _answers(result: Mapping[str, Any] | None) -> tuple[tuple[str, str] | None, str | None]:
    if result is None:
        return None, None
    one, other = (answer.get("preferred") for answer in result["answers"])
    if one in ANSWERS and other in ANSWERS:
        return (one, other), None
    reasons = (answer.get("reason") for answer in result["answers"] if answer.get("preferred") not in ANSWERS)
    return None, "; ".join(dict.fromkeys(str(reason or "no reason recorded") for reason in reasons))


def _why_not(pair: BlockPair, failures: Sequence[str], finished: Container[str]) -> str:
    if failures:
        return f"failed {len(failures)} times; the last: {failures[-1]}"
    lacking = [trial.cell.group for trial in pair.trials if trial.id not in finished]
    if lacking:
        return f"the trial of {' and '.join(lacking)} did not finish"
    return "not compared yet; rerun the same command"
