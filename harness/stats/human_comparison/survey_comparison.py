"""A whole survey compared with people's answers: items, subgroups and effects."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.stats.human_comparison.answers import AnswerSample, AnswerScale
from harness.stats.human_comparison.comparison import ItemComparison, compare_item
from harness.stats.human_comparison.distances import kendall
from harness.stats.human_comparison.effects import EffectComparison, compare_effects
from harness.stats.human_comparison.noise import DRAWS
from harness.stats.human_comparison.subgroups import SubgroupSpread, shared_subgroups, subgroup_spread
from harness.stats.results import Interval, Quantity

Arms = Mapping[str, AnswerSample]
"""Arm → its answers to one item."""
EVERYONE = ""
"""The arm of people who are not an experiment: each arm of the model is compared with all of them."""


@dataclass(frozen=True, slots=True)
class HumanComparison:
    """A run compared with one file of people's answers.

    ``items`` has every item of every arm against all people, or against those of the arm of the same name; and
    ``subgroups`` the same per value of an attribute. ``item_agreement`` is Kendall's tau-b between the means of items,
    on the scale from 0 to 1, by arm; its interval is where 90 % of people against people lie.
    """

    items: tuple[ItemComparison, ...]
    subgroups: tuple[ItemComparison, ...] = ()
    effects: tuple[EffectComparison, ...] = ()
    item_agreement: Mapping[str, Quantity] = field(default_factory=dict)
    spreads: tuple[SubgroupSpread, ...] = ()


def compare_survey(
    scales: Sequence[AnswerScale],
    model: Mapping[str, Arms],
    people: Mapping[str, Arms],
    *,
    attributes: Mapping[str, Sequence[str]] | None = None,
    nothing_claimed: str | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[str], None] = lambda _: None,
) -> HumanComparison:
    """Compare a survey. ``model`` and ``people`` map item → arm → answers; people without arms have `EVERYONE`.

    ``attributes`` has those whose values are subgroups, with the values in their order. ``progress`` hears the name of
    each item.
    """
    items: list[ItemComparison] = []
    subgroups: list[ItemComparison] = []
    effects: list[EffectComparison] = []
    spreads: list[SubgroupSpread] = []
    for scale in scales:
        progress(scale.item)
        theirs = people[scale.item]
        for arm, ours in model[scale.item].items():
            those = theirs.get(arm) or theirs.get(EVERYONE)
            if those is None:
                continue
            options = {"group": arm, "nothing_claimed": nothing_claimed, "seed": seed, "draws": draws}
            items.append(compare_item(scale, ours, those, **options))  # type: ignore[arg-type]
            for attribute, values in (attributes or {}).items():
                subgroups += _subgroups(scale, ours, those, attribute, values, options)
                spread = subgroup_spread(
                    scale, ours, those, attribute, values, group=arm, seed=seed, draws=draws
                )
                spreads += [spread] if spread else []
        if EVERYONE not in theirs:
            effects += compare_effects(scale, model[scale.item], theirs)
    agreement = {
        arm: item_agreement([one for one in items if one.group == arm], seed=seed, draws=draws)
        for arm in dict.fromkeys(one.group for one in items)
    }
    return HumanComparison(tuple(items), tuple(subgroups), tuple(effects), agreement, tuple(spreads))


def _subgroups(
    scale: AnswerScale,
    ours: AnswerSample,
    theirs: AnswerSample,
    attribute: str,
    values: Sequence[str],
    options: Mapping[str, object],
) -> Iterator[ItemComparison]:
    for value in shared_subgroups(ours, theirs, attribute, values):
        sides = (side.subgroup(attribute, value) for side in (ours, theirs))
        yield compare_item(scale, *sides, subgroup=f"{attribute}: {value}", **options)  # type: ignore[arg-type]


def item_agreement(items: Sequence[ItemComparison], *, seed: int = 0, draws: int = DRAWS) -> Quantity:
    """Whether items have the same order by their means, among the model and people: Kendall's tau-b."""
    import numpy as np

    known = [one for one in items if one.model.mean is not None and one.people.mean is not None]
    if len(known) < 3:
        return Quantity(None, reason="fewer than three items with a mean")
    scaled = np.array([_scaled(one) for one in known])
    found = float(kendall(scaled[:, 0], scaled[:, 1]))
    if not np.isfinite(found):
        return Quantity(None, reason="one side has every item tied")
    rng = np.random.default_rng([seed, *(zlib.crc32(one.item.encode()) for one in known)])
    growth = np.sqrt([one.people.effective_n / max(one.model.effective_n, 1) for one in known])
    draw = rng.standard_normal((2, draws, len(known)))
    taus = kendall(scaled[:, 1] + draw[0] * scaled[:, 2] * growth, scaled[:, 1] + draw[1] * scaled[:, 2])
    low, high = np.nanquantile(taus, [0.05, 0.95])
    return Quantity(found, Interval(float(low), float(high), 0.90))


def _scaled(one: ItemComparison) -> tuple[float, float, float]:
    """The model's mean, people's, and people's standard error, on the item's scale from 0 to 1."""
    least, width = min(one.numbers), max(one.numbers) - min(one.numbers)
    assert one.model.mean is not None
    assert one.people.mean is not None
    return (
        (one.model.mean - least) / width,
        (one.people.mean - least) / width,
        (one.people.se or 0.0) / width,
    )
