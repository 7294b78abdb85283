"""Drawing people from a frame: simple and stratified random samples in one pass, and quotas. Seeded and recorded."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from harness.errors import ConfigurationError, expected_one_of

Item = TypeVar("Item")
QUOTA_ORDERS = 100
"""Random orders in which quotas on several attributes are tried."""


class Sampler(Generic[Item]):
    """Draws ``size`` of the items that it is offered, in one pass, keeping at most ``size`` per stratum.

    Each item gets a random number in the order of the offers; those with the smallest are drawn. The result is in
    the order of these numbers, so that its first people are a random sample as well. With strata, each gets its
    proportional share, rounded by largest remainders.
    """

    def __init__(self, size: int, seed: int, strata: Sequence[str] = ()) -> None:
        self.size, self._strata = size, ", ".join(strata)
        self._random = random.Random(seed).random
        self._kept: dict[Hashable, list[tuple[float, int, Item]]] = {}
        self._counts: dict[Hashable, int] = {}
        self.offered = 0

    def offer(self, item: Item, stratum: Hashable = None) -> None:
        """Consider ``item`` of ``stratum``."""
        key = -self._random()
        self.offered += 1
        kept = self._kept.get(stratum)
        if kept is not None:
            self._counts[stratum] += 1
        else:
            kept, self._counts[stratum] = [], 1
            self._kept[stratum] = kept
            if self._strata and len(self._kept) > self.size:
                raise ConfigurationError(
                    f"by={self._strata!r} has more than {self.size:,} different values, and {self.size:,} people are "
                    "drawn; expected fewer strata than people. Group the values, or choose another attribute."
                )
        if len(kept) < self.size:
            heapq.heappush(kept, (key, -self.offered, item))
        elif key > kept[0][0]:
            heapq.heapreplace(kept, (key, -self.offered, item))

    def drawn(self, owner: str) -> list[Item]:
        """The sample. Raises `ConfigurationError` where fewer items were offered; ``owner`` begins the message."""
        if self.size > self.offered:
            raise ConfigurationError(
                f"{owner}: a sample of {self.size:,} from {self.offered:,} people; expected at most all of them."
            )
        shares = _shares(self.size, self._counts)
        found = [one for stratum, kept in self._kept.items() for one in heapq.nlargest(shares[stratum], kept)]
        return [item for *_, item in sorted(found, key=lambda one: one[:2], reverse=True)]


def _shares(size: int, counts: Mapping[Hashable, int]) -> dict[Hashable, int]:
    """``size`` divided in proportion to ``counts``, by largest remainders; ties go to the stratum met first."""
    total = sum(counts.values()) or 1
    exact = {stratum: size * count / total for stratum, count in counts.items()}
    shares = {stratum: int(share) for stratum, share in exact.items()}
    by_remainder = sorted(exact, key=lambda stratum: shares[stratum] - exact[stratum])
    for stratum in by_remainder[: size - sum(shares.values())]:
        shares[stratum] += 1
    return shares


def fill_quotas(
    quotas: Mapping[str, Mapping[Any, int]],
    attributes: Sequence[Mapping[str, Any]],
    seed: int,
    size: int | None,
    owner: str,
) -> list[int]:
    """Places in ``attributes`` (one mapping per person) that fill every quota, in random order.

    People are accepted in a random order as long as each of their quotas has room; with quotas on several attributes
    further orders are tried. Raises `ConfigurationError` for quotas that cannot be filled.
    """
    wanted = _quota_size(quotas, size, owner)
    for name, levels in quotas.items():
        available = Counter(person.get(name) for person in attributes)
        for level, count in levels.items():
            if count > available[level]:
                near = "" if level in available else f" Its values are {_listed(available)}."
                raise ConfigurationError(
                    f"{owner}: quotas[{name!r}][{level!r}]={count:,}, and {available[level]:,} such people are "
                    f"there; expected at most as many. Lower the quota.{near}"
                )
    rng = random.Random(seed)
    for _ in range(QUOTA_ORDERS):
        order = sorted(range(len(attributes)), key=lambda _: rng.random())
        found, room = _accepted(order, attributes, quotas)
        if len(found) == wanted:
            return found
    short = ", ".join(f"{name}={level!r} lacks {count}" for (name, level), count in room.items() if count > 0)
    raise ConfigurationError(
        f"{owner}: no combination of people fills all quotas at once ({short}, after {QUOTA_ORDERS} random orders); "
        "expected quotas that fit together. Lower these, or drop a quota."
    )


def _quota_size(quotas: Mapping[str, Mapping[Any, int]], size: int | None, owner: str) -> int:
    for name, levels in quotas.items():
        for level, count in levels.items():
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise ConfigurationError(
                    f"{owner}: quotas[{name!r}][{level!r}]={count!r}; expected a number of people, 0 or more."
                )
    sums = {name: sum(levels.values()) for name, levels in quotas.items()}
    if len({*sums.values(), *(() if size is None else (size,))}) > 1 or 0 in sums.values():
        told = ", ".join(f"{name} {total:,}" for name, total in sums.items())
        asked = "" if size is None else f", and n={size:,}"
        raise ConfigurationError(
            f"{owner}: the quotas add up to {told}{asked}; expected the same number of people for each attribute."
        )
    return next(iter(sums.values()))


def _accepted(
    order: Iterable[int], attributes: Sequence[Mapping[str, Any]], quotas: Mapping[str, Mapping[Any, int]]
) -> tuple[list[int], dict[tuple[str, Any], int]]:
    room = {(name, level): count for name, levels in quotas.items() for level, count in levels.items()}
    found = []
    for place in order:
        cells = [(name, attributes[place].get(name)) for name in quotas]
        if all(room.get(cell, 0) > 0 for cell in cells):
            found.append(place)
            for cell in cells:
                room[cell] -= 1
    return found, room


def check_seed(seed: object, owner: str) -> None:
    """Raise `ConfigurationError` for a seed that is not a whole number."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ConfigurationError(f"{owner}: seed={seed!r:.60}; expected a whole number.")


