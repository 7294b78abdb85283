"""The figures of a run, drawn by matplotlib: effects, distributions, and means per repetition."""

from __future__ import annotations

import math
import statistics
import textwrap
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.extras import require
from harness.model import MAX_SCORE, MIN_SCORE, Dataset, Scale
from harness.reports.answer_tables import detailed
from harness.reports.numbers import MINUS, signed, span
from harness.reports.run_report import RunReport
from harness.reports.svg import GRID, INK, MUTED, SERIES, SETTINGS, markup
from harness.reports.verdict import label
from harness.stats.results import Comparison, Estimate, Moderation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BINS = 12
MOST_METRICS = 12
"""The most figures of subgroups."""
NARROW, WIDE = 3.5, 6.6
"""Widths in inches, for phones and for the page. Text has the same size in both."""
CHARACTERS = 12
"""Characters of bold text that fit into an inch."""
MOST_WORDS = 7
"""Points of a scale that all have their words below the axis; of more, only the ends."""
LONGEST_WORD = 12
"""Characters of a word below the axis that is not broken."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure as an ``<svg>`` element, and an optional one for narrow screens."""

    svg: str
    narrow: str | None = None


def caption(report: RunReport) -> str:
    """The legend of the forest plot."""
    if report.dataset.individual:
        how, same = "by persona" if report.dataset.between else "paired by persona", "one persona"
    else:
        how, same = "blocked by panel × proposal", "one conversation"
    drawn = [one for one in report.analysis.comparisons if one.primary.difference is not None]
    percent = (
        "" if scale_lengths(report, drawn) is None else " Differences are in percent of each item's scale."
    )
    return (
        f"Diamonds: the primary analysis, {how}. Circles with thin lines: Welch on raw scores, which treats scores "
        f"of {same} as independent.{percent}"
    )


def scale_lengths(report: RunReport, comparisons: Iterable[Comparison]) -> dict[str, float] | None:
    """The length of each metric's scale, where every metric has one and they differ; else differences need none."""
    found = {}
    for one in comparisons:
        scale = report.dataset.scales.get(one.metric)
        ends = None if scale is None else scale.ends
        if ends is None or ends[0] == ends[1]:
            return None
        found[one.metric] = ends[1] - ends[0]
    return found if len(set(found.values())) > 1 else None


def title_of(report: RunReport, metric: str, width: float = NARROW, lines: int = 3) -> str:
    """The words of an item, or the metric's name, in lines that fit into ``width`` inches."""
    scale = report.dataset.scales.get(metric)
    text = scale.label if scale is not None and scale.label else metric
    return (
        "\n".join(textwrap.wrap(text, int(width * CHARACTERS), max_lines=lines, placeholder=" …")) or metric
    )


def forest(report: RunReport, name: str) -> Drawing | None:
    """Every metric's difference with its primary and its naive interval."""
    comparisons = [one for one in report.analysis.comparisons if one.primary.difference is not None]
    if not comparisons:
        return None
    title = "Differences with intervals. " + " ".join(_summary_of(one) for one in comparisons)
    with plot_settings():
        svg, narrow = (
            markup(_forest(report, comparisons, width), f"{name}-{kind}", title)
            for width, kind in ((WIDE, "wide"), (NARROW, "narrow"))
        )
    return Drawing(svg, narrow)


def distributions(report: RunReport, name: str) -> Iterator[tuple[str, Drawing]]:
    """Per metric, a histogram of each group's values."""
    for number, metric in enumerate(report.design.metrics):
        values = {group: report.dataset.values(metric, group) for group in report.design.groups}
        if any(values.values()):
            title = f"Distribution of {metric} in {', '.join(values)}"
            with plot_settings():
                figure = _histograms(report, metric, list(values.values()))
                yield metric, Drawing(markup(figure, f"{name}-{number}", title))


