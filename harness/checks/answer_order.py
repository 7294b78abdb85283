"""Whether the order of options or items makes the answers of a survey, where orders were drawn at random (F55)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import erfc, sqrt
from statistics import fmean, stdev
from typing import Any, TypedDict

from harness.checks.checked_run import CheckedRun, Record, percent
from harness.model import Check, Level
from harness.records.reader import is_number
from harness.stats.results import ALPHA
from harness.stats.welch import welch

FEWEST = 20
"""The fewest personas (each in each repetition) for which an order is judged, and half of them in each half."""
LEAN, DECIDES = 0.10, 0.25
"""How much above its fair share a position must be chosen: a tenth shows, a quarter decides the result."""
SMALL, MEDIUM = 0.2, 0.5
"""Cohen's small and medium difference in standard deviations, between items asked late and early."""

_Place = tuple[int, int, int]


class AskedItem(TypedDict):
    """What is kept of an answer: the ``position`` of its item, and how much of it each place of the options got."""

    position: int | None
    places: tuple[float, ...]


def asked_items(answers: Any, order: Any) -> dict[str, AskedItem]:
    """Item → where it was asked and which places were chosen, from a record's ``answers`` and ``order``.

    ``places`` add up to 1, and are empty where the options were not shuffled or no answer chose any.
    """
    options = order.get("options") if isinstance(order, Mapping) else None
    shuffled = options if isinstance(options, Mapping) else {}
    if not isinstance(answers, Mapping):
        return {}
    return {
        str(name): {
            "position": one.get("position"),
            "places": _places(one.get("value"), shuffled.get(name)),
        }
        for name, one in answers.items()
        if isinstance(one, Mapping) and one.get("status") == "answered"
    }


def option_order(subject: CheckedRun) -> Iterator[Check]:
    """Per item whose options were shuffled, the position that is chosen most above its fair share.

    Where order plays no part, every position is chosen equally often, whatever the options. A persona reads one order
    in all arms, and so counts once. Bonferroni over positions and items.
    """
    chosen = _chosen(subject)
    for item, places in chosen.items():
        expected = (
            f"at most {percent(LEAN)} above the fair share, or p ≥ {ALPHA:g} over all positions and items; "
            f"fails from {percent(DECIDES)}"
        )
        known = len(places)
        size = max(map(len, places))
        fair = 1 / size
        if known < FEWEST:
            said = f"{known} orders; too few to judge"
            yield Check("option order", Level.PASS, said, None, expected, item)
            continue
        shares = [fmean(one[at] if at < len(one) else 0.0 for one in places) for at in range(size)]
        at = max(range(size), key=lambda place: shares[place])
        excess = shares[at] - fair
        p = _normal_p(excess / sqrt(fair * (1 - fair) / known)) * size * len(chosen)
        said = (
            f"position {at + 1} of {size} was chosen by {percent(round(shares[at], 3))} of {known:,} personas"
        )
        said += f"; fair would be {percent(round(fair, 3))} (p = {min(p, 1):.2g})"
        yield Check("option order", _level(excess, p, LEAN, DECIDES), said, excess, expected, item)


def item_order(subject: CheckedRun) -> Iterator[Check]:
    """Per metric of a survey whose items were shuffled, the difference between items asked late and early.

    In standard deviations, late minus early, over personas (each once, by its mean over the arms). Bonferroni over
    metrics.
    """
    shuffled = any(_play(line).get("shuffle_items") for arm in subject.arms for line in subject.lines(arm))
    if not shuffled:
        return
    expected = f"at most {SMALL:g} SD in size, or p ≥ {ALPHA:g} over all metrics; fails from {MEDIUM:g}"
    positions = _positions(subject)
    metrics = [metric for metric in subject.data.metrics if _item_of(metric) in positions]
    for metric in metrics:
        early, late = _halves(subject, metric, positions[_item_of(metric)])
        if min(len(early), len(late)) < FEWEST / 2:
            yield Check("item order", Level.PASS, "too few personas to judge", None, expected, metric)
            continue
        spread = stdev([*early, *late])
        apart = (fmean(late) - fmean(early)) / spread if spread else 0.0
        found = welch(early, late).get("p_value") if spread else None
        p = (1.0 if found is None else found) * len(metrics)
        sizes = f"n = {len(late):,} and {len(early):,}"
        said = f"asked late minus asked early: {apart:+.2f} SD ({sizes}, p = {min(p, 1):.2g})"
        yield Check("item order", _level(abs(apart), p, SMALL, MEDIUM), said, apart, expected, metric)


