"""Outcomes worked out again from the records, by today's rules: no model is asked, and no record is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.experiments.tool_variants.outcomes import judge, spoken
from harness.experiments.tool_variants.scenarios import SCENARIOS, Scenario
from harness.experiments.tool_variants.variants import VARIANTS, ToolVariant
from harness.records import FiledRun
from harness.reports.parts import Table

_SCENARIOS = {scenario.id: scenario for scenario in SCENARIOS}


@dataclass(frozen=True, slots=True)
class Rejudged:
    """One trial. ``now`` is the outcome by today's rules; ``None`` where it cannot be worked out, and ``why`` says why.

    ``why`` else says what is wrong with the turn, if anything is.
    """

    trial: str
    variant: str
    scenario: str
    rep: int
    before: str
    now: str | None
    appropriate_before: bool
    appropriate_now: bool | None
    why: str = ""

    @property
    def changed(self) -> bool:
        return self.now is not None and (self.before, self.appropriate_before) != (
            self.now,
            self.appropriate_now,
        )


def rejudge(
    run: FiledRun,
    variants: Mapping[str, ToolVariant] = VARIANTS,
    scenarios: Mapping[str, Scenario] = _SCENARIOS,
) -> list[Rejudged]:
    """Every accepted record of ``run`` judged again from its words and calls, in the order of the design."""
    stamp = next((line["fixed_timestamp"] for line in run.metadata if line.get("fixed_timestamp")), None)
    return [_again(record, stamp, variants, scenarios) for record in _records(run)]


def _records(run: FiledRun) -> Iterator[Mapping[str, Any]]:
    for group in run.design.groups:
        for trial in run.design.trials(run.experiment, group):
            outcome = run.outcomes.get(trial.id)
            if outcome is not None and outcome.accepted is not None:
                yield outcome.accepted


def _again(
    record: Mapping[str, Any],
    stamp: Any,
    variants: Mapping[str, ToolVariant],
    scenarios: Mapping[str, Scenario],
) -> Rejudged:
    name, scenario_id = str(record.get("variant")), str(record.get("scenario_id"))
    told = (str(record["trial"]), name, scenario_id, record["rep"], str(record.get("outcome")))
    before = bool(record.get("appropriate"))
    variant, scenario, calls = variants.get(name), scenarios.get(scenario_id), record.get("tool_calls")
    if variant is None or scenario is None:
        gone = f"variant {name}" if variant is None else f"scenario {scenario_id}"
        return Rejudged(*told, None, before, None, f"there is no {gone} any more")
    if stamp is None or not isinstance(calls, list) or not isinstance(record.get("response_text"), str):
        return Rejudged(*told, None, before, None, "the record lacks the moment, the words or the calls")
    judged = judge(variant, scenario, spoken(record), calls, datetime.fromisoformat(stamp))
    return Rejudged(*told, judged.outcome.value, before, judged.outcome in scenario.accept, judged.why)


def changes(rejudged: Sequence[Rejudged]) -> Table:
    """A row per variant and kind of change, with how many turns it happened to; no rows when all stayed the same."""
    kinds = Counter(
        (one.variant, _class(one.before, one.appropriate_before), _class(one.now, one.appropriate_now))
        for one in rejudged
        if one.changed
    )
    rows = tuple((*kind, str(count)) for kind, count in sorted(kinds.items()))
    return Table(("variant", "in the record", "by today's rules", "turns"), rows, left=3)


def _class(outcome: str | None, appropriate: bool | None) -> str:
    return f"{outcome}, {'appropriate' if appropriate else 'not appropriate'}"
