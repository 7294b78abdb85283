"""What an experiment compares: each arm with the first, every pair, or contrasts named beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

from harness.errors import did_you_mean, expected_one_of
from harness.model.declaration import (
    NAME,
    Fields,
    Kind,
    declaration,
    field_faults,
    flat,
    normalise,
    number,
    shown,
)

CONTROL, PAIRS = "control", "pairs"
"""Each later group against the first; every pair of groups."""
MINUS = "\N{MINUS SIGN}"
Pair = tuple[str, str]
"""Two groups: the difference is the first one's mean − the second one's."""
_NONZERO = 1e-9
_WEIGHT = number()


@declaration
@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighted sum of the arms' means that an experiment names before its data.

    Fields:
        name: what it says in a table, such as ``"dose, linear"``.
        weights: group → weight; they sum to 0, and groups left out have weight 0. The estimate is in points where the
            positive weights sum to 1.

    >>> Contrast("short against long", {"short": 1, "long": -0.5, "longer": -0.5}).weights["long"]
    -0.5
    """

    name: str
    weights: Mapping[str, float]

    FIELDS: ClassVar[Fields] = {
        "name": NAME,
        "weights": Kind(
            lambda value: isinstance(value, Mapping) and all(map(_WEIGHT.accepts, value.values())),
            "a mapping of groups to finite numbers, such as {'Treatment': 1, 'Control': -1}",
        ),
    }

    def __post_init__(self) -> None:
        normalise(self, data=["weights"])


Contrasts = str | tuple["Contrast | Pair", ...]
"""``"control"``, ``"pairs"``, or the pairs and contrasts that an experiment names."""


def pair_name(pair: Pair) -> str:
    """
    >>> pair_name(("Treatment", "Control"))
    'Treatment − Control'
    """
    return f"{pair[0]} {MINUS} {pair[1]}"


def pairs_of(contrasts: Contrasts, groups: Sequence[str]) -> list[Pair]:
    """The pairs of groups that ``contrasts`` compare, each later group first.

    >>> pairs_of("pairs", ["A", "B", "C"])
    [('B', 'A'), ('C', 'A'), ('C', 'B')]
    """
    if contrasts == PAIRS:
        return [(later, first) for first, later in combinations(groups, 2)]
    if isinstance(contrasts, str):
        return [(later, groups[0]) for later in groups[1:]]
    return [one for one in contrasts if not isinstance(one, Contrast)]


def weighted(contrasts: Contrasts) -> list[Contrast]:
    """The contrasts that are declared by weights."""
    return [one for one in contrasts if isinstance(one, Contrast)] if isinstance(contrasts, tuple) else []


def contrasts_to_metadata(contrasts: Contrasts) -> Any:
    """As records and plans have them."""
    if isinstance(contrasts, str):
        return contrasts
    return [
        {"name": one.name, "weights": dict(one.weights)} if isinstance(one, Contrast) else list(one)
        for one in contrasts
    ]


def contrasts_from_metadata(data: Any) -> Contrasts:
    """Read what `contrasts_to_metadata` wrote. Raises `ValueError`, `KeyError` or `TypeError` when it is not that."""
    if data in (CONTROL, PAIRS):
        return str(data)
    if not isinstance(data, list):
        raise TypeError(f"contrasts {shown(data)}")
    return tuple(_from_metadata(one) for one in data)


def _from_metadata(one: Any) -> Contrast | Pair:
    if isinstance(one, Mapping):
        weights = dict(one["weights"])
        return Contrast(str(one["name"]), {str(group): float(value) for group, value in weights.items()})
    left, right = one
    return str(left), str(right)


