"""The artifact of an experiment, in TinyTroupe's own structure, and its meta file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Protocol

from harness.model import Trial
from harness.model.observation import is_answer_without_number
from harness.records.design import Design
from harness.records.reader import SampleColumns, TrialHistory, is_number

Results = dict[str, dict[str, list[float]]]
"""Group → metric → samples."""

Owner = tuple[str, str | None]
"""A metric, and the person that a sample of it is about."""

_WHOLE = frozenset({int})
NOT_RUN, UNREAD = "not run", "no record of it could be read"


class Statistics(Protocol):
    """What the artifact's numbers are computed by: the package `harness.stats`, handed in by the caller."""

    def compare(
        self, control: Sequence[float], treatment: Sequence[float]
    ) -> tuple[dict[str, Any], dict[str, str]]: ...

    def summarise(
        self,
        groups: Mapping[str, Mapping[str, Sequence[float]]],
        metrics: Sequence[str],
        expected: Mapping[str, Mapping[str, int]] | None = None,
    ) -> Mapping[str, Mapping[str, Any]]: ...


@dataclass(slots=True)
class ArtifactSamples:
    """The samples of an experiment in the artifact's order, and all that should be there and is not."""

    results: Results = field(default_factory=dict)
    expected: dict[str, dict[str, int]] = field(default_factory=dict)
    unfinished: dict[str, dict[str, int]] = field(default_factory=dict)
    missing: list[dict[str, Any]] = field(default_factory=list)
    unexpected: list[dict[str, Any]] = field(default_factory=list)
    outstanding: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def finished(self) -> list[str]:
        return [group for group, trials in self.outstanding.items() if not trials]


def gather(
    experiment: str, outcomes: Mapping[str, TrialHistory], design: Design, *, unread: bool = False
) -> ArtifactSamples:
    """Sort accepted samples by panel, proposal, rep and person, and note missing ones.

    ``unread``: some lines of the run could not be read, so that a trial without a record may have run.
    """
    found = ArtifactSamples()
    planned: set[str] = set()
    for group in design.groups:
        trials = list(design.trials(experiment, group))
        planned.update(trial.id for trial in trials)
        _gather_group(found, group, trials, outcomes, design, UNREAD if unread else NOT_RUN)
    found.unexpected += [
        {"trial": trial, "why": "the design has no such trial"} for trial in sorted({*outcomes} - planned)
    ]
    return found


