"""Whether a difference rests on too few blocks, or on one block alone (F31)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.checks.checked_run import Block, CheckedRun, mean
from harness.model import Check, Level
from harness.stats.between import panel_means
from harness.stats.results import MARGIN

BLOCK, BLOCKS = "block (panel × proposal)", "blocks (panel × proposal)"
FEWEST = 6
"""With 5 blocks an exact sign-flip test cannot go below p = 2/2⁵ = .0625."""


def enough(subject: CheckedRun) -> Iterator[Check]:
    """Per metric and pair of arms, the number of blocks (panel × proposal) with scores in both."""
    if subject.data.between:
        yield from _panels(subject)
        return
    for metric in subject.data.metrics:
        for control, other in subject.pairs:
            found = _differences(subject, metric, control, other)
            n = len({panel for panel, _ in found}) if subject.data.individual else len(found)
            one, many = ("persona", "personas") if subject.data.individual else (BLOCK, BLOCKS)
            have = f"{one} has" if n == 1 else f"{many} have"
            said = f"{n} {have} scores in {control} and {other}"
            level = Level.PASS if n >= FEWEST else Level.WARN
            yield Check("blocks", level, said, n, f"at least {FEWEST}", metric)


def one_block(subject: CheckedRun) -> Iterator[Check]:
    """Per metric and pair of arms, whether the difference remains without any one block.

    WARN where only one block differs at all, or where a difference of `MARGIN` or more changes sign or vanishes without
    one block. Either way |t| of the blocked analysis is at most 1.
    """
    if subject.data.between:
        return
    for metric in subject.data.metrics:
        for control, other in subject.pairs:
            found = _differences(subject, metric, control, other)
            if len(found) < 3:
                continue
            by_persona = subject.data.individual and len({proposal for _, proposal in found}) == 1
            unit = "persona" if by_persona else "block"
            expected = f"the same sign when any one {unit} is left out (differences of {MARGIN:g} or more)"
            values = list(found.values())
            whole, without = mean(values), _weakest(values)
            alone = sum(value != 0 for value in values) == 1
            fragile = abs(whole) >= MARGIN and whole * without <= 0
            level = Level.WARN if alone or fragile else Level.PASS
            said = f"{other} − {control} is {whole:+.2f}; {without:+.2f} without one of {len(values)} {unit}s"
            if level is Level.WARN:
                panel, proposal = _heaviest(found)
                driver = (
                    subject.data.person_of(panel) if by_persona else f"panel {panel}, proposal {proposal}"
                )
                said += f" (driven by {driver})"
            yield Check("one block", level, said, without, expected, metric)


def _panels(subject: CheckedRun) -> Iterator[Check]:
    """Per metric, the fewest panels with scores in an arm, where each panel took part in one arm."""
    for metric in subject.data.metrics:
        sizes = {arm: len(panel_means(subject.data, metric, arm)) for arm in subject.arms}
        if sizes:
            arm = min(sizes, key=lambda one: sizes[one])
            said = ", ".join(f"{n} in {one}" for one, n in sizes.items())
            level = Level.PASS if sizes[arm] >= FEWEST else Level.WARN
            yield Check(
                "panels",
                level,
                f"panels with scores: {said}",
                sizes[arm],
                f"at least {FEWEST} in each arm",
                metric,
            )


def _differences(subject: CheckedRun, metric: str, control: str, other: str) -> dict[Block, float]:
    """Block → other − control, each arm's mean over its trials and people."""
    one, two = (subject.block_means(metric, arm) for arm in (control, other))
    return {block: two[block] - one[block] for block in one if block in two}


def _weakest(values: Sequence[float]) -> float:
    """The mean without the value that contributes most to it."""
    total, sign = sum(values), 1 if mean(values) >= 0 else -1
    return (total - max(values, key=lambda value: sign * value)) / (len(values) - 1)


def _heaviest(found: dict[Block, float]) -> Block:
    sign = 1 if mean(list(found.values())) >= 0 else -1
    return max(found, key=lambda block: sign * found[block])
