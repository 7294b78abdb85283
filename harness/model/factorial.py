"""Arms from factors: every combination of their levels is a `Group`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from harness.errors import ConfigurationError
from harness.model.declaration import shown
from harness.model.design import Group

Levels = Mapping[str, Mapping[str, Any]]
"""Level → what it declares, by field of `Group`."""
_JOINED = "\n\n"


def factorial(
    *, where: Callable[[Mapping[str, str]], bool] | None = None, **factors: Levels
) -> tuple[Group, ...]:
    """Return one `Group` per combination of the factors' levels, named by them: ``warm-short``.

    The first level of each factor is its reference, and the first group the one that the others are compared with.
    Instructions of several factors are joined, in the factors' order; settings, model options and texts of the script
    are merged. ``where`` keeps the combinations for which it returns true, given level by factor: for nested designs
    and fractions.

    Raises `ConfigurationError` for a factor without levels, a level without a name, or two levels that set one field.

    >>> arms = factorial(
    ...     tone={"warm": {"instructions": "Be warm."}, "cold": {"instructions": "Be cold."}},
    ...     length={"free": {}, "short": {"instructions": "Use ten words."}},
    ... )
    >>> [arm.name for arm in arms]
    ['warm-free', 'warm-short', 'cold-free', 'cold-short']
    >>> arms[3].factors
    {'tone': 'cold', 'length': 'short'}
    """
    problems = [text for name, levels in factors.items() for text in _problems(name, levels)]
    if where is not None and not callable(where):
        problems.append(
            f"factorial(): where={shown(where)}; expected a function of level by factor. A factor needs another name."
        )
    if not factors:
        problems.append(
            "factorial(): no factors; expected at least one, such as tone={'warm': {…}, 'cold': {…}}."
        )
    if problems:
        raise ConfigurationError(*problems)
    chosen = (dict(zip(factors, names, strict=True)) for names in product(*factors.values()))
    groups = tuple(_group(one, factors) for one in chosen if where is None or where(one))
    if not groups:
        raise ConfigurationError("factorial(): where= keeps no combination; expected at least one.")
    return groups


def _problems(factor: str, levels: Any) -> list[str]:
    if not isinstance(levels, Mapping) or not levels:
        return [
            f"factorial(): {factor}={shown(levels)}; expected a mapping of levels, such as {{'warm': {{…}}}}."
        ]
    found = []
    for level, fields in levels.items():
        mine = f"factorial(): {factor}[{shown(level)}]"
        if not isinstance(level, str) or not level.strip():
            found.append(f"{mine}: a level needs a name of letters and digits.")
        elif not isinstance(fields, Mapping):
            found.append(
                f"{mine}={shown(fields)}; expected a mapping of fields of Group, such as {{'instructions': …}}."
            )
        else:
            found += [
                f"{mine}: {name} is set by factorial itself."
                for name in ("name", "factors")
                if name in fields
            ]
    return found


def _group(levels: Mapping[str, str], factors: Mapping[str, Levels]) -> Group:
    name, declared = "-".join(levels.values()), dict[str, Any]()
    for factor, level in levels.items():
        for key, value in factors[factor][level].items():
            declared[key] = _merged(f"{name}: {key}", declared[key], value) if key in declared else value
    return Group(name, factors=levels, **declared)


def _merged(owner: str, one: Any, other: Any) -> Any:
    """What two factors declare for one field, together. Raises `ConfigurationError` where it cannot be both."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and not one.keys() & other.keys():
        return {**one, **other}
    if owner.endswith(": instructions") and isinstance(one, str) and isinstance(other, str):
        return f"{one}{_JOINED}{other}"
    if isinstance(one, tuple) and isinstance(other, tuple):
        return (*one, *other)
    raise ConfigurationError(f"factorial(): {owner} is set by two factors; expected by one.")
