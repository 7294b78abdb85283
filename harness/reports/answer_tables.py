"""Tables of answers of one persona each: items together, cumulative shares, and attributes of the personas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from harness.model import Scale
from harness.reports.numbers import NONE, fixed, interval_head, p_value, signed, span, whole
from harness.reports.parts import Heading, Items, Part, Table, grouped
from harness.stats.moderation import FEWEST
from harness.stats.results import AcrossItems, Analysis, CumulativeShares, Estimate, Moderation

ACROSS = "Items on one scale together"
SHARES = "Ordinal answers: cumulative shares and ranks"
MODERATION = "Attributes of the personas: does the difference depend on them?"
SUBGROUPS = "Subgroups"
SHOWN = 40
"""The most tests of moderation that are listed; those with the smallest p come first."""
DETAILED = 6
"""The most attributes of one metric whose subgroups are listed."""


def answer_parts(analysis: Analysis, scales: Mapping[str, Scale]) -> Iterator[Part]:
    """What `harness analyse` adds for answers of one persona each; nothing for other designs."""
    if analysis.across_items:
        yield Heading(ACROSS, 2)
        yield across_table(analysis.across_items)
        yield Items(tuple(about_across(analysis.across_items)))
    if analysis.shares:
        yield Heading(SHARES, 2)
        for one in analysis.shares:
            yield shares_table(one, scales.get(one.metric), len(analysis.shares) > 1)
        yield rank_table(analysis.shares)
        yield Items(tuple(about_shares(analysis.shares)))
    if analysis.moderation:
        yield Heading(MODERATION, 2)
        if is_tested(analysis.moderation):
            yield moderation_table(analysis.moderation)
            yield Items(tuple(about_moderation(analysis.moderation)))
        else:
            yield from why_untested(analysis.moderation)
        for same in detailed(analysis.moderation):
            yield subgroup_table(same)


def across_table(found: Sequence[AcrossItems]) -> Table:
    """A row for personas as units, and one where personas and items are both random."""
    rows = tuple(
        (_battery(one), random, whole(each.n), signed(each.difference), span(each.interval), whole(each.df),
         p_value(each.p))
        for one in found
        for random, each in (("personas", one.estimate), ("personas and items", one.both_random))
    )  # fmt: skip
    head = interval_head(one.estimate.interval for one in found)
    return Table(("items", "random", "n", "diff.", head, "df", "p"), rows, 2)


def about_across(found: Sequence[AcrossItems]) -> Iterator[str]:
    """The items, the claims of both estimates, and why one is missing."""
    for one in found:
        yield f"{_battery(one)}, {one.contrast}: the mean over {', '.join(one.items)}; not adjusted."
    for estimate in chain.from_iterable((one.estimate, one.both_random) for one in found):
        why = estimate.reason or estimate.note
        yield f"{estimate.method}: claimed for {estimate.estimand}{f' ({why})' if why else ''}."


def _battery(one: AcrossItems) -> str:
    return f"{len(one.items)} items, {one.ends[0]:g} to {one.ends[1]:g}"


def shares_table(one: CumulativeShares, scale: Scale | None, named: bool = True) -> Table:
    """The share at or above each point, per arm."""
    words = {} if scale is None else scale.points
    rows = tuple(
        (
            f"{each.point:g}"
            + (f" ({words[each.point]})" if each.point in words else "")
            + " or more" * (each is not one.points[-1]),
            _percent(each.control),
            _percent(each.treatment),
            _points(each.estimate.difference),
            _point_span(each.estimate),
        )
        for each in one.points
    )
    head = interval_head(each.estimate.interval for each in one.points)
    return Table((one.metric if named else "answer", one.control, one.treatment, "diff. %", head), rows)


def rank_table(found: Sequence[CumulativeShares]) -> Table:
    """The test by ranks of each metric."""
    rows = tuple((one.metric, one.contrast, whole(one.ranks.n), p_value(one.ranks.p)) for one in found)
    return Table((found[0].ranks.method, "contrast", "n", "p"), rows, 2)


def about_shares(found: Sequence[CumulativeShares]) -> Iterator[str]:
    """The effect by ranks in words, and what the numbers are."""
    for one in found:
        words = "; ".join(text for text in (one.ranks.note, one.ranks.reason) if text)
        yield f"{one.metric}: {words}."
    first = found[0]
    if first.points:
        yield f"Shares: {first.points[0].estimate.method}, not adjusted."
    yield f"{first.ranks.method}: in addition to the primary analysis, not adjusted; every persona counts alike."


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f} %"


def _points(share: float | None) -> str:
    return signed(None if share is None else 100 * share, 1)


def _point_span(estimate: Estimate) -> str:
    found = estimate.interval
    return NONE if found is None else f"{signed(100 * found.low, 1)} to {signed(100 * found.high, 1)}"


def is_tested(found: Iterable[Moderation]) -> bool:
    """Whether any attribute could be tested."""
    return any(one.p is not None for one in found)


def why_untested(found: Iterable[Moderation]) -> Iterator[str]:
    """A sentence for each reason why no attribute could be tested."""
    for same in grouped(found, lambda one: one.reason):
        names = ", ".join(dict.fromkeys(one.attribute for one in same))
        yield f"Not tested: {names} ({same[0].reason or 'no spread'})."


def moderation_table(found: Sequence[Moderation]) -> Table:
    """A row per test of treatment × attribute, the smallest p first."""
    ordered = sorted(found, key=lambda one: (one.p is None, one.p or 0.0))[:SHOWN]
    several = len({one.contrast for one in found}) > 1
    rows = tuple(
        (
            f"{one.metric} ({one.contrast})" if several else one.metric,
            one.attribute,
            fixed(one.f),
            f"{whole(one.df)}, {whole(one.df_error)}" if one.f is not None else NONE,
            p_value(one.p),
            p_value(one.p_adjusted),
        )
        for one in ordered
    )
    return Table(("metric", "attribute", "F", "df", "p", "adj."), rows, 2)


def about_moderation(found: Sequence[Moderation]) -> Iterator[str]:
    """The method, its correction, and what is not shown or not tested."""
    yield (
        "Welch's F: whether the difference between arms is the same in every level. "
        f"adj.: {found[0].adjustment}. Exploratory, unless named beforehand."
    )
    if len(found) > SHOWN:
        yield f"{len(found) - SHOWN} of {len(found)} tests are not shown; their p is larger."
    for same in grouped((one for one in found if one.reason), lambda one: (one.attribute, one.reason)):
        yield f"{same[0].attribute}, {', '.join(dict.fromkeys(one.metric for one in same))}: {same[0].reason}."


def detailed(found: Sequence[Moderation]) -> list[list[Moderation]]:
    """By metric and contrast, the attributes whose subgroups are listed."""
    return [same[:DETAILED] for same in grouped(found, lambda one: (one.metric, one.contrast))]


def subgroup_table(same: Sequence[Moderation]) -> Table:
    """The means and the difference in each level of each attribute, for one metric."""
    first = same[0]
    rows = tuple(
        (
            f"{one.attribute}: {level.level}",
            whole(level.n),
            fixed(level.control),
            fixed(level.treatment),
            signed(level.estimate.difference),
            span(level.estimate.interval),
        )
        for one in same
        for level in one.subgroups
    )
    head = interval_head(level.estimate.interval for one in same for level in one.subgroups)
    return Table((first.metric, "n", first.control, first.treatment, "diff.", head), rows)


def about_subgroups(found: Iterable[Moderation]) -> Iterator[str]:
    """How to read subgroups."""
    few = any(level.n < FEWEST for one in found for level in one.subgroups)
    yield "Intervals of subgroups are not adjusted; only the test of treatment × attribute compares them."
    if few:
        yield f"Subgroups of fewer than {FEWEST} personas have no interval."
