"""Settings as earlier versions recorded them, made comparable with today's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.addresses import without_secret_addresses
from harness.records.json_safe import differences

CODE = "code"
"""The key under which settings hold the identities of code. Version 0.1.0 did not record any."""
_MOVED = {"harness.studies.": "harness.experiments."}
"""Packages whose functions 0.1.0 recorded under another name."""
_OWN = "own"
"""The user's own settings, which may have any keys."""


def setting_differences(then: Any, now: Any) -> dict[str, tuple[Any, Any]]:
    """Dotted keys of recorded settings that differ from those of now, whichever version recorded them."""
    return differences(*comparable(then, now))


def comparable(then: Any, now: Any) -> tuple[Any, Any]:
    """Recorded and current settings, without settings that the version of ``then`` did not have.

    Addresses are compared without possible keys. Code identities are omitted if none was recorded, and so is the name
    of a metric's function, which is no longer a setting: the function's code counts.
    """
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return _renamed(then), now
    then, now = without_secret_addresses(then), without_secret_addresses(now)
    found_then, found_now = dict[str, Any](), dict[str, Any]()
    for key in {**then, **now}:
        if key == CODE and key not in then:
            continue
        pair = comparable(then[key], now[key]) if key in then and key in now and key != _OWN else None
        if key in then:
            found_then[key] = (
                _metrics(then[key]) if key == "metrics" else pair[0] if pair else _renamed(then[key])
            )
        if key in now:
            found_now[key] = _metrics(now[key]) if key == "metrics" else pair[1] if pair else now[key]
    return found_then, found_now


def without_code(settings: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Recorded settings as today's, and apart from them the code; ``None`` where none is recorded."""
    found, _ = comparable(settings, settings)
    return found, found.pop(CODE, None)


def _renamed(value: Any) -> Any:
    """A function of this package by the name that it has today."""
    for old, new in _MOVED.items():
        if isinstance(value, str) and value.startswith(old):
            return new + value.removeprefix(old)
    return value


def _metrics(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    return [
        {"name": one.get("name"), "measured": True}
        if isinstance(one, Mapping) and one.get("function")
        else one
        for one in value
    ]