def stability(report: RunReport, name: str) -> Iterator[tuple[str, Drawing]]:
    """Per metric, the mean of each repetition in each group; none for a single repetition."""
    if report.design.reps < 2:
        return
    for number, metric in enumerate(report.design.metrics):
        means = rep_means(report.dataset, metric, report.design.reps)
        title = f"Mean of {metric} per repetition in {', '.join(means)}"
        with plot_settings():
            figure = _lines(report, metric, means)
            yield metric, Drawing(markup(figure, f"{name}-{number}", title))


def rep_means(dataset: Dataset, metric: str, reps: int) -> dict[str, list[float | None]]:
    """Group → the mean of each repetition, ``None`` where it has no value."""
    found: dict[str, list[float | None]] = {}
    for group in dataset.groups:
        by_rep: dict[int, list[float]] = {}
        for one in dataset.of(metric, group):
            if one.value is not None:
                by_rep.setdefault(one.rep, []).append(one.value)
        found[group] = [
            statistics.fmean(by_rep[rep]) if rep in by_rep else None for rep in range(1, reps + 1)
        ]
    return found


def naive(comparison: Comparison) -> Estimate | None:
    """The estimate that treats scores as independent, if there is one."""
    return next((one for one in comparison.secondary if one.method == "Welch on raw scores"), None)


@contextmanager
def plot_settings() -> Iterator[None]:
    """matplotlib with the page's settings. Raises `MissingExtraError` without it."""
    require("report", "A figure")
    import matplotlib

    with matplotlib.rc_context(SETTINGS):  # type: ignore[arg-type]
        yield


def _summary_of(comparison: Comparison) -> str:
    return (
        f"{comparison.metric}: {signed(comparison.primary.difference)}, {span(comparison.primary.interval)}."
    )


def _forest(report: RunReport, comparisons: Sequence[Comparison], width: float) -> Figure:
    several = len({one.contrast for one in comparisons}) > 1
    figure, axes = figure_with_axes(width, 0.55 * len(comparisons) + 0.6)
    lengths = scale_lengths(report, comparisons)
    for row, one in enumerate(reversed(comparisons)):
        name = title_of(report, one.metric, width, lines=1)
        name = f"{name} ({label(one, comparisons)})" if several else name
        axes.annotate(
            name, (0, row + 0.27), xycoords=("axes fraction", "data"), color=INK, weight="bold", va="center"
        )
        unit = 1.0 if lengths is None else lengths[one.metric] / 100
        _interval(axes, one.primary, row, thick=True, unit=unit)
        if (beside := naive(one)) is not None:
            _interval(axes, beside, row - 0.24, thick=False, unit=unit)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(-0.55, len(comparisons) - 0.45)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    first = comparisons[0]
    against_one = len({one.control for one in comparisons}) == 1
    against = f"difference {MINUS} {first.control}" if against_one else "difference"
    measured = against if several else first.contrast
    axes.set_xlabel(measured if lengths is None else f"{measured}, % of the scale")
    return watermarked(figure, report.rehearsal)


def subgroups(report: RunReport, name: str) -> Iterator[tuple[str, Drawing]]:
    """Per metric and contrast with attributes, the difference in each of their levels beside that of everybody."""
    every = report.analysis.moderation
    several = len({one.contrast for one in every}) > 1
    for number, same in enumerate(detailed(every)[:MOST_METRICS]):
        first = same[0]
        primary = next(
            one.primary
            for one in report.analysis.comparisons
            if (one.metric, one.contrast) == (first.metric, first.contrast)
        )
        heading = title_of(report, first.metric) + (f"\n{first.contrast}" if several else "")
        title = f"{first.contrast} on {first.metric} by {', '.join(one.attribute for one in same)}"
        with plot_settings():
            figure = _levels(heading, first.contrast, primary, same, rehearsal=report.rehearsal)
            yield first.metric, Drawing(markup(figure, f"{name}-{number}", title))


