"""Settings that note which of them are read: a declared setting that nothing reads is an error."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any

from harness.model.frozen import FrozenDict


class WatchedSettings(FrozenDict):
    """A `FrozenDict` that notes its reads. What sees all keys (``dict(…)``, ``**``, a copy, a comparison) reads all.

    >>> arm = WatchedSettings({"tone": "warm", "instruction": "Be brief."})
    >>> arm["tone"], arm.unread
    ('warm', ('instruction',))
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._read: set[str] = set()

    @property
    def unread(self) -> tuple[str, ...]:
        """The keys that were not read. Empty where none was: compiled code reads a dict without a trace."""
        return tuple(key for key in dict.keys(self) if key not in self._read) if self._read else ()

    def nearest_read(self, key: str) -> str:
        """The key most like ``key`` that was read and is not set; empty if none is like it."""
        from difflib import get_close_matches  # slow to import, and needed for a mistake alone

        asked = [one for one in self._read if not dict.__contains__(self, one)]
        return next(iter(get_close_matches(key, asked, n=1)), "")

    def _all(self) -> None:
        self._read.update(dict.keys(self))

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._read.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._read.add(str(key))
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        self._all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self._all()
        return super().__reversed__()

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        self._all()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        self._all()
        return super().copy()

    def __eq__(self, other: object) -> bool:
        self._all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return super().__hash__()

    def __or__(self, other: Any) -> Any:
        return {**self} | other

    def __ror__(self, other: Any) -> Any:
        return other | {**self}

    def __repr__(self) -> str:
        self._all()
        return super().__repr__()

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return FrozenDict, (dict(self),)

    def __copy__(self) -> FrozenDict:
        return FrozenDict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenDict:
        return FrozenDict(self)


UNREAD = "unread_settings"
"""The key of a trial's record under which `unread` lists what the trial did not read."""
ARM, SHARED = "plan.arm", "plan.settings"

Unread = Mapping[str, str]
"""Settings as a play writes them, ``plan.arm['tone']``, with the nearest key that was read in its place, or nothing."""


def unread(arm: WatchedSettings, shared: WatchedSettings) -> dict[str, str]:
    """What a trial did not read of the settings of its arm and of its experiment."""
    return {
        f"{name}[{key!r}]": settings.nearest_read(key)
        for name, settings in ((ARM, arm), (SHARED, shared))
        for key in settings.unread
    }


def never_read(trials: Sequence[Unread]) -> dict[str, str]:
    """What is unread in each of ``trials``; nothing of no trial."""
    return (
        {name: near for name, near in trials[0].items() if all(name in one for one in trials)}
        if trials
        else {}
    )


def unread_sentence(found: Unread, trials: int) -> str:
    """That no play of ``trials`` trials read these settings.

    >>> unread_sentence({"plan.arm['instruction']": "instructions"}, 4)
    "plan.arm['instruction'] was read in none of 4 finished trials, so no model saw it (read was 'instructions')"
    """
    number = f"{trials} finished trial{'s' * (trials != 1)}"
    near = ", ".join(repr(one) for one in dict.fromkeys(found.values()) if one)
    said = f"{', '.join(found)} was read in none of {number}, so no model saw it"
    return said + (f" (read was {near})" if near else "")
