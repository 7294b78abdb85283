"""What the journal has of batches: which calls each holds, and its id at the provider once that is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import HarnessError
from harness.gateway.calls import CallSite

VERSION = 1
"""The version of a batch's row."""

SampleKey = tuple[str, str, str, int, int, str, int, int]
"""Trial, kind, person, step, attempt, digest, occurrence and draw: the key of a reply in the journal."""


def sample_key(trial: str, site: CallSite, digest: str, occurrence: int, draw: int) -> SampleKey:
    """The key of the reply that a call will have."""
    return trial, site.kind, site.person, site.step, site.attempt, digest, occurrence, draw


@dataclass(frozen=True, slots=True)
class BatchedCall:
    """One call of a batch: the key of its sample, its default output limit, and how it was spelled."""

    sample: SampleKey
    limit: int | None
    spelling: tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class JournaledBatch:
    """A batch as the journal has it. ``key`` names it, and begins the names of its calls.

    ``id`` is the provider's; empty from before it is created until that is on disk. ``created`` is in seconds since
    1970.
    """

    key: str
    model: str
    created: float
    calls: Sequence[BatchedCall]
    id: str = ""

    def with_id(self, batch_id: str) -> JournaledBatch:
        """The same, created at the provider as ``batch_id``."""
        return replace(self, id=batch_id)

    def text(self) -> str:
        """All but key and id, as JSON."""
        calls = [[*one.sample, one.limit, *one.spelling] for one in self.calls]
        return json.dumps({"version": VERSION, "model": self.model, "created": self.created, "calls": calls})

    @classmethod
    def read(cls, key: str, text: str, batch_id: str) -> JournaledBatch:
        """The batch of a row. Raises `HarnessError` for one of a later version, and `ValueError` for a damaged one."""
        found = json.loads(text)
        try:
            if found["version"] > VERSION:
                raise HarnessError(
                    f"Batch {batch_id or key} was sent by a later version of harness. Continue with that version."
                )
            calls = [_call(one) for one in found["calls"]]
            return cls(key, found["model"], found["created"], calls, batch_id)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


def _call(row: Sequence[Any]) -> BatchedCall:
    *sample, limit, name, form, as_user = row
    if len(sample) != len(SampleKey.__args__):  # type: ignore[attr-defined]
        raise ValueError(f"{len(sample)} parts of a key")
    return BatchedCall(tuple(sample), limit, (name, form, as_user))