def _levels(
    heading: str, contrast: str, primary: Estimate, same: Sequence[Moderation], *, rehearsal: bool
) -> Figure:
    rows: list[tuple[str, Estimate | None]] = [("everybody", primary)]
    for one in same:
        rows.append((one.attribute, None))
        rows += [(f"{level.level} ({level.n})", level.estimate) for level in one.subgroups]
    figure, axes = figure_with_axes(NARROW, 0.21 * len(rows) + 0.7 + 0.16 * heading.count("\n"))
    for place, (_, estimate) in enumerate(rows):
        if estimate is not None:
            _interval(axes, estimate, -place, thick=place == 0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    names = [textwrap.shorten(text, 22, placeholder="…") if found else "" for text, found in rows]
    axes.set_yticks([-place for place in range(len(rows))], names)
    for place, (text, estimate) in enumerate(rows):
        if estimate is None:
            short = textwrap.shorten(text, 20, placeholder="…")
            where: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
            axes.text(-0.03, -place, short, color=INK, weight="bold", fontsize=9, **where)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(contrast)
    figure.suptitle(heading, x=0.02, ha="left", color=INK, weight="bold", fontsize=10)
    return watermarked(figure, rehearsal)


def _interval(axes: Axes, estimate: Estimate, height: float, *, thick: bool, unit: float = 1.0) -> None:
    """Draw an estimate, divided by ``unit``, and its interval."""
    if estimate.difference is None:
        return
    colour = SERIES[1] if thick else MUTED
    if estimate.interval is not None:
        ends = (estimate.interval.low / unit, estimate.interval.high / unit)
        axes.plot(
            ends, (height, height), color=colour, linewidth=2.6 if thick else 1.1, solid_capstyle="butt"
        )
    axes.plot(
        estimate.difference / unit,
        height,
        marker="D" if thick else "o",
        color=colour,
        markersize=6.5 if thick else 4,
    )


def _histograms(report: RunReport, metric: str, values: Sequence[Sequence[float]]) -> Figure:
    scale = report.dataset.scales.get(metric)
    bins, labels = bins_of([value for one in values for value in one], scale)
    heading = title_of(report, metric)
    extra = max(label.count("\n") for label in labels) + heading.count("\n")
    figure, axes = figure_with_axes(NARROW, 2.1 + 0.15 * extra)
    share, starts = 0.8 / len(values), [low for low, _ in bins]
    for number, one in enumerate(values):
        counts = Counter(bisect_right(starts, value) - 1 for value in one)
        heights = [counts[place] / max(len(one), 1) for place in range(len(bins))]
        places = [place - 0.4 + share * (number + 0.5) for place in range(len(bins))]
        axes.bar(places, [100 * height for height in heights], share, color=SERIES[number % len(SERIES)])
        if one:
            mean = _place(statistics.fmean(one), bins)
            axes.plot(
                mean,
                1.04,
                marker="v",
                color=SERIES[number % len(SERIES)],
                clip_on=False,
                markersize=6,
                transform=axes.get_xaxis_transform(),
            )
    axes.set_xticks(range(len(labels)), labels)
    if any("\n" in text for text in labels):
        axes.tick_params(axis="x", labelsize=7.5)
    axes.tick_params(length=0)
    axes.set_ylabel(f"% of {'answers' if report.dataset.individual else 'samples'}")
    axes.set_title(heading, loc="left", color=INK, weight="bold", fontsize=10, pad=12)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return watermarked(figure, report.rehearsal)


def bins_of(
    values: Sequence[float], scale: Scale | None = None
) -> tuple[list[tuple[float, float]], list[str]]:
    """Half-open bins with labels: one per whole number if values are whole and few, one for equal values, else eight.

    They reach from end to end of the ``scale``, where there is one, and name its points by its words.

    >>> bins_of([1, 3])
    ([(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)], ['1', '2', '3'])
    """
    low, high = min(values), max(values)
    if all(float(value).is_integer() for value in values):
        if scale is not None and scale.ends is not None:
            low, high = min(low, scale.ends[0]), max(high, scale.ends[1])
        step = math.ceil((high - low + 1) / MAX_BINS)
        edges = [low + step * number for number in range(math.ceil((high - low + 1) / step) + 1)]
        pairs = [(float(a), float(b)) for a, b in pairwise(edges)]
        words = _point_words(scale, len(pairs)) if step == 1 else {}
        return pairs, [f"{a:.0f}{words.get(a, '')}" if step == 1 else f"{a:.0f}+" for a, _ in pairs]
    if math.isclose(low, high):
        return [(low, math.inf)], [f"{low:.3g}"]
    width = (high - low) / 8
    pairs = [(low + width * number, low + width * (number + 1)) for number in range(8)]
    pairs[-1] = (pairs[-1][0], math.inf)
    return pairs, [f"{a:.3g}" for a, _ in pairs]


def _point_words(scale: Scale | None, bins: int) -> dict[float, str]:
    """Below a point's number its words, in short lines; only the ends' where there are many points."""
    known = {} if scale is None else dict(scale.points)
    if bins > MOST_WORDS:
        known = {point: words for point, words in known.items() if point in ((scale and scale.ends) or ())}
    room = len(known) if bins > MOST_WORDS else bins  # words of the ends have more room
    longest = max((len(word) for words in known.values() for word in words.split()), default=0)
    width = max(int(NARROW * CHARACTERS / max(room, 3)), min(longest, LONGEST_WORD))
    return {
        point: "\n" + "\n".join(textwrap.wrap(words, width, max_lines=3, placeholder="…"))
        for point, words in known.items()
    }


def _place(value: float, bins: Sequence[tuple[float, float]]) -> float:
    """Where ``value`` stands on an axis whose bins are centred on 0, 1, 2, …"""
    if len(bins) == 1:
        return 0.0
    low, high = bins[0]
    whole = (high - low) == 1
    return (value - low) / (high - low) - (0 if whole else 0.5)


def _lines(report: RunReport, metric: str, means: dict[str, list[float | None]]) -> Figure:
    heading, scale = title_of(report, metric), report.dataset.scales.get(metric)
    figure, axes = figure_with_axes(NARROW, 1.9 + 0.15 * heading.count("\n"))
    for number, series in enumerate(means.values()):
        points = [(rep, mean) for rep, mean in enumerate(series, start=1) if mean is not None]
        if points:
            axes.plot(
                *zip(*points, strict=True), marker="os^Dvp"[number % 6], color=SERIES[number % len(SERIES)]
            )
    reps = len(next(iter(means.values())))
    axes.set_xlim(0.7, reps + 0.3)
    axes.set_xticks(range(1, reps + 1) if reps <= 10 else range(1, reps + 1, math.ceil(reps / 10)))
    known = [mean for series in means.values() for mean in series if mean is not None]
    if known and scale is not None and scale.ends is not None:
        low, high = min(scale.ends[0], *known), max(scale.ends[1], *known)
        axes.set_ylim(low, high + 0.05 * (high - low))
        if (low, high) == (MIN_SCORE, MAX_SCORE):
            axes.set_yticks((0, 3, 6, 9))
    axes.set_xlabel("repetition")
    axes.set_ylabel("mean")
    axes.set_title(heading, loc="left", color=INK, weight="bold", fontsize=10)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    return watermarked(figure, report.rehearsal)


def figure_with_axes(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of this size in inches, with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def watermarked(figure: Figure, rehearsal: bool) -> Figure:
    """Watermark a rehearsal's figure, which may be copied elsewhere."""
    if rehearsal:
        (axes,) = figure.axes
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "weight": "bold",
            "fontsize": 22,
            "rotation": 14,
        }
        axes.text(0.5, 0.5, "REHEARSAL", color=MUTED, alpha=0.22, zorder=0, transform=axes.transAxes, **style)
    return figure
