"""Missing values, unequal arms, and denominators (F04, F40)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.checks.checked_run import CheckedRun, counts_by_arm, percent
from harness.model import Check, Level, Observation
from harness.model.observation import is_answer_without_number
from harness.stats.results import MARGIN

FEW, MANY = 0.05, 0.20
"""Below 5 % missing there is little bias, above 20 % validity is in doubt (Schulz & Grimes 2002, Lancet 359:781)."""


def unread(subject: CheckedRun) -> Iterator[Check]:
    """Unreadable lines and files, and arms without a readable record; no check if everything was read."""
    problems = subject.run.unread
    if not problems:
        return
    first = problems[0]
    more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
    level = Level.WARN if all(one.torn for one in problems) else Level.FAIL
    said = f"could not read {first.path.name}, {first.where}{more}"
    yield Check("records", level, said, len(problems), "0 unreadable lines or files")
    for arm in subject.data.groups:
        if arm not in subject.arms:
            said = "could not read any record of this arm, though it may have run"
            yield Check("records", Level.FAIL, said, None, "readable records for each arm", arm)


def missing(subject: CheckedRun) -> Iterator[Check]:
    """Per metric, the share of values missing from trials that were tried, in all arms together."""
    for metric in subject.data.metrics:
        counts = _counts(subject, metric)
        gone, due = (sum(column) for column in zip(*counts.values(), strict=True)) if counts else (0, 0)
        share = gone / due if due else None
        said = f"{counts_by_arm(counts)} missing" if gone else f"none of {due:,} missing"
        said += _reasons(subject, metric) if gone else ""
        expected = f"at most {percent(FEW)}; fails above {percent(MANY)}"
        yield Check("missing", graded(share), said, share, expected, metric)


def unequal(subject: CheckedRun) -> Iterator[Check]:
    """Per metric and pair of arms, how far the shares of missing values differ."""
    expected = f"at most {percent(FEW)} apart; fails above {percent(MANY)}"
    for metric in subject.data.metrics:
        counts = _counts(subject, metric)
        for control, other in subject.pairs:
            (gone, due), (gone_too, due_too) = counts[control], counts[other]
            apart = abs(gone / due - gone_too / due_too) if due and due_too else None
            said = f"missing {counts_by_arm({control: counts[control], other: counts[other]})}"
            yield Check("missing, unequal", graded(apart), said, apart, expected, metric)


def bounds(subject: CheckedRun) -> Iterator[Check]:
    """Per metric with missing values, the bounds that they leave on the difference.

    Each missing score is set to either end of the scale (Horowitz & Manski 2000, JASA 95:77). A metric without a scale
    has no worst case.
    """
    expected = f"bounds at most {MARGIN:g} points apart"
    for metric in subject.data.metrics:
        for control, other in subject.pairs:
            one, two = _expected(subject, metric, control), _expected(subject, metric, other)
            if not (one and two) or all(value.value is not None for value in (*one, *two)):
                continue
            scale = subject.scale(metric)
            if scale is None:
                said = "the metric has no upper bound, so its missing values have no worst case"
                yield Check("missing, at worst", Level.PASS, said, None, expected, metric)
                continue
            low, high = _worst(one, two, scale)
            said = f"{other} − {control} lies between {low:+.2f} and {high:+.2f} for any missing scores"
            level = Level.WARN if high - low > MARGIN else Level.PASS
            yield Check("missing, at worst", level, said, high - low, expected, metric)


def denominators(subject: CheckedRun) -> Iterator[Check]:
    """Per metric, how far the numbers of values differ between arms in one table (F40).

    Arms for which different numbers of trials are planned are compared by the values per planned trial. Opt-outs and
    skipped items count as values.
    """
    planned = {arm: subject.run.design.trials_of(arm) or 1 for arm in subject.arms}
    for metric in subject.data.metrics:
        sizes = {
            arm: sum(
                one.value is not None or is_answer_without_number(one.reason)
                for one in subject.due(metric, arm)
            )
            for arm in subject.arms
        }
        shares = [n / planned[arm] for arm, n in sizes.items()]
        largest = max(shares, default=0)
        apart = 1 - min(shares) / largest if largest else None
        said = "N = " + ", ".join(f"{n:,} in {arm}" for arm, n in sizes.items())
        level = Level.WARN if apart is not None and apart > FEW else Level.PASS
        yield Check("denominators", level, said, apart, f"N within {percent(FEW)} of each other", metric)


def graded(share: float | None) -> Level:
    """The level of a share by the 5-and-20 rule."""
    if share is None or share <= FEW:
        return Level.PASS
    return Level.FAIL if share > MANY else Level.WARN


def without_number(subject: CheckedRun) -> Iterator[Check]:
    """Per item of a survey, how far the shares of opt-outs and skipped items differ between arms.

    They are answers, and nothing is missing; but where they differ much, the arms' means are of different people.
    """
    expected = f"at most {percent(MANY)} apart"
    for metric in subject.data.metrics:
        counts = {}
        for arm in subject.arms:
            due = subject.due(metric, arm)
            counts[arm] = (sum(is_answer_without_number(one.reason) for one in due), len(due))
        if not any(none for none, _ in counts.values()):
            continue
        shares = [none / due for none, due in counts.values() if due]
        apart = max(shares) - min(shares)
        level = Level.WARN if apart > MANY else Level.PASS
        said = f"{counts_by_arm(counts)} opted out or were not asked"
        yield Check("opt-outs and skips", level, said, apart, expected, metric)


def _expected(subject: CheckedRun, metric: str, arm: str) -> list[Observation]:
    """The values that ``arm`` should have: without those of items that were answered by an opt-out or skipped."""
    return [one for one in subject.due(metric, arm) if not is_answer_without_number(one.reason)]


def _counts(subject: CheckedRun, metric: str) -> dict[str, tuple[int, int]]:
    due = {arm: _expected(subject, metric, arm) for arm in subject.arms}
    return {arm: (sum(one.value is None for one in values), len(values)) for arm, values in due.items()}


def _reasons(subject: CheckedRun, metric: str) -> str:
    found = dict.fromkeys(
        one.reason or ""
        for arm in subject.arms
        for one in _expected(subject, metric, arm)
        if one.value is None
    )
    first, *others = found
    return f"; {first:.60}" + (f" and {len(others)} other reasons" if others else "")


def _worst(
    control: Sequence[Observation], other: Sequence[Observation], scale: tuple[float, float]
) -> tuple[float, float]:
    (low, high), (low_too, high_too) = _means(control, scale), _means(other, scale)
    return low_too - high, high_too - low


def _means(values: Sequence[Observation], scale: tuple[float, float]) -> tuple[float, float]:
    obtained = [one.value for one in values if one.value is not None]
    gone, total = len(values) - len(obtained), sum(obtained)
    return (total + gone * scale[0]) / len(values), (total + gone * scale[1]) / len(values)
