"""What calls took: how many of which kind, tokens, and dollars where they are known."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

from harness.gateway.calls import Reply
from harness.model import Answering, Usage


class Account:
    """Adds up calls and their replies. Every call that was sent counts, answered or not."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._tokens_in = self._tokens_out = 0
        self._cost: float | None = 0.0
        self._cost_reason: str | None = None
        self._models: Counter[tuple[str, str | None]] = Counter()
        self._usage_faults: Counter[str] = Counter()

    def note_call(self, kind: str) -> None:
        """A call was sent."""
        self._calls[kind] += 1

    def note_billed(self, reply: Reply) -> None:
        """It was answered. One reply of unknown cost makes the sum unknown."""
        self._tokens_in += reply.tokens_in
        self._tokens_out += reply.tokens_out
        self._cost = None if self._cost is None or reply.cost is None else self._cost + reply.cost
        self._cost_reason = self._cost_reason or reply.cost_reason
        self._models[reply.model, reply.fingerprint] += 1
        if reply.usage_fault:
            self._usage_faults[reply.usage_fault] += 1

    def note_reply(self, kind: str, reply: Reply) -> None:
        """Both, for a reply of an earlier session."""
        self.note_call(kind)
        self.note_billed(reply)

    def __add__(self, other: Account) -> Account:
        both = Account()
        for one in (self, other):
            both._calls.update(one._calls)
            both._tokens_in += one._tokens_in
            both._tokens_out += one._tokens_out
            both._cost = None if both._cost is None or one._cost is None else both._cost + one._cost
            both._cost_reason = both._cost_reason or one._cost_reason
            both._models.update(one._models)
            both._usage_faults.update(one._usage_faults)
        return both

    def usage(self) -> Usage:
        """The sums. Without any call the cost is zero."""
        return Usage(
            MappingProxyType(dict(self._calls)),
            self._tokens_in,
            self._tokens_out,
            self._cost,
            self._cost_reason,
            tuple(Answering(*who, replies) for who, replies in sorted(self._models.items(), key=str)),
            MappingProxyType(dict(self._usage_faults)),
        )
