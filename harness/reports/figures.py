"""The figures of a run, drawn by matplotlib: effects, distributions, and means per repetition."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.extras import require
from harness.model import Dataset
from harness.reports.numbers import MINUS, signed, span
from harness.reports.run_report import RunReport
from harness.reports.svg import GRID, INK, MUTED, SERIES, SETTINGS, markup
from harness.reports.verdict import label
from harness.stats.results import Comparison, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BINS = 12
CAPTION = (
    "Diamonds: the primary analysis, blocked by panel × proposal. Circles with thin lines: Welch on raw scores, "
    "which treats scores of one conversation as independent."
)
"""The legend of the forest plot."""
NARROW, WIDE = 3.5, 6.6
"""Widths in inches, for phones and for the page. Text has the same size in both."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure as an ``<svg>`` element, and an optional one for narrow screens."""

    svg: str
    narrow: str | None = None


def forest(report: RunReport, name: str) -> Drawing | None:
    """Every metric's difference with its primary and its naive interval."""
    comparisons = [one for one in report.analysis.comparisons if one.primary.difference is not None]
    if not comparisons:
        return None
    title = "Differences with intervals. " + " ".join(_summary_of(one) for one in comparisons)
    with _settings():
        svg, narrow = (
            markup(_forest(comparisons, width, rehearsal=report.rehearsal), f"{name}-{kind}", title)
            for width, kind in ((WIDE, "wide"), (NARROW, "narrow"))
        )
    return Drawing(svg, narrow)


def distributions(report: RunReport, name: str) -> Iterator[tuple[str, Drawing]]:
    """Per metric, a histogram of each group's values."""
    for number, metric in enumerate(report.design.metrics):
        values = {group: report.dataset.values(metric, group) for group in report.design.groups}
        if any(values.values()):
            title = f"Distribution of {metric} in {', '.join(values)}"
            with _settings():
                figure = _histograms(metric, list(values.values()), rehearsal=report.rehearsal)
                yield metric, Drawing(markup(figure, f"{name}-{number}", title))


def stability(report: RunReport, name: str) -> Iterator[tuple[str, Drawing]]:
    """Per metric, the mean of each repetition in each group; none for a single repetition."""
    if report.design.reps < 2:
        return
    for number, metric in enumerate(report.design.metrics):
        means = rep_means(report.dataset, metric, report.design.reps)
        title = f"Mean of {metric} per repetition in {', '.join(means)}"
        with _settings():
            figure = _lines(metric, means, rehearsal=report.rehearsal)
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
def _settings() -> Iterator[None]:
    require("report", "A figure")
    import matplotlib

    with matplotlib.rc_context(SETTINGS):  # type: ignore[arg-type]
        yield


def _summary_of(comparison: Comparison) -> str:
    return (
        f"{comparison.metric}: {signed(comparison.primary.difference)}, {span(comparison.primary.interval)}."
    )


def _forest(comparisons: Sequence[Comparison], width: float, *, rehearsal: bool) -> Figure:
    several = len({one.contrast for one in comparisons}) > 1
    figure, axes = _axes(width, 0.55 * len(comparisons) + 0.6)
    for row, one in enumerate(reversed(comparisons)):
        name = f"{one.metric} ({label(one, comparisons)})" if several else one.metric
        axes.annotate(
            name, (0, row + 0.27), xycoords=("axes fraction", "data"), color=INK, weight="bold", va="center"
        )
        _interval(axes, one.primary, row, thick=True)
        if (beside := naive(one)) is not None:
            _interval(axes, beside, row - 0.24, thick=False)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(-0.55, len(comparisons) - 0.45)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    first = comparisons[0]
    against_one = len({one.control for one in comparisons}) == 1
    against = f"difference {MINUS} {first.control}" if against_one else "difference"
    axes.set_xlabel(against if several else first.contrast)
    return _marked(figure, rehearsal)


def _interval(axes: Axes, estimate: Estimate, height: float, *, thick: bool) -> None:
    if estimate.difference is None:
        return
    colour = SERIES[1] if thick else MUTED
    if estimate.interval is not None:
        ends = (estimate.interval.low, estimate.interval.high)
        axes.plot(
            ends, (height, height), color=colour, linewidth=2.6 if thick else 1.1, solid_capstyle="butt"
        )
    axes.plot(
        estimate.difference,
        height,
        marker="D" if thick else "o",
        color=colour,
        markersize=6.5 if thick else 4,
    )


def _histograms(metric: str, values: Sequence[Sequence[float]], *, rehearsal: bool) -> Figure:
    bins, labels = bins_of([value for one in values for value in one])
    figure, axes = _axes(NARROW, 2.1)
    share = 0.8 / len(values)
    for number, one in enumerate(values):
        heights = [sum(low <= value < high for value in one) / max(len(one), 1) for low, high in bins]
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
    axes.tick_params(length=0)
    axes.set_ylabel("% of samples")
    axes.set_title(metric, loc="left", color=INK, weight="bold", fontsize=10, pad=12)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return _marked(figure, rehearsal)


def bins_of(values: Sequence[float]) -> tuple[list[tuple[float, float]], list[str]]:
    """Half-open bins with labels: one per whole number if values are whole and few, one for equal values, else eight.

    >>> bins_of([1, 3])
    ([(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)], ['1', '2', '3'])
    """
    low, high = min(values), max(values)
    if all(float(value).is_integer() for value in values):
        low, high = (0, 9) if low >= 0 and 4 <= high <= 9 else (low, high)
        step = math.ceil((high - low + 1) / MAX_BINS)
        edges = [low + step * number for number in range(math.ceil((high - low + 1) / step) + 1)]
        pairs = [(float(a), float(b)) for a, b in pairwise(edges)]
        return pairs, [f"{a:.0f}" if step == 1 else f"{a:.0f}+" for a, _ in pairs]
    if math.isclose(low, high):
        return [(low, math.inf)], [f"{low:.3g}"]
    width = (high - low) / 8
    pairs = [(low + width * number, low + width * (number + 1)) for number in range(8)]
    pairs[-1] = (pairs[-1][0], math.inf)
    return pairs, [f"{a:.3g}" for a, _ in pairs]


def _place(value: float, bins: Sequence[tuple[float, float]]) -> float:
    """Where ``value`` stands on an axis whose bins are centred on 0, 1, 2, …"""
    if len(bins) == 1:
        return 0.0
    low, high = bins[0]
    whole = (high - low) == 1
    return (value - low) / (high - low) - (0 if whole else 0.5)


def _lines(metric: str, means: dict[str, list[float | None]], *, rehearsal: bool) -> Figure:
    figure, axes = _axes(NARROW, 1.9)
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
    if known and min(known) >= 0 and max(known) <= 9:
        axes.set_ylim(0, 9.4)
        axes.set_yticks((0, 3, 6, 9))
    axes.set_xlabel("repetition")
    axes.set_ylabel("mean")
    axes.set_title(metric, loc="left", color=INK, weight="bold", fontsize=10)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    return _marked(figure, rehearsal)


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _marked(figure: Figure, rehearsal: bool) -> Figure:
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
