"""A recorded run compared with human data: from records and data to samples, and the comparison with its checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError, expected_one_of
from harness.humans.dataset import Humans, binned
from harness.humans.microdata import code_text
from harness.model import Check, Participant
from harness.model.survey.item import Item
from harness.model.survey.items import FreeText, read_items
from harness.records import FiledRun, dataset_of, record_files, runs_in_files
from harness.records.people import people_of
from harness.stats.human_comparison.answers import AnswerSample, AnswerScale
from harness.stats.human_comparison.item_scales import rows_of, scales_of
from harness.stats.human_comparison.noise import DRAWS
from harness.stats.human_comparison.subgroups import MOST_SUBGROUPS
from harness.stats.human_comparison.survey_comparison import EVERYONE, HumanComparison, compare_survey

if TYPE_CHECKING:
    pass

REHEARSED = "a rehearsal: its answers were generated offline"


@dataclass(slots=True)
class _Rows:
    """The answers to one scale by one side and arm, as they are collected."""

    values: list[tuple[float, ...]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    persons: list[str] = field(default_factory=list)
    attributes: dict[str, list[str | None]] = field(default_factory=dict)
    opted_out: float = 0.0
    missing: int = 0

    def add(
        self, values: Iterable[tuple[tuple[float, ...], float]], person: str,
        who: Mapping[str, str | None],
    ) -> None:  # fmt: skip
        for row, weight in values:
            self.values.append(row)
            self.weights.append(weight)
            self.persons.append(person)
            for name, value in who.items():
                self.attributes.setdefault(name, []).append(value)

    def sample(self, parts: int) -> AnswerSample:
        import numpy as np

        total = sum(self.weights) + self.opted_out
        return AnswerSample.of(
            self.values if self.values else np.zeros((0, parts)),
            self.weights,
            self.persons,
            opted_out=self.opted_out / total if total else 0.0,
            missing=self.missing,
            attributes=self.attributes,
        )


Samples = dict[str, dict[str, AnswerSample]]
"""Scale → arm → sample."""


def survey_items(run: FiledRun) -> dict[str, Item]:
    """The items of the survey that ``run`` recorded; empty for another kind of run."""
    for line in run.metadata:
        declared = ((line.get("settings") or {}).get("play") or {}).get("survey")
        if isinstance(declared, list):
            return {one.name: one for one in read_items(declared)}
    return {}


def shares_items(run: FiledRun, humans: Humans) -> bool:
    """Whether people answered an item of ``run``."""
    return bool({item.name for item in humans.items} & set(survey_items(run)))


def compare_run(
    run: FiledRun,
    humans: Humans,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[str], None] = lambda _: None,
) -> HumanComparison:
    """Compare the answers of ``run`` with ``humans``.

    Raises `ConfigurationError` where the run is not a survey, or an item differs from the one that people answered.
    """
    items = survey_items(run)
    shared = _shared(run, items, humans)
    scales = [scale for item in shared for scale in scales_of(item)]
    who = people_of(run.folder, run.metadata)
    model = _model_samples(run, shared, scales, who, humans)
    people = _people_samples(humans, shared, scales)
    return compare_survey(
        [scale for scale in scales if model[scale.item] and people[scale.item]],
        model,
        people,
        attributes=_subgroup_attributes(humans, who),
        nothing_claimed=REHEARSED if run.rehearsal else None,
        seed=seed,
        draws=draws,
        progress=lambda item: progress(f"{run.experiment} beside people: {item}"),
    )


def _shared(run: FiledRun, items: Mapping[str, Item], humans: Humans) -> list[Item]:
    if not items:
        raise ConfigurationError(
            f"{run.experiment}, run {run.run_id}: is not a survey; expected a run of one."
        )
    problems = []
    for item in humans.items:
        mine = items.get(item.name)
        if mine is not None and _answers_allowed(mine) != _answers_allowed(item):
            problems.append(
                f"Item {item.name!r}: its answers in run {run.run_id} differ from those that the data of "
                f"{humans.name} were bound to. Add the data again."
            )
    shared = [items[item.name] for item in humans.items if item.name in items]
    if not shared:
        first = humans.items[0].name
        problems.append(
            f"{humans.name}: people answered no item of {run.experiment}; "
            f"{expected_one_of(first, list(items))}"
        )
    if problems:
        raise ConfigurationError(*problems)
    return shared


def _answers_allowed(item: Item) -> dict[str, Any]:
    """What identifies the answers to an item: all but its wording, condition and order."""
    return {key: one for key, one in item.declared.items() if key not in ("question", "when", "shuffle")}


def _model_samples(
    run: FiledRun,
    items: Sequence[Item],
    scales: Sequence[AnswerScale],
    who: Mapping[str, Mapping[str, Participant]],
    humans: Humans,
) -> Samples:
    rows = {scale.item: {arm: _Rows() for arm in run.design.groups} for scale in scales}
    for outcome in run.outcomes.values():
        record = outcome.accepted
        if record is None or record.get("group") not in run.design.groups:
            continue
        person = str((record.get("people") or [""])[0])
        known = who.get(record["group"], {}).get(person)
        weight = known.weight if known is not None and 0 < known.weight < math.inf else 1.0
        attributes = {
            name: binned(_text(known and known.attributes.get(name)), humans.bins.get(name, ()))
            for name in humans.attributes
        }
        for item in items:
            answer = (record.get("answers") or {}).get(item.name) or {}
            for name, values in _weighted(item, answer, weight):
                arm = rows[name][record["group"]]
                if values is None:
                    arm.missing += answer.get("status") != "skipped"
                elif values == ():
                    arm.opted_out += weight
                else:
                    arm.add(values, person, attributes)
    parts = {scale.item: len(scale.parts) for scale in scales}
    return {
        name: {arm: one.sample(parts[name]) for arm, one in arms.items() if one.values or one.missing}
        for name, arms in rows.items()
    }


def _weighted(
    item: Item, answer: Mapping[str, Any], weight: float
) -> Iterator[tuple[str, tuple[tuple[tuple[float, ...], float], ...] | None]]:
    """Scale → weighted rows of one answer: none for an opt-out, several where it has probabilities of options.

    ``None`` where it is missing or skipped.
    """
    names = [scale.item for scale in scales_of(item)]
    value = answer.get("category") if isinstance(item, FreeText) else answer.get("value")
    chances = answer.get("probabilities")
    if isinstance(chances, Mapping) and answer.get("status") == "answered":
        rows: list[tuple[tuple[float, ...], float]] = []
        for option, chance in chances.items():
            given: Any = int(option) if item.kind == "likert" and str(option).isdigit() else option
            if chance and not item.is_opt_out(given):
                rows += [(row, weight * chance) for _, row in rows_of(item, given) if row is not None]
        yield names[0], tuple(rows)
    elif answer.get("status") not in ("answered", "opt out") or value is None:
        yield from ((name, None) for name in names)
    else:
        yield from ((name, () if row is None else ((row, weight),)) for name, row in rows_of(item, value))


def _people_samples(humans: Humans, items: Sequence[Item], scales: Sequence[AnswerScale]) -> Samples:
    arms = list(dict.fromkeys(arm for arm in humans.arms if arm)) if humans.arms else [EVERYONE]
    rows = {scale.item: {arm: _Rows() for arm in arms} for scale in scales}
    groups = {
        name: [binned(value, humans.bins.get(name, ())) for value in values]
        for name, values in humans.attributes.items()
    }
    for respondent in range(humans.respondents):
        weight = 1.0 if humans.weights is None else humans.weights[respondent]
        arm = EVERYONE if humans.arms is None else humans.arms[respondent]
        if not weight or arm is None:
            continue
        who = {name: values[respondent] for name, values in groups.items()}
        for item in items:
            answer = humans.answers[item.name][respondent]
            named = (
                ((scale.item, None) for scale in scales_of(item)) if answer is None else rows_of(item, answer)
            )
            for name, row in named:
                found = rows[name][arm]
                if answer is None:
                    found.missing += 1
                elif row is None:
                    found.opted_out += weight
                else:
                    found.add(((row, weight),), str(respondent), who)
    parts = {scale.item: len(scale.parts) for scale in scales}
    return {
        name: {arm: one.sample(parts[name]) for arm, one in found.items() if one.values}
        for name, found in rows.items()
    }


def _text(value: Any) -> str | None:
    return None if value is None else code_text(value)


def _subgroup_attributes(
    humans: Humans, who: Mapping[str, Mapping[str, Participant]]
) -> dict[str, list[str]]:
    """The attributes that people and personas have, with few enough values: these, sorted, or in order of bins."""
    found = {}
    for name, values in humans.attributes.items():
        bins = humans.bins.get(name, ())
        if bins:
            groups = list(dict.fromkeys(binned(str(one), bins) or "" for one in (bins[0] - 1, *bins)))
        else:
            groups = sorted({value for value in values if value is not None})
        known = any(name in one.attributes for arm in who.values() for one in arm.values())
        if 2 <= len(groups) <= MOST_SUBGROUPS and known:
            found[name] = groups
    return found


@dataclass(frozen=True, eq=False)
class PeopleComparison:
    """A run beside human data, with its validity checks; printed, it is the text of ``harness humans compare``.

    ``orders`` are the run's own checks of the order of items and options, and ``notes`` cautions about the size of a
    local model.
    """

    run: FiledRun = field(repr=False)
    humans: Humans
    found: HumanComparison = field(repr=False)
    checks: tuple[Check, ...] = field(repr=False)
    orders: tuple[Check, ...] = field(repr=False)

    @property
    def rehearsal(self) -> bool:
        return self.run.rehearsal

    @property
    def notes(self) -> tuple[str, ...]:
        from harness.reports.local_models import local_models

        return tuple(dict.fromkeys(note for line in self.run.metadata for note in local_models(line)))

    @property
    def verdicts(self) -> dict[tuple[str, str], str | None]:
        """(item, arm) → the verdict; ``None`` where nothing is claimed."""
        return {(one.item, one.group): one.verdict for one in self.found.items}

    def __str__(self) -> str:
        from harness.reports.human_comparison import comparison_parts
        from harness.reports.parts import as_text

        return as_text(comparison_parts(self))


def compared(
    run: FiledRun,
    humans: Humans,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[str], None] = lambda _: None,
) -> PeopleComparison:
    """Compare a run with human data, and check it. Raises `ConfigurationError` as `compare_run` does."""
    from harness.checks import answer_order
    from harness.checks.checked_run import CheckedRun
    from harness.checks.human_comparison import human_checks

    found = compare_run(run, humans, seed=seed, draws=draws, progress=progress)
    subject = CheckedRun(run, dataset_of(run))
    orders = (*answer_order.option_order(subject), *answer_order.item_order(subject))
    return PeopleComparison(run, humans, found, tuple(human_checks(found)), orders)


def survey_runs(
    results: Iterable[Path], experiments: Sequence[str] = (), run_ids: Sequence[str] = ()
) -> list[FiledRun]:
    """The runs of surveys in ``results``: those named, else the newest of each experiment.

    A rehearsal counts only where there is no other run. Raises `HarnessError` where nothing fits.
    """
    places = list(results)
    runs = [run for run in runs_in_files(record_files(places)) if survey_items(run)]
    where = ", ".join(map(str, places))
    known = {"Experiment": {run.experiment for run in runs}, "Run": {run.run_id for run in runs}}
    problems = [
        f"{kind} {name!r}: no survey of that name in {where}; {expected_one_of(name, sorted(known[kind]))}"
        for kind, names in (("Experiment", experiments), ("Run", run_ids))
        for name in names
        if name not in known[kind]
    ]
    if not runs:
        problems = [f"{where}: holds no run of a survey; expected one."]
    if problems:
        raise ConfigurationError(*problems)
    if run_ids:
        return [run for run in runs if run.run_id in run_ids]
    newest: dict[str, FiledRun] = {}
    for run in sorted(runs, key=lambda run: (not run.rehearsal, run.design.only is None, run.run_id)):
        if not experiments or run.experiment in experiments:
            newest[run.experiment] = run
    return [newest[name] for name in sorted(newest)]