def matched_levels(
    targets: Mapping[str, Mapping[Any, Any]], attributes: Sequence[Mapping[str, Any]], owner: str
) -> dict[str, dict[Any, Any]]:
    """``targets`` with levels as people have them, where only the type differs: ``"1"`` is the value 1.

    Raises `ConfigurationError` for what is not a mapping of mappings.
    """
    found: dict[str, dict[Any, Any]] = {}
    for name, levels in targets.items():
        if not isinstance(levels, Mapping):
            raise ConfigurationError(
                f"{owner}[{name!r}]={levels!r:.60}; expected a mapping, such as {{'North': 1, 'South': 2}}."
            )
        values = dict.fromkeys(person.get(name) for person in attributes)
        texts = {str(value): value for value in values}
        found[name] = {
            level if level in values else texts.get(str(level), level): target
            for level, target in levels.items()
        }
    return found


def known_attributes(
    named: Iterable[str], attributes: Sequence[Mapping[str, Any]], owner: str, what: str
) -> None:
    """Raise `ConfigurationError` for an attribute that no person in ``attributes`` has; ``what`` named it."""
    known = dict.fromkeys(name for person in attributes for name in person)
    for name in named:
        if name not in known:
            raise ConfigurationError(
                f"{owner}: {what} names {name!r}; {expected_one_of(str(name), list(known))}"
            )


def stratum_by(by: Sequence[str]) -> Callable[[Mapping[str, Any]], Hashable]:
    """The stratum of a person by attributes."""
    return lambda attributes: tuple(str(attributes.get(name)) for name in by)


def _listed(values: Iterable[Any], most: int = 12) -> str:
    found = sorted({repr(value) for value in values})
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
