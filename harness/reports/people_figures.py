"""People and personas side by side: stacked bars, ridgelines, and dots per option; readable in black and white."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.reports.figures import NARROW, WIDE, Drawing, figure_with_axes, plot_settings, watermarked
from harness.reports.human_comparison import RunBesidePeople
from harness.reports.parts import grouped
from harness.reports.svg import GRID, INK, MUTED, SERIES, markup
from harness.stats.human_comparison.comparison import ComparedSide, ItemComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PEOPLE = "people"
LIGHTEST, DARKEST = 0.05, 0.6
"""Opacity of the first and the last level: order is seen without colour, and text is legible on both."""
SMALLEST_LABELLED = 0.07
"""The smallest share whose percentage is written into its bar."""
PLACES = 120
"""Points of a ridge."""
_MARKERS = "os^vPX"


def people_figures(found: RunBesidePeople, name: str) -> Iterator[tuple[str, Drawing]]:
    """Per item, people above each arm; ``name`` is unique in the page."""
    for number, arms in enumerate(grouped(found.found.items, lambda one: one.item)):
        known = [one for one in arms if one.model.shares and one.people.shares]
        if not known:
            continue
        title = f"{known[0].item}: people and {', '.join(one.group for one in known)}"
        with plot_settings():
            drawn = [
                markup(watermarked(_figure(known, width), found.rehearsal), f"{name}-{number}-{kind}", title)
                for width, kind in ((WIDE, "wide"), (NARROW, "narrow"))
            ]
        yield known[0].item, Drawing(*drawn)


def _figure(arms: Sequence[ItemComparison], width: float) -> Figure:
    rows = _rows(arms)
    scale = arms[0].scale
    if len(scale.parts) > 1:
        figure, axes = figure_with_axes(width, 0.42 * len(scale.parts) + 1.1)
        _dots(axes, arms, rows)
    elif scale.kind == "numeric":
        figure, axes = figure_with_axes(width, 0.62 * len(rows) + 0.9)
        _ridges(axes, arms[0], rows)
    else:
        figure, axes = figure_with_axes(
            width, 0.42 * len(rows) + 0.75 + 0.18 * _legend_rows(scale.levels, width)
        )
        _bars(axes, scale.levels, rows, _columns(scale.levels, width))
    words = textwrap.wrap(
        f"{scale.item}: {scale.question}", round(width * 11.5), max_lines=3, placeholder=" …"
    )
    figure.set_figheight(figure.get_figheight() + 0.17 * len(words))
    figure.suptitle("\n".join(words), x=0.01, ha="left", color=INK, weight="bold", fontsize=10)
    return figure


def _rows(arms: Sequence[ItemComparison]) -> list[tuple[str, ComparedSide]]:
    """People first; once where all arms have the same people, else beside each arm."""
    rows: list[tuple[str, ComparedSide]] = []
    shown: list[object] = []
    for one in arms:
        if one.people.shares not in shown:
            experiment = len({arm.people.shares for arm in arms}) > 1
            rows.append((f"{PEOPLE}, {one.group}" if experiment else PEOPLE, one.people))
            shown.append(one.people.shares)
        rows.append((one.group, one.model))
    return [(f"{_short(name)}\nn = {side.n:,}", side) for name, side in rows]


def _short(name: str) -> str:
    return textwrap.shorten(name, 22, placeholder="…")


def _columns(levels: Sequence[str], width: float) -> int:
    """Columns of the legend that fit the figure."""
    longest = max(map(len, levels)) + 6
    return max(1, min(len(levels), int(width * 13 / longest)))


def _legend_rows(levels: Sequence[str], width: float) -> int:
    return -(-len(levels) // _columns(levels, width))


def _bars(axes: Axes, levels: Sequence[str], rows: Sequence[tuple[str, ComparedSide]], columns: int) -> None:
    from matplotlib.patches import Patch

    step = (DARKEST - LIGHTEST) / max(len(levels) - 1, 1)
    shades = [LIGHTEST + step * number for number in range(len(levels))]
    for row, (_, side) in enumerate(reversed(rows)):
        left = 0.0
        for share, shade in zip(side.shares[0], shades, strict=True):
            axes.barh(row, share, 0.72, left, color=INK, alpha=shade, linewidth=0)
            axes.barh(row, share, 0.72, left, fill=False, edgecolor=MUTED, linewidth=0.8)
            if share >= SMALLEST_LABELLED:
                middle = left + share / 2
                axes.text(
                    middle, row, f"{100 * share:.0f}", ha="center", va="center", color=INK, fontsize=8.5
                )
            left += share
    _row_labels(axes, [name for name, _ in reversed(rows)])
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    handles = [
        Patch(facecolor=(*_rgb(INK), shade), edgecolor=MUTED, linewidth=0.8, label=level)
        for level, shade in zip(levels, shades, strict=True)
    ]
    axes.legend(
        handles=[one for column in range(columns) for one in handles[column::columns]],  # rows first
        loc="upper left", bbox_to_anchor=(0, 0), ncols=columns, frameon=False, fontsize=8.5,
        handlelength=1.1, handleheight=1.0, columnspacing=1.2, borderaxespad=0.4,
    )  # fmt: skip


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _ridges(axes: Axes, first: ItemComparison, rows: Sequence[tuple[str, ComparedSide]]) -> None:
    """Densities over the scale, one above another; a triangle is the mean."""
    import numpy as np

    numbers = np.array(first.numbers)
    low, high = float(numbers[0]), float(numbers[-1])
    grid = np.linspace(low, high, PLACES)
    width = (high - low) / 25
    densities = []
    for _, side in rows:
        weights = np.array(side.shares[0])
        densities.append(np.exp(-(((grid[:, None] - numbers) / width) ** 2) / 2) @ weights)
    top = max(float(one.max()) for one in densities)
    for row, ((name, side), density) in enumerate(zip(reversed(rows), reversed(densities), strict=True)):
        people = name.startswith(PEOPLE)
        ridge = row + 0.85 * density / top
        axes.fill_between(grid, row, ridge, color=INK, alpha=0.32 if people else 0.1, linewidth=0)
        axes.plot(
            grid, ridge, color=INK if people else SERIES[1], linewidth=1.4, linestyle="-" if people else "--"
        )
        if side.mean is not None:
            axes.plot(side.mean, row, marker="^", color=INK, markersize=6, clip_on=False)
    _row_labels(axes, [name for name, _ in reversed(rows)], lift=0.3)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.12, len(rows))
    if first.scale.unit:
        axes.set_xlabel(first.scale.unit)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _dots(axes: Axes, arms: Sequence[ItemComparison], rows: Sequence[tuple[str, ComparedSide]]) -> None:
    """The share, mean rank or mean amount of each option: people's as a bar, each arm's as a mark."""
    import numpy as np

    first = arms[0]
    places = np.array(first.numbers) if first.numbers else np.linspace(0, 1, len(first.scale.levels))
    options = list(reversed(range(len(first.scale.parts))))
    mark = 0
    for name, side in rows:
        means = [float(np.array(side.shares[part]) @ places) for part in options]
        label = name.replace("\n", ", ")
        if name.startswith(PEOPLE):
            axes.barh(range(len(options)), means, 0.5, color=INK, alpha=0.22, label=label)
        else:
            style: dict[str, Any] = {"marker": _MARKERS[mark % 6], "color": SERIES[(mark + 1) % len(SERIES)]}
            axes.plot(means, range(len(options)), linestyle="", markersize=6, label=label, **style)
            mark += 1
    _row_labels(axes, [_short(first.scale.parts[part]) for part in options])
    what = {"several": "share who chose it", "ranking": "mean rank, 1 is first", "allocation": "mean amount"}
    axes.set_xlabel(what[first.scale.form])
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.24), ncols=2, frameon=False, fontsize=8.5)


def _row_labels(axes: Axes, names: Sequence[str], lift: float = 0.0) -> None:
    axes.set_yticks([row + lift for row in range(len(names))], names)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
