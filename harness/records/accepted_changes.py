"""Changes of a run's settings that the user accepted: a run that has any is mixed, and supports no claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.records.json_safe import plain

ACCEPTED = "accepted_changes"
"""The key of a mixed run's settings under which its changes are listed, oldest first."""
NAMED = 4
"""Settings that one sentence names; the rest are counted."""

Differences = Mapping[str, tuple[Any, Any]]


def changes_of(settings: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The accepted changes in ``settings``: each with ``since`` (ISO 8601) and ``differences``, key → [then, now]."""
    found = (settings or {}).get(ACCEPTED)
    return [dict(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []


def is_mixed(settings: Mapping[str, Any] | None) -> bool:
    return bool(changes_of(settings))


def without_changes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` as every session states them."""
    return {key: value for key, value in settings.items() if key != ACCEPTED}


def with_changes(
    settings: Mapping[str, Any], earlier: Mapping[str, Any], differences: Differences, now: datetime
) -> dict[str, Any]:
    """``settings`` with the changes that ``earlier`` has, and the new ``differences``, if there are any."""
    changes = changes_of(earlier)
    if differences:
        pairs = {key: list(pair) for key, pair in differences.items()}
        changes.append({"since": now.isoformat(), "differences": plain(pairs)[0]})
    return {**without_changes(settings), **({ACCEPTED: changes} if changes else {})}


def accepted_changes(
    metadata: Iterable[Mapping[str, Any]], records: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The changes of a run by its first lines, each with ``first_trial``: the first that ended after it, if any did."""
    changes = max((changes_of(line.get("settings")) for line in metadata), key=len, default=[])
    if not changes:
        return []
    ended = sorted((str(one.get("ended") or ""), str(one.get("trial"))) for one in records)
    return [
        {**one, "first_trial": next((trial for end, trial in ended if end >= str(one.get("since"))), None)}
        for one in changes
    ]


def change_sentences(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each change in a sentence: which settings differ, and from which trial on."""
    return [
        f"{_names(one)} changed from {one['first_trial']} on"
        if one.get("first_trial")
        else f"{_names(one)} changed"
        for one in changes
    ]


def _names(change: Mapping[str, Any]) -> str:
    names = list(change.get("differences") or ())
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more settings" if more > 0 else "")
