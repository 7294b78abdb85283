"""Whether an experiment's own play read what its arms and the experiment declare as settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.checks.checked_run import CheckedRun
from harness.model import Check, Level
from harness.model.watched_settings import ARM, SHARED, UNREAD, never_read, unread_sentence


def unread(subject: CheckedRun) -> Iterator[Check]:
    """Settings that no finished trial read: of an arm among its own trials, of the experiment among all."""
    records = {arm: [_unread(record) for record in subject.accepted(arm)] for arm in subject.arms}
    every = [record for mine in records.values() for record in mine]
    for about, mine, prefix in [*((arm, mine, ARM) for arm, mine in records.items()), ("", every, SHARED)]:
        found = {name: near for name, near in never_read(mine).items() if name.startswith(prefix)}
        if found:
            said = unread_sentence(found, len(mine))
            yield Check("settings read", Level.FAIL, said, len(found), "0 settings that nothing reads", about)


def _unread(record: Mapping[str, object]) -> Mapping[str, str]:
    found = record.get(UNREAD)
    return found if isinstance(found, Mapping) else {}
