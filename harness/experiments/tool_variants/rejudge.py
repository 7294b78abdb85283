"""Judge recorded outcomes again by the current rules, without a model call and without changing a record."""

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
    """One trial. ``now`` is the outcome by the current rules, or ``None`` if undefined.

    ``why`` is the reason without an outcome, else the fault of the turn, if any.
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
    """Judge every accepted record of ``run`` again from its text and calls, in the order of the design."""
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
    known = (str(record["trial"]), name, scenario_id, record["rep"], str(record.get("outcome")))
    before = bool(record.get("appropriate"))
    variant, scenario, calls = variants.get(name), scenarios.get(scenario_id), record.get("tool_calls")
    if variant is None or scenario is None:
        gone = f"variant {name}" if variant is None else f"scenario {scenario_id}"
        return Rejudged(*known, None, before, None, f"{gone} no longer exists")
    if stamp is None or not isinstance(calls, list) or not isinstance(record.get("response_text"), str):
        return Rejudged(*known, None, before, None, "the record lacks time, text or calls")
    judged = judge(variant, scenario, spoken(record), calls, datetime.fromisoformat(stamp))
    return Rejudged(*known, judged.outcome.value, before, judged.outcome in scenario.accept, judged.why)


def changes(rejudged: Sequence[Rejudged]) -> Table:
    """A row per variant and kind of change, with its number of turns; no rows without changes."""
    kinds = Counter(
        (one.variant, _class(one.before, one.appropriate_before), _class(one.now, one.appropriate_now))
        for one in rejudged
        if one.changed
    )
    rows = tuple((*kind, str(count)) for kind, count in sorted(kinds.items()))
    return Table(("variant", "recorded", "by current rules", "turns"), rows, left=3)


def _class(outcome: str | None, appropriate: bool | None) -> str:
    return f"{outcome}, {'appropriate' if appropriate else 'not appropriate'}"
