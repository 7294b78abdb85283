"""The answer of a run, from its records alone: differences between variants, scenario by scenario.

The unit is the scenario, not the call: repetitions are averaged within a scenario first (F11).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.experiments.tool_variants.call_level_tests import bootstrap, fisher
from harness.experiments.tool_variants.decision import Choice, VariantDecision, decide
from harness.experiments.tool_variants.run_records import CLASSES, FAILED, PlannedTurn, VariantsRun
from harness.extras import require
from harness.model import Check, Level
from harness.stats.counts import Count
from harness.stats.multiplicity import holm
from harness.stats.results import Estimate
from harness.stats.sign_flip import sign_flip
from harness.stats.student import one_sample

ESTIMAND = "these scenarios, over repeated sampling of the model"
UNIT = "scenarios"
FEWEST = 10
"""Scenarios below which a category is described and not tested: of 5, an exact p cannot come below 2/2⁵ = .0625."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One variant: its turns by outcome class, how many are appropriate, and what was asked again.

    ``failures`` maps reasons to turns without a reply; ``silent`` counts turns in which only empty replies came, which
    are inappropriate. ``tokens`` and ``latency`` (seconds) are means per turn.
    """

    variant: str
    outcomes: Mapping[str, Count]
    appropriate: Count
    asked_again: int
    silent: int
    failures: Mapping[str, int]
    tokens: float | None
    latency: float | None


@dataclass(frozen=True, slots=True)
class Category:
    """One category: appropriate turns of the first and the later variant, and the mean difference over scenarios.

    ``test`` is ``None`` below `FEWEST` scenarios.
    """

    category: str
    scenarios: int
    counts: tuple[Count, Count]
    difference: float | None
    test: Estimate | None


@dataclass(frozen=True, slots=True)
class VariantComparison:
    """A later variant against the first. ``primary`` has the exact p, ``p_adjusted`` is Holm's over later variants.

    ``spread`` is the mean difference with its interval over scenarios; ``beside`` treat calls as independent.
    ``differences`` are later − first by scenario, ``dropped`` the scenarios without an answer in one of the two.
    """

    variant: str
    first: str
    primary: Estimate
    spread: Estimate
    p_adjusted: float | None
    differences: Mapping[str, float]
    dropped: tuple[str, ...]
    categories: tuple[Category, ...]
    tokens: Estimate
    latency: Estimate
    beside: tuple[Estimate, ...]
    decision: VariantDecision


@dataclass(frozen=True, slots=True)
class VariantsAnalysis:
    """All of one run. ``part`` says which scenarios it is about, where it is not all of them."""

    run_id: str
    model: str
    temperature: float | None
    rehearsal: bool
    scenarios: int
    reps: int
    part: str | None
    rule: Mapping[str, object]
    behaviours: tuple[Behaviour, ...]
    comparisons: tuple[VariantComparison, ...]


def analyse(told: VariantsRun, checks: Sequence[Check] = ()) -> VariantsAnalysis:
    """The answer of ``told``. Where a check among ``checks`` failed, nothing is decided. Same records, same answer."""
    require("tools", "The analysis of tool variants")
    first, *others = told.variants
    primaries = {other: _over_scenarios(told, first, other, "appropriate") for other in others}
    adjusted = holm({other: one.p for other, one in primaries.items()})
    refused = tuple(_refusals(told, checks))
    return VariantsAnalysis(
        run_id=told.run_id,
        model=told.model,
        temperature=told.temperature,
        rehearsal=told.rehearsal,
        scenarios=len(told.scenarios),
        reps=told.reps,
        part=_part(told),
        rule=told.rule,
        behaviours=tuple(_behaviour(variant, told.of(variant)) for variant in told.variants),
        comparisons=tuple(
            _comparison(told, first, other, primaries[other], adjusted[other], refused) for other in others
        ),
    )


def _comparison(
    told: VariantsRun, first: str, other: str, primary: Estimate, p: float | None, refused: tuple[str, ...]
) -> VariantComparison:
    differences = _differences(told, first, other, "appropriate")
    spread = _spread(list(differences.values()))
    turns = (told.of(first), told.of(other))
    decision = VariantDecision(Choice.REFUSED, refused)
    if not refused:
        shares = (_count(turns[0]).share, _count(turns[1]).share)
        decision = decide(other, first, spread, p, shares, told.tools, told.rule)
    known = [[turn.appropriate for turn in some if turn.appropriate is not None] for some in turns]
    return VariantComparison(
        variant=other,
        first=first,
        primary=primary,
        spread=spread,
        p_adjusted=p,
        differences=differences,
        dropped=tuple(scenario for scenario in told.scenarios if scenario not in differences),
        categories=tuple(_category(told, first, other, category) for category in told.categories),
        tokens=_with_interval(told, first, other, "tokens"),
        latency=_with_interval(told, first, other, "latency"),
        beside=(bootstrap(*known), fisher(*known)),
        decision=decision,
    )


def _means(turns: Sequence[PlannedTurn], measure: str) -> dict[str, float]:
    """Scenario → the mean of its repetitions, where there are any."""
    found: dict[str, list[float]] = {}
    for turn in turns:
        value = getattr(turn, measure)
        if value is not None:
            found.setdefault(turn.scenario, []).append(value)
    return {scenario: fmean(values) for scenario, values in found.items()}


def _differences(
    told: VariantsRun, first: str, other: str, measure: str, scenarios: Sequence[str] | None = None
) -> dict[str, float]:
    one, two = (_means(told.of(variant, scenarios), measure) for variant in (first, other))
    return {scenario: two[scenario] - one[scenario] for scenario in one if scenario in two}


def _over_scenarios(
    told: VariantsRun, first: str, other: str, measure: str, scenarios: Sequence[str] | None = None
) -> Estimate:
    differences = _differences(told, first, other, measure, scenarios)
    return sign_flip(list(differences.values()), unit=UNIT, estimand=ESTIMAND)


def _spread(differences: Sequence[float]) -> Estimate:
    """The interval by Student's t over scenarios. The p stays the sign-flip test's."""
    asked = Estimate("mean difference, t interval over scenarios", ESTIMAND, UNIT, len(differences))
    return replace(one_sample(asked, differences, 0.95), p=None)


def _with_interval(told: VariantsRun, first: str, other: str, measure: str) -> Estimate:
    """The sign-flip test of a measure, with `_spread`'s interval."""
    test = _over_scenarios(told, first, other, measure)
    spread = _spread(list(_differences(told, first, other, measure).values()))
    return replace(test, interval=spread.interval)


