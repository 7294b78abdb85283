"""What is checked after a run: is it whole, could it tell the variants apart, and does it come out the same twice?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from harness.checks.checked_run import counted, percent
from harness.experiments.tool_variants.decision import CEILING
from harness.experiments.tool_variants.run_records import FAILED, PlannedTurn, VariantsRun, played
from harness.model import Check, Level
from harness.records import FiledRun

STEADY = 0.80
"""Share of pairs of repetitions with the same outcome below which a variant's answers are unsteady."""


def examine(run: FiledRun) -> Iterator[Check]:
    """Completeness, ceilings and stability of ``run``."""
    told = played(run)
    yield from completeness(run, told)
    yield from ceilings(told)
    yield from stability(told)


def completeness(run: FiledRun, told: VariantsRun) -> Iterator[Check]:
    """Every scenario once per variant and repetition; a part of the scenarios is told to be one."""
    absent = Counter(turn.scenario for turn in told.turns if turn.outcome == FAILED)
    twice = sum(len(outcome.duplicates) for outcome in run.outcomes.values())
    due = len(told.turns)
    said = f"{due - absent.total()} of {due} turns: {len(told.scenarios)} scenarios, each in {_cells(told)}"
    if absent:
        said += f"; missing: {_named(list(absent))}"
    if twice:
        said += f"; {twice} recorded a second time, which does not count"
    level = Level.FAIL if absent else Level.WARN if twice else Level.PASS
    yield Check("complete", level, said, absent.total() + twice, "every scenario once per file")
    if told.left_out:
        all_of_them = len(told.scenarios) + len(told.left_out)
        said = f"a part only: {len(told.scenarios)} of {all_of_them} scenarios; nothing is decided on it"
        yield Check("whole", Level.WARN, said, len(told.scenarios), f"all {all_of_them} scenarios")


def ceilings(told: VariantsRun) -> Iterator[Check]:
    """Per category, whether the first variant and another are appropriate nearly always: there a tie is no finding."""
    for category in told.categories:
        counts = {variant: _appropriate(told.of(variant, told.within(category))) for variant in told.variants}
        shares = {variant: good / of for variant, (good, of) in counts.items() if of}
        first, *others = (shares.get(variant, 0.0) for variant in told.variants)
        lowest = min(first, max(others, default=0.0))
        level = Level.WARN if lowest >= CEILING else Level.PASS
        said = f"{counted(counts)} appropriate"
        yield Check("ceiling", level, said, lowest, f"below {percent(CEILING)} in a variant", category)


def stability(told: VariantsRun) -> Iterator[Check]:
    """Per variant, how often two repetitions of a scenario come to the same outcome."""
    for variant in told.variants:
        same = {scenario: _agreement(told.of(variant, [scenario])) for scenario in told.scenarios}
        agreed, pairs = (sum(column) for column in zip(*same.values(), strict=True)) if same else (0, 0)
        if not pairs:
            said = "one repetition: whether the outcomes are stable cannot be told"
            yield Check("stable outcomes", Level.PASS, said, None, "two repetitions or more", variant)
            continue
        unsteady = [scenario for scenario, (agree, of) in same.items() if agree < of]
        said = f"{agreed} of {pairs} pairs of repetitions agree"
        said += f"; apart in {_named(unsteady)}" if unsteady else ""
        level = Level.PASS if agreed / pairs >= STEADY else Level.WARN
        yield Check("stable outcomes", level, said, agreed / pairs, f"at least {percent(STEADY)}", variant)


def _appropriate(turns: Sequence[PlannedTurn]) -> tuple[int, int]:
    known = [turn.appropriate for turn in turns if turn.appropriate is not None]
    return int(sum(known)), len(known)


def _agreement(turns: Sequence[PlannedTurn]) -> tuple[int, int]:
    outcomes = [turn.outcome for turn in turns if turn.outcome != FAILED]
    pairs = list(combinations(outcomes, 2))
    return sum(one == other for one, other in pairs), len(pairs)


def _cells(told: VariantsRun) -> str:
    return f"{len(told.variants)} variants × {told.reps} repetitions"


def _named(names: Sequence[str], most: int = 4) -> str:
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")
