"""Analyse a run from its records: differences between variants, scenario by scenario.

The unit is the scenario, not the call: repetitions are averaged within a scenario first (F11).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.experiments.tool_variants.call_level_tests import bootstrap, fisher
from harness.experiments.tool_variants.decision import Adoption, VariantDecision, decide
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
"""Smaller categories are described, not tested: with 5 scenarios an exact p cannot go below 2/2⁵ = .0625."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One variant: its turns by outcome class, appropriate turns, and rejected replies (``asked_again``).

    ``failures`` maps reasons to turns without a reply; ``silent`` counts turns with empty replies only, which are not
    appropriate. ``tokens`` and ``latency`` (seconds) are means per turn.
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

    ``spread`` is the mean difference with its interval over scenarios; ``beside`` treats calls as independent.
    ``differences`` are later − first by scenario, ``dropped`` the scenarios without a reply in one of the two.
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
    """The analysis of one run. ``part`` names its scenarios if it does not have all."""

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


def analyse(run: VariantsRun, checks: Sequence[Check] = ()) -> VariantsAnalysis:
    """The answer of ``run``. Where a check among ``checks`` failed, nothing is decided. Same records, same answer."""
    require("tools", "The analysis of tool variants")
    first, *others = run.variants
    primaries = {other: _over_scenarios(run, first, other, "appropriate") for other in others}
    adjusted = holm({other: one.p for other, one in primaries.items()})
    refused = tuple(_refusals(run, checks))
    return VariantsAnalysis(
        run_id=run.run_id,
        model=run.model,
        temperature=run.temperature,
        rehearsal=run.rehearsal,
        scenarios=len(run.scenarios),
        reps=run.reps,
        part=_part(run),
        rule=run.rule,
        behaviours=tuple(_behaviour(variant, run.of(variant)) for variant in run.variants),
        comparisons=tuple(
            _comparison(run, first, other, primaries[other], adjusted[other], refused) for other in others
        ),
    )


def _comparison(
    run: VariantsRun, first: str, other: str, primary: Estimate, p: float | None, refused: tuple[str, ...]
) -> VariantComparison:
    differences = _differences(run, first, other, "appropriate")
    spread = _spread(list(differences.values()))
    turns = (run.of(first), run.of(other))
    decision = VariantDecision(Adoption.REFUSED, refused)
    if not refused:
        shares = (_count(turns[0]).share, _count(turns[1]).share)
        decision = decide(other, first, spread, p, shares, run.tools, run.rule)
    known = [[turn.appropriate for turn in some if turn.appropriate is not None] for some in turns]
    return VariantComparison(
        variant=other,
        first=first,
        primary=primary,
        spread=spread,
        p_adjusted=p,
        differences=differences,
        dropped=tuple(scenario for scenario in run.scenarios if scenario not in differences),
        categories=tuple(_category(run, first, other, category) for category in run.categories),
        tokens=_with_interval(run, first, other, "tokens"),
        latency=_with_interval(run, first, other, "latency"),
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
    run: VariantsRun, first: str, other: str, measure: str, scenarios: Sequence[str] | None = None
) -> dict[str, float]:
    one, two = (_means(run.of(variant, scenarios), measure) for variant in (first, other))
    return {scenario: two[scenario] - one[scenario] for scenario in one if scenario in two}


def _over_scenarios(
    run: VariantsRun, first: str, other: str, measure: str, scenarios: Sequence[str] | None = None
) -> Estimate:
    differences = _differences(run, first, other, measure, scenarios)
    return sign_flip(list(differences.values()), unit=UNIT, estimand=ESTIMAND)


def _spread(differences: Sequence[float]) -> Estimate:
    """The interval by Student's t over scenarios, without a p: that comes from the sign-flip test."""
    asked = Estimate("mean difference, t interval over scenarios", ESTIMAND, UNIT, len(differences))
    return replace(one_sample(asked, differences, 0.95), p=None)


def _with_interval(run: VariantsRun, first: str, other: str, measure: str) -> Estimate:
    """The sign-flip test of a measure, with `_spread`'s interval."""
    test = _over_scenarios(run, first, other, measure)
    spread = _spread(list(_differences(run, first, other, measure).values()))
    return replace(test, interval=spread.interval)


def _category(run: VariantsRun, first: str, other: str, category: str) -> Category:
    scenarios = run.within(category)
    differences = list(_differences(run, first, other, "appropriate", scenarios).values())
    counts = (_count(run.of(first, scenarios)), _count(run.of(other, scenarios)))
    test = None
    if len(scenarios) >= FEWEST:
        test = _over_scenarios(run, first, other, "appropriate", scenarios)
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
    """Appropriate turns of those with a reply; `Behaviour.outcomes` counts failed ones."""
    known = [turn.appropriate for turn in turns if turn.appropriate is not None]
    return Count(int(sum(known)), len(known))


def _part(run: VariantsRun) -> str | None:
    if not run.left_out:
        return None
    whole = len(run.scenarios) + len(run.left_out)
    return f"a part: {len(run.scenarios)} of {whole} scenarios ({', '.join(run.categories)})"


def _refusals(run: VariantsRun, checks: Sequence[Check]) -> list[str]:
    """The reasons why this run permits no decision."""
    part, failed = _part(run), sum(turn.outcome == FAILED for turn in run.turns)
    faulty = sorted({check.name for check in checks if check.level is Level.FAIL})
    found = {
        "a rehearsal: replies were generated offline": run.rehearsal,
        f"{part}; a decision needs all scenarios": part,
        f"{failed} of {len(run.turns)} turns have no reply": failed,
        f"validity checks failed: {', '.join(faulty)}": faulty,
        "the records state no rule": not run.rule,
    }
    return [reason for reason, holds in found.items() if holds]