def _category(told: VariantsRun, first: str, other: str, category: str) -> Category:
    scenarios = told.within(category)
    differences = list(_differences(told, first, other, "appropriate", scenarios).values())
    counts = (_count(told.of(first, scenarios)), _count(told.of(other, scenarios)))
    test = None
    if len(scenarios) >= FEWEST:
        test = _over_scenarios(told, first, other, "appropriate", scenarios)
    return Category(category, len(scenarios), counts, fmean(differences) if differences else None, test)


def _behaviour(variant: str, turns: Sequence[PlannedTurn]) -> Behaviour:
    classes = Counter(turn.outcome for turn in turns)
    known = (*CLASSES, *sorted(classes.keys() - set(CLASSES)))
    means = {}
    for measure in ("tokens", "latency"):
        values = [value for turn in turns if (value := getattr(turn, measure)) is not None]
        means[measure] = fmean(values) if values else None
    return Behaviour(
        variant=variant,
        outcomes={name: Count(classes[name], len(turns)) for name in known},
        appropriate=_count(turns),
        asked_again=sum(turn.asked_again for turn in turns),
        silent=sum(turn.tokens is None and turn.appropriate is not None for turn in turns),
        failures=dict(Counter(turn.why for turn in turns if turn.outcome == FAILED).most_common()),
        **means,
    )


def _count(turns: Sequence[PlannedTurn]) -> Count:
    """Appropriate turns of those that are known; `Behaviour.outcomes` says how many failed."""
    known = [turn.appropriate for turn in turns if turn.appropriate is not None]
    return Count(int(sum(known)), len(known))


def _part(told: VariantsRun) -> str | None:
    if not told.left_out:
        return None
    whole = len(told.scenarios) + len(told.left_out)
    return f"a part: {len(told.scenarios)} of {whole} scenarios ({', '.join(told.categories)})"


def _refusals(told: VariantsRun, checks: Sequence[Check]) -> list[str]:
    """Why nothing may be decided on this run."""
    part, failed = _part(told), sum(turn.outcome == FAILED for turn in told.turns)
    faulty = sorted({check.name for check in checks if check.level is Level.FAIL})
    found = {
        "a rehearsal: the replies were made up offline": told.rehearsal,
        f"{part}; a decision needs all of them": part,
        f"{failed} of {len(told.turns)} turns have no reply": failed,
        f"the instrument failed: {', '.join(faulty)}": faulty,
        "no rule was stated beforehand in the run's records": not told.rule,
    }
    return [reason for reason, holds in found.items() if holds]
