"""Read a run from its records: every planned turn, failed ones included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.experiments.tool_variants.scenarios import TurnOutcome
from harness.records import FiledRun
from harness.records.reader import TrialHistory

APPROPRIATE = "appropriate"
"""The metric: 1 if the scenario accepts the outcome, else 0."""
FAILED = "failed"
"""The class of turns without a reply for an external reason: an outage, a limit. Their outcome is unknown."""
CLASSES = (*(outcome.value for outcome in TurnOutcome), FAILED)
"""All classes of planned turns."""


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """One planned turn. ``appropriate`` is 1 or 0; in a failed turn it and the numbers of the reply are ``None``.

    ``asked_again`` counts rejected replies before this one; ``why`` is the fault, if any.
    """

    variant: str
    scenario: str
    rep: int
    outcome: str
    appropriate: float | None
    tokens: float | None = None
    latency: float | None = None
    asked_again: int = 0
    why: str = ""


@dataclass(frozen=True)
class VariantsRun:
    """A run. ``scenarios`` maps planned scenarios to categories; ``left_out`` are those that a part omits.

    The other ``variants`` are compared with the first. ``tools`` has each variant's schemas.
    """

    run_id: str
    model: str
    temperature: float | None
    rehearsal: bool
    reps: int
    variants: tuple[str, ...]
    scenarios: Mapping[str, str]
    left_out: tuple[str, ...]
    turns: tuple[PlannedTurn, ...]
    tools: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    rule: Mapping[str, Any] = field(default_factory=dict)

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.scenarios.values()))

    def of(self, variant: str, scenarios: Iterable[str] | None = None) -> list[PlannedTurn]:
        """The turns of ``variant``, in all scenarios or in the given ones."""
        wanted = set(self.scenarios if scenarios is None else scenarios)
        return [turn for turn in self.turns if turn.variant == variant and turn.scenario in wanted]

    def within(self, category: str) -> list[str]:
        """The scenarios of ``category``."""
        return [scenario for scenario, own in self.scenarios.items() if own == category]


def read_run(run: FiledRun) -> VariantsRun:
    """Read ``run``; it needs only the short details of each record."""
    line = next(iter(run.metadata), {})
    proposals = ((line.get("script") or {}).get("words") or {}).get("proposals") or ()
    ids = [str(one.get("id", number)) for number, one in enumerate(proposals)]
    ids = (ids or [str(number) for number in range(run.design.proposals)])[: run.design.proposals]
    categories = {name: str(one.get("category", "")) for name, one in zip(ids, proposals, strict=False)}
    chosen = range(len(ids)) if run.design.only is None else run.design.only
    own = {str(one.get("group")): one for one in run.metadata}
    return VariantsRun(
        run_id=run.run_id,
        model=str(line.get("model")),
        temperature=line.get("temperature"),
        rehearsal=run.rehearsal,
        reps=run.design.reps,
        variants=run.design.groups,
        scenarios={ids[number]: categories.get(ids[number], "") for number in chosen},
        left_out=tuple(name for number, name in enumerate(ids) if number not in chosen),
        turns=tuple(_turns(run, ids)),
        tools={variant: own.get(variant, {}).get("tools") or () for variant in run.design.groups},
        rule=line.get("decision") or {},
    )


def _turns(run: FiledRun, ids: Sequence[str]) -> Iterator[PlannedTurn]:
    for variant in run.design.groups:
        for trial in run.design.trials(run.experiment, variant):
            yield _turn(variant, ids[trial.proposal], trial.cell.rep, run.outcomes.get(trial.id))


def _turn(variant: str, scenario: str, rep: int, tried: TrialHistory | None) -> PlannedTurn:
    if tried is None:
        return PlannedTurn(variant, scenario, rep, FAILED, None, why="not run")
    if tried.accepted is None:
        last = tried.failures[-1]
        why = str(last.get("reason") or last.get("kind") or "")
        if _empty(last):
            return PlannedTurn(variant, scenario, rep, TurnOutcome.EMPTY.value, 0.0, why=why)
        return PlannedTurn(variant, scenario, rep, FAILED, None, why=why)
    record = tried.accepted
    return PlannedTurn(
        variant,
        scenario,
        rep,
        str(record.get("outcome")),
        _scored(record),
        tokens=_number(record.get("tokens_total")),
        latency=_number(record.get("latency")),
        asked_again=len(record.get("rejections") or ()),
        why=str(record.get("why") or ""),
    )


def _scored(record: Mapping[str, Any]) -> float | None:
    values = (one.get("value") for one in record.get("samples") or () if one.get("metric") == APPROPRIATE)
    return _number(next(values, None))


def _empty(failure: Mapping[str, Any]) -> bool:
    """Whether the turn failed because the model said nothing in every try: that is an outcome, and not appropriate."""
    rejections = failure.get("rejections") or ()
    unusable = "no acceptable reply" in str(failure.get("reason"))
    return unusable and bool(rejections) and all(map(_says_nothing, rejections))


def _says_nothing(rejection: Mapping[str, Any]) -> bool:
    return str(rejection.get("reason")).startswith("empty")


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