def _normal_p(z: float) -> float:
    """The two-sided p of ``z`` by the normal distribution."""
    return erfc(abs(z) / sqrt(2))


def _level(size: float, p: float, some: float, much: float) -> Level:
    if p >= ALPHA or size <= some:
        return Level.PASS
    return Level.FAIL if size >= much else Level.WARN


def _asked(record: Record) -> Mapping[str, AskedItem]:
    kept: Mapping[str, AskedItem] | None = record.get("asked")
    return asked_items(record.get("answers"), record.get("order")) if kept is None else kept


def _place(record: Record) -> _Place:
    return (record["rep"], record["panel"], record["proposal"])


def _chosen(subject: CheckedRun) -> dict[str, list[list[float]]]:
    """Item → the shares of the places, one list per persona and repetition: the mean over the arms."""
    found: dict[str, dict[_Place, list[tuple[float, ...]]]] = {}
    for arm in subject.arms:
        for record in subject.accepted(arm):
            for name, one in _asked(record).items():
                if one["places"]:
                    found.setdefault(name, {}).setdefault(_place(record), []).append(one["places"])
    return {
        name: [[fmean(column) for column in zip(*several, strict=False)] for several in by_place.values()]
        for name, by_place in found.items()
    }


def _positions(subject: CheckedRun) -> dict[str, dict[_Place, float]]:
    """Item → the place among the items in which each persona was asked."""
    found: dict[str, dict[_Place, float]] = {}
    for arm in subject.arms:
        for record in subject.accepted(arm):
            for name, one in _asked(record).items():
                if isinstance(one["position"], int):
                    found.setdefault(name, {}).setdefault(_place(record), one["position"])
    return found


def _halves(
    subject: CheckedRun, metric: str, positions: Mapping[_Place, float]
) -> tuple[list[float], list[float]]:
    """The values of personas who were asked in the earlier half of the item's positions, and in the later."""
    values: dict[_Place, list[float]] = {}
    for arm in subject.arms:
        for one in subject.due(metric, arm):
            if one.value is not None and (one.rep, one.panel, one.proposal) in positions:
                values.setdefault((one.rep, one.panel, one.proposal), []).append(one.value)
    middle = _middle(positions[place] for place in values)
    means = {place: fmean(some) for place, some in values.items()}
    early = [mean for place, mean in means.items() if positions[place] <= middle]
    return early, [mean for place, mean in means.items() if positions[place] > middle]


def _middle(positions: Iterable[float]) -> float:
    """The largest position that still counts as early."""
    found = sorted(positions)
    if not found:
        return 0.0
    middle = found[(len(found) - 1) // 2]
    return middle if middle < found[-1] else found[-1] - 0.5


def _item_of(metric: str) -> str:
    return metric.partition("=")[0].partition("[")[0]


def _play(line: Mapping[str, Any]) -> Mapping[str, Any]:
    play = (line.get("settings") or {}).get("play")
    return play if isinstance(play, Mapping) else {}


def _places(value: Any, order: Any) -> tuple[float, ...]:
    """How much of an answer each place of the options got: all, an equal share, or its part of a budget."""
    if not isinstance(order, Sequence) or isinstance(order, str) or not order:
        return ()
    if isinstance(value, str):
        parts: Mapping[Any, float] = {value: 1.0}
    elif isinstance(value, list) and value:
        chosen = value[:1] if len(value) == len(order) else value  # of a ranking, what is first
        parts = {one: 1 / len(chosen) for one in chosen}
    elif isinstance(value, Mapping) and (total := _sum(value.values())):
        parts = {one: amount / total for one, amount in value.items()}
    else:
        return ()
    places = tuple(parts.get(option, 0.0) for option in order)
    return places if sum(places) > 0.99 else ()


def _sum(amounts: Iterable[Any]) -> float:
    """The sum of numbers; 0 where something else is among them."""
    found = list(amounts)
    return sum(found) if all(is_number(one) for one in found) else 0.0
