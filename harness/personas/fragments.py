"""Merging a fragment into a persona, as TinyTroupe's ``import_fragment`` does.

The rules follow TinyTroupe 0.6.0 and are tested against it:

- a key that the persona lacks, or has as null, takes the fragment's value;
- two objects are merged key by key, by the same rules;
- two lists are joined, the persona's items first, without duplicates;
- anything else must be equal: a different value, or one of another type, is a conflict.

There are two deliberate differences: the originals are not modified (TinyTroupe extends the persona's lists in
place), and items of lists are compared as JSON, so that objects holding lists can be compared and 1 is not ``true``.
"""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Mapping
from typing import Any

from harness.personas.documents import canonical


def merge(persona: Mapping[str, Any], fragment: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """``persona`` with ``fragment`` merged in, and the conflicts, each naming key and both values."""
    conflicts: list[str] = []
    return _merged(copy.deepcopy(dict(persona)), fragment, (), conflicts), conflicts


def _merged(
    mine: Mapping[str, Any], other: Mapping[str, Any], path: tuple[str, ...], conflicts: list[str]
) -> dict[str, Any]:
    merged = dict(mine)
    for key, value in other.items():
        merged[key] = _joined(merged.get(key), value, (*path, key), conflicts)
    return merged


def _joined(mine: Any, other: Any, path: tuple[str, ...], conflicts: list[str]) -> Any:
    if mine is None:
        return copy.deepcopy(other)
    if isinstance(mine, dict) and isinstance(other, dict):
        return _merged(mine, other, path, conflicts)
    if isinstance(mine, list) and isinstance(other, list):
        return _distinct([*mine, *copy.deepcopy(other)])
    if type(mine) is not type(other) or mine != other:
        where, here, there = ".".join(path), reprlib.repr(mine), reprlib.repr(other)
        conflicts.append(f"{where} is {here} in the persona and {there} in the fragment")
    return mine


def _distinct(items: list[Any]) -> list[Any]:
    first: dict[str, Any] = {}
    for item in items:
        first.setdefault(canonical(item), item)
    return list(first.values())
