"""The order of items and options for one persona: drawn by the seed, the same in every arm."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.model import Matrix, Survey, TrialPlan
from harness.model.survey.item import Item


@dataclass(frozen=True, slots=True)
class Order:
    """The ``items`` as they are asked, and the order of the options of those that are shuffled."""

    items: tuple[Item, ...]
    options: Mapping[str, tuple[str, ...]]

    def choices(self, item: Item) -> tuple[str, ...]:
        """The options (or rows) of ``item`` as this persona reads them."""
        return self.options.get(item.name, item.choices)

    @property
    def recorded(self) -> dict[str, Any]:
        """The order as records have it."""
        orders: dict[str, dict[str, list[str]]] = {}
        for item in self.items:
            if item.name in self.options:
                what = "rows" if isinstance(item, Matrix) else "options"
                orders.setdefault(what, {})[item.name] = list(self.options[item.name])
        return {"items": [item.name for item in self.items], **orders}


def order_of(survey: Survey, plan: TrialPlan) -> Order:
    """The order for the persona of ``plan``: by seed, experiment, repetition, proposal and name, never by the arm."""
    trial = plan.trial
    person = plan.personas[0].name if plan.personas else ""
    place = f"{plan.seed}/{trial.cell.experiment}/{trial.cell.rep}/{trial.proposal}/{person}"
    items = survey.items
    if survey.shuffle_items:
        items = tuple(_shuffled(survey, _rng(place, "items")))
    options = {
        item.name: tuple(_rng(place, f"options/{item.name}").sample(item.choices, len(item.choices)))
        for item in survey.items
        if survey.is_shuffled(item)
    }
    return Order(items, options)


def _shuffled(survey: Survey, rng: random.Random) -> Iterable[Item]:
    """All items in random order, each after those that it depends on."""
    left = list(survey.items)
    rng.shuffle(left)
    placed: set[str] = set()
    while left:
        item = next(one for one in left if placed.issuperset(survey.needs(one)))
        left.remove(item)
        placed.add(item.name)
        yield item


def _rng(place: str, purpose: str) -> random.Random:
    return random.Random(hashlib.sha256(f"{place}/{purpose}".encode()).digest())
