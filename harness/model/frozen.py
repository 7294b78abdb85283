"""Data that cannot be changed once it is there, nested parts included, and money in whole cents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from harness.errors import ConfigurationError


class FrozenDict(dict[str, Any]):
    """A dict that refuses every change. Equal to a plain one, written as JSON and pickled like one.

    Hashable where its values are.
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("This data is frozen and cannot be changed; make a copy with dict(…).")

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return FrozenDict, (dict(self),)

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenDict:
        return self


class FrozenList(list[Any]):
    """A list that refuses every change. Equal to a plain one, written as JSON and pickled like one.

    Hashable where its items are.
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("This data is frozen and cannot be changed; make a copy with list(…).")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type[FrozenList], tuple[list[Any]]]:
        return FrozenList, (list(self),)

    def __copy__(self) -> FrozenList:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenList:
        return self


def frozen_data(value: Any) -> Any:
    """``value`` with every mapping in it a `FrozenDict` and every list a `FrozenList`: equal to what it was."""
    if isinstance(value, FrozenDict | FrozenList):
        return value
    if isinstance(value, Mapping):
        return FrozenDict({key: frozen_data(one) for key, one in value.items()})
    if isinstance(value, list):
        return FrozenList(map(frozen_data, value))
    return tuple(map(frozen_data, value)) if type(value) is tuple else value


def frozen(value: Any) -> Any:
    """``value`` with every mapping in it a `FrozenDict` and every list a tuple."""
    if isinstance(value, Mapping):
        return FrozenDict({str(key): frozen(one) for key, one in value.items()})
    if isinstance(value, list | tuple):
        return tuple(frozen(one) for one in value)
    if isinstance(value, set | frozenset):
        return frozenset(frozen(one) for one in value)
    return value


def cents(owner: str, costs: Mapping[str, Any]) -> FrozenDict:
    """Costs by agent, each whole cents, 0 or more. Raises `ConfigurationError` with every one that is not."""
    problems = [
        f"{owner}: the cost of {agent} is {cost!r}; expected whole cents, an int of 0 or more."
        for agent, cost in costs.items()
        if isinstance(cost, bool) or not isinstance(cost, int) or cost < 0
    ]
    if problems:
        raise ConfigurationError(*problems)
    return FrozenDict(costs)