def contrasts_in_words(data: Any) -> str:
    """What `contrasts_to_metadata` wrote, for readers.

    >>> contrasts_in_words([["Warm", "Cold"], {"name": "tone", "weights": {"Warm": 1, "Plain": -1}}])
    'Warm − Cold; tone (+1 Warm, -1 Plain)'
    """
    try:
        contrasts = contrasts_from_metadata(data)
    except (KeyError, TypeError, ValueError):
        return shown(data)
    if isinstance(contrasts, str):
        return {CONTROL: "each later group against the first", PAIRS: "every pair of groups"}[contrasts]
    return "; ".join(
        f"{one.name} ({', '.join(f'{weight:+g} {group}' for group, weight in one.weights.items())})"
        if isinstance(one, Contrast)
        else pair_name(one)
        for one in contrasts
    )


def contrast_problems(owner: str, contrasts: Any, groups: Sequence[str]) -> Iterator[str]:
    """What is wrong with declared ``contrasts`` of arms called ``groups``, one sentence each."""
    if isinstance(contrasts, str):
        if contrasts not in (CONTROL, PAIRS):
            known = expected_one_of(contrasts, [CONTROL, PAIRS])
            yield f"{owner}: contrasts={contrasts!r}; {known.rstrip('.')}, or a tuple of pairs and Contrasts."
        return
    if not isinstance(contrasts, tuple) or not contrasts:
        yield (
            f"{owner}: contrasts={shown(contrasts)}; expected 'control', 'pairs', or a tuple such as "
            "(('Treatment', 'Control'),)."
        )
        return
    faults = [
        list(_faults(f"{owner}: contrasts[{index}]", one, groups)) for index, one in enumerate(contrasts)
    ]
    yield from (fault for several in faults for fault in several)
    yield from _repeated(owner, [one for one, several in zip(contrasts, faults, strict=True) if not several])


def _faults(mine: str, one: Any, groups: Sequence[str]) -> Iterator[str]:
    if isinstance(one, Contrast):
        mine = f"{mine.rpartition('contrasts[')[0]}contrast {shown(one.name)}"
        own = field_faults(mine, one)
        yield from flat(own)
        if "weights" in own:
            return
        yield from _unknown(mine, one.weights, groups)
        total, size = math.fsum(one.weights.values()), max(map(abs, one.weights.values()), default=0.0)
        if not size:
            yield f"{mine}: every weight is 0; expected weights other than 0 that sum to 0."
        elif abs(total) > _NONZERO * size:
            yield f"{mine}: its weights sum to {total:.4g}; expected 0, such as {{'Treatment': 1, 'Control': -1}}."
    elif isinstance(one, tuple) and len(one) == 2 and all(isinstance(name, str) for name in one):
        yield from _unknown(mine, one, groups)
        if one[0] == one[1]:
            yield f"{mine}: {one[0]!r} is compared with itself; expected two groups."
    else:
        yield f"{mine}={shown(one)}; expected a pair of groups such as ('Treatment', 'Control'), or a Contrast."


def _unknown(mine: str, names: Iterable[str], groups: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name not in groups:
            yield (
                f"{mine}: unknown group {shown(name)}; expected one of {', '.join(groups)}."
                f"{did_you_mean(str(name), groups)}"
            )


def _repeated(owner: str, contrasts: Sequence[Contrast | Pair]) -> Iterator[str]:
    """Contrasts that share a name, or that test the same hypothesis."""
    names: dict[str, int] = {}
    tested: dict[tuple[tuple[str, float], ...], str] = {}
    for one in contrasts:
        name = one.name if isinstance(one, Contrast) else pair_name(one)
        names[name] = names.get(name, 0) + 1
        weights = dict(one.weights) if isinstance(one, Contrast) else {one[0]: 1.0, one[1]: -1.0}
        other = tested.setdefault(_direction(weights), name)
        if other != name:
            yield f"{owner}: contrasts {other!r} and {name!r} test the same; expected one of them."
    for name, times in names.items():
        if times > 1:
            yield f"{owner}: contrast {name!r} is declared {times} times; expected once."


def _direction(weights: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """The weights less their scale and sign."""
    kept = sorted((group, weight) for group, weight in weights.items() if weight)
    return tuple((group, round(weight / kept[0][1], 9)) for group, weight in kept)
