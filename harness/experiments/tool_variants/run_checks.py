"""Validity checks of a run: completeness, ceilings, and stability of outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from harness.checks.checked_run import counts_by_arm, percent
from harness.experiments.tool_variants.decision import CEILING
from harness.experiments.tool_variants.run_records import FAILED, PlannedTurn, VariantsRun, read_run
from harness.model import Check, Level
from harness.records import FiledRun

STEADY = 0.80
"""Below this share of pairs of repetitions with the same outcome, a variant is unstable."""


def examine(run: FiledRun) -> Iterator[Check]:
    """Check completeness, ceilings and stability of ``run``."""
    data = read_run(run)
    yield from completeness(run, data)
    yield from ceilings(data)
    yield from stability(data)


def completeness(run: FiledRun, data: VariantsRun) -> Iterator[Check]:
    """Whether every scenario was recorded once per variant and repetition, and whether the run is a part."""
    absent = Counter(turn.scenario for turn in data.turns if turn.outcome == FAILED)
    twice = sum(len(outcome.duplicates) for outcome in run.outcomes.values())
    due = len(data.turns)
    said = f"{due - absent.total()} of {due} turns: {len(data.scenarios)} scenarios, each in {_cells(data)}"
    if absent:
        said += f"; missing: {_named(list(absent))}"
    if twice:
        said += f"; {twice} recorded twice; the first counts"
    level = Level.FAIL if absent else Level.WARN if twice else Level.PASS
    yield Check("complete", level, said, absent.total() + twice, "every scenario once per file")
    if data.left_out:
        all_of_them = len(data.scenarios) + len(data.left_out)
        said = f"a part: {len(data.scenarios)} of {all_of_them} scenarios; it decides nothing"
        yield Check("whole", Level.WARN, said, len(data.scenarios), f"all {all_of_them} scenarios")


def ceilings(data: VariantsRun) -> Iterator[Check]:
    """Per category, whether the first variant and another are at the ceiling, where a tie is not a finding."""
    for category in data.categories:
        counts = {variant: _appropriate(data.of(variant, data.within(category))) for variant in data.variants}
        shares = {variant: good / of for variant, (good, of) in counts.items() if of}
        first, *others = (shares.get(variant, 0.0) for variant in data.variants)
        lowest = min(first, max(others, default=0.0))
        level = Level.WARN if lowest >= CEILING else Level.PASS
        said = f"{counts_by_arm(counts)} appropriate"
        yield Check("ceiling", level, said, lowest, f"below {percent(CEILING)} in a variant", category)


def stability(data: VariantsRun) -> Iterator[Check]:
    """Per variant, how often two repetitions of a scenario have the same outcome."""
    for variant in data.variants:
        same = {scenario: _agreement(data.of(variant, [scenario])) for scenario in data.scenarios}
        agreed, pairs = (sum(column) for column in zip(*same.values(), strict=True)) if same else (0, 0)
        if not pairs:
            said = "one repetition: stability is undefined"
            yield Check("stable outcomes", Level.PASS, said, None, "two repetitions or more", variant)
            continue
        unsteady = [scenario for scenario, (agree, of) in same.items() if agree < of]
        said = f"{agreed} of {pairs} pairs of repetitions agree"
        said += f"; different in {_named(unsteady)}" if unsteady else ""
        level = Level.PASS if agreed / pairs >= STEADY else Level.WARN
        yield Check("stable outcomes", level, said, agreed / pairs, f"at least {percent(STEADY)}", variant)


def _appropriate(turns: Sequence[PlannedTurn]) -> tuple[int, int]:
    known = [turn.appropriate for turn in turns if turn.appropriate is not None]
    return int(sum(known)), len(known)


def _agreement(turns: Sequence[PlannedTurn]) -> tuple[int, int]:
    outcomes = [turn.outcome for turn in turns if turn.outcome != FAILED]
    pairs = list(combinations(outcomes, 2))
    return sum(one == other for one, other in pairs), len(pairs)


def _cells(data: VariantsRun) -> str:
    return f"{len(data.variants)} variants × {data.reps} repetitions"


def _named(names: Sequence[str], most: int = 4) -> str:
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")