def build(
    experiment: str,
    outcomes: Mapping[str, TrialHistory],
    design: Design,
    *,
    stats: Statistics,
    unread: bool = False,
    tests: bool = True,
    comparisons: Iterable[Mapping[str, Any]] = (),
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The artifact, and the part of the meta file that follows from the trials.

    The artifact has TinyTroupe's keys and no others; a group without a finished trial is ``{}``, as there.
    A group is finished when every planned trial of every planned rep is. ``unread``: see `gather`. ``comparisons``
    are the lines of pairwise comparisons, whose usage counts too. Without ``tests`` no group is compared: a mixed run
    supports no claim.
    """
    found = gather(experiment, outcomes, design, unread=unread)
    compared, undefined = _tests(found.results, design, stats) if tests else ({}, [])
    groups: dict[str, dict[str, Any]] = {
        group: {"results": found.results[group]} if group in found.results else {} for group in design.groups
    }
    if compared:
        groups[design.groups[0]]["statistical_test_results_vs_others"] = compared
    everything = bool(design.groups) and found.finished == list(design.groups)
    artifact = {
        "experiments": groups,
        "active_experiment": None,
        "finished_all_experiments": everything,
        "finished_experiments": found.finished,
    }
    return artifact, {
        "partial": not everything,
        "warnings": list(_warnings(found, design)),
        "summary": stats.summarise(
            {group: found.results.get(group, {}) for group in design.groups}, design.metrics, found.expected
        ),
        "samples": _counts(found, design),
        "missing_samples": found.missing,
        "unexpected": found.unexpected,
        "undefined_statistics": undefined,
        "trials": _trials(found, outcomes, design),
        "failures": _failures(outcomes),
        "usage": usage(outcomes.values(), comparisons),
        **_usage_by_group(outcomes.values(), design, comparisons),
    }


def _usage_by_group(
    outcomes: Iterable[TrialHistory], design: Design, comparisons: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """What each group took, and pairwise comparisons, where other models answered in one group than in another."""
    histories = list(outcomes)
    found = {
        group: usage(one for one in histories if one.trial.split("/")[1:2] == [group])
        for group in design.groups
    }
    models = {
        frozenset((role, model) for role, asked in (one.get("roles") or {}).items() for model in asked)
        for one in found.values()
        if one["calls"]
    }
    compared = usage((), comparisons)
    more = {"pairwise comparisons": compared} if compared["calls"] else {}
    return {"usage_by_group": {**found, **more}} if len(models) > 1 else {}


def usage(outcomes: Iterable[TrialHistory], comparisons: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What all tries and ``comparisons`` took: calls by kind, tokens, cost (``None``: not known), who answered.

    ``usage_faults`` is there only where tokens that a provider stated did not add up, ``roles`` (replies by role and
    model that was asked) only where records have it.
    """
    calls: dict[str, int] = {}
    models: Counter[tuple[str | None, str | None]] = Counter()
    faults: Counter[str] = Counter()
    roles: dict[str, Counter[str]] = {}
    reason: str | None = None
    tokens_in = tokens_out = 0
    cost: float | None = 0.0
    tries = (record for outcome in outcomes for record in outcome.tries)
    for used in (record.get("usage") or {} for record in chain(tries, comparisons)):
        for kind, count in (used.get("calls") or {}).items():
            calls[kind] = calls.get(kind, 0) + (count or 0)
        tokens_in += used.get("tokens_in") or 0
        tokens_out += used.get("tokens_out") or 0
        cost = None if cost is None or used.get("cost") is None else cost + used["cost"]
        reason = reason or used.get("cost_reason")
        for one in used.get("models") or ():
            models[one.get("model"), one.get("fingerprint")] += one.get("replies") or 0
        for role, asked in (used.get("roles") or {}).items():
            roles.setdefault(role, Counter()).update(asked)
        faults.update({fault: count or 0 for fault, count in (used.get("usage_faults") or {}).items()})
    return {
        "calls": dict(sorted(calls.items())),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "cost": cost,
        "cost_reason": (reason or "the cost of some calls is not known") if cost is None else None,
        "models": [
            {"model": model, "fingerprint": fingerprint, "replies": replies}
            for (model, fingerprint), replies in sorted(models.items(), key=str)
        ],
        **({"usage_faults": dict(faults.most_common())} if faults else {}),
        **({"roles": {role: dict(sorted(roles[role].items())) for role in sorted(roles)}} if roles else {}),
    }


def number(value: Any) -> float | None:
    """``value`` when it is a number (whole ones as `int`), else ``None``. Text and truth are none."""
    if type(value) is int and abs(value) < 1e300:  # nearly always
        return value
    if not is_number(value):
        return None
    return int(value) if float(value).is_integer() else float(value)


@dataclass(frozen=True, slots=True)
class _Due:
    """Whose samples of which metric a trial gives, in the artifact's order, and how many of each metric."""

    owners: tuple[Owner, ...]
    sizes: Mapping[str, int]
    distinct: bool

    @classmethod
    def of(cls, design: Design, panel: int) -> _Due:
        owners = [(metric, person) for metric in design.metrics for person in design.expected(panel, metric)]
        sizes = Counter(metric for metric, _ in owners)
        return cls(tuple(owners), sizes, len({*owners}) == len(owners))

    def are_those_of(self, samples: Any) -> bool:
        """Whether ``samples`` are just these owners', in their order: nearly always."""
        return self.distinct and isinstance(samples, SampleColumns) and samples.owners == self.owners


def _gather_group(
    found: ArtifactSamples,
    group: str,
    trials: Sequence[Trial],
    outcomes: Mapping[str, TrialHistory],
    design: Design,
    unseen: str,
) -> None:
    found.outstanding[group] = []
    found.expected[group] = dict.fromkeys(design.metrics, 0)
    found.unfinished[group] = dict.fromkeys(design.metrics, 0)
    results: dict[str, list[float]] = {metric: [] for metric in design.metrics}
    dues = [_Due.of(design, panel) for panel in range(len(design.panels))]
    for trial in trials:
        outcome, due = outcomes.get(trial.id), dues[trial.panel]
        accepted = outcome.accepted if outcome else None
        _add(due.sizes, found.expected[group])
        if accepted is not None:
            _gather_trial(found, results, trial, accepted, due)
            found.results[group] = results
            continue
        _add(due.sizes, found.unfinished[group])
        found.outstanding[group].append({"trial": trial.id, "reason": _why_not(outcome, unseen)})


def _add(sizes: Mapping[str, int], counts: dict[str, int]) -> None:
    for metric, size in sizes.items():
        counts[metric] += size


def _gather_trial(
    found: ArtifactSamples,
    results: dict[str, list[float]],
    trial: Trial,
    record: Mapping[str, Any],
    due: _Due,
) -> None:
    samples: Any = record.get("samples") or ()
    if due.are_those_of(samples) and _are_plain(samples.values):
        start = 0
        for metric, size in due.sizes.items():
            results[metric] += samples.values[start : start + size]
            start += size
        return
    for owner, given, value, reason in _samples_due(found, trial, samples, due):
        if (counted := number(value)) is not None:
            results[owner[0]].append(counted)
            continue
        found.missing.append(
            {
                "metric": owner[0],
                "group": trial.cell.group,
                "trial": trial.id,
                "person": owner[1],
                "reason": _why_missing(given, value, reason),
            }
        )


def _are_plain(values: Sequence[Any]) -> bool:
    """Whether all are integers that `number` leaves unchanged."""
    return _WHOLE.issuperset(map(type, values)) and max(map(abs, values), default=0) < 1e300


def _samples_due(
    found: ArtifactSamples, trial: Trial, samples: Any, due: _Due
) -> Iterator[tuple[Owner, bool, Any, Any]]:
    """For each owner whether the record has its sample, with value and reason; surplus samples are noted."""
    if due.are_those_of(samples):
        yield from zip(due.owners, repeat(True), samples.values, samples.reasons or repeat(None))
        return
    owned = _by_owner(found, trial, samples)
    for owner in due.owners:
        sample = owned.pop(owner, None)
        yield (
            (owner, True, sample.get("value"), sample.get("reason")) if sample else (owner, False, None, None)
        )
    for metric, person in owned:
        found.unexpected.append(
            {"trial": trial.id, "metric": metric, "person": person, "why": "not in the design"}
        )


def _by_owner(
    found: ArtifactSamples, trial: Trial, given: Iterable[Mapping[str, Any]]
) -> dict[Owner, Mapping[str, Any]]:
    samples: dict[Owner, Mapping[str, Any]] = {}
    for sample in given:
        owner = (sample["metric"], sample.get("person"))
        if owner not in samples:
            samples[owner] = sample
        else:
            found.unexpected.append(
                {"trial": trial.id, "metric": owner[0], "person": owner[1], "why": "given twice; first kept"}
            )
    return samples


def _why_missing(given: bool, value: Any, reason: Any) -> str:
    if not given:
        return "the record has no such sample"
    if value is not None:
        return f"not a number: {value!r:.60}"
    return str(reason or "no reason recorded")


def _why_not(outcome: TrialHistory | None, unseen: str) -> str:
    if outcome is None:
        return unseen
    last = outcome.failures[-1]
    return f"failed {len(outcome.failures)} times; the last: {last.get('reason') or 'no reason recorded'}"


def _tests(
    results: Results, design: Design, stats: Statistics
) -> tuple[dict[str, dict[str, Any]], list[dict[str, str]]]:
    if not design.groups or design.groups[0] not in results:
        return {}, []
    control, *others = (group for group in design.groups if group in results)
    tests: dict[str, dict[str, Any]] = {}
    undefined: list[dict[str, str]] = []
    for other in others:
        for metric in design.metrics:
            if results[control][metric] and results[other][metric]:
                block, reasons = stats.compare(results[control][metric], results[other][metric])
                tests.setdefault(other, {})[metric] = block
                undefined += [
                    {"group": other, "metric": metric, "key": key, "reason": reason}
                    for key, reason in reasons.items()
                ]
    return tests, undefined


def _counts(found: ArtifactSamples, design: Design) -> dict[str, dict[str, dict[str, int]]]:
    return {
        group: {
            metric: {
                "expected": (expected := found.expected[group][metric]),
                "obtained": (obtained := len(found.results.get(group, {}).get(metric, ()))),
                "unfinished": (unfinished := found.unfinished[group][metric]),
                "missing": expected - unfinished - obtained,
            }
            for metric in design.metrics
        }
        for group in design.groups
    }


def _trials(found: ArtifactSamples, outcomes: Mapping[str, TrialHistory], design: Design) -> dict[str, Any]:
    outstanding = sum(map(len, found.outstanding.values()))
    return {
        "planned": design.trials_planned,
        "finished": design.trials_planned - outstanding,
        "attempts": sum(outcome.attempts for outcome in outcomes.values()),
        "retried": {o.trial: o.attempts for o in outcomes.values() if o.attempts > 1},
        "duplicates": {o.trial: len(o.duplicates) for o in outcomes.values() if o.duplicates},
        "outstanding": found.outstanding,
    }


def _failures(outcomes: Mapping[str, TrialHistory]) -> list[dict[str, Any]]:
    return [
        {
            "trial": outcome.trial,
            "attempt": record.get("attempt"),
            "kind": record.get("kind"),
            "reason": record.get("reason"),
            "recovered": outcome.accepted is not None,
        }
        for outcome in outcomes.values()
        for record in outcome.failures
    ]


def _warnings(found: ArtifactSamples, design: Design) -> Iterator[str]:
    for group, trials in found.outstanding.items():
        if trials:
            planned = design.trials_of(group)
            yield f"{group}: {len(trials)} of {planned} planned trials are not finished."
    answered = Counter(
        (one["group"], one["metric"]) for one in found.missing if is_answer_without_number(one["reason"])
    )
    for metric in design.metrics:
        sizes = {group: len(results[metric]) for group, results in found.results.items()}
        due = {
            group: found.expected[group][metric] - found.unfinished[group][metric] - answered[group, metric]
            for group in sizes
        }
        if any(sizes[group] < due[group] for group in sizes):
            counts = ", ".join(f"{n} of {due[group]} in {group}" for group, n in sizes.items())
            yield f"{metric}: samples are missing ({counts})."
    if found.unexpected:
        yield f"{len(found.unexpected)} samples or trials that the design does not have were left out."
