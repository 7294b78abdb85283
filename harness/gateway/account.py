"""What calls took: how many of which kind, tokens, and dollars where they are known."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

from harness.gateway.calls import Reply
from harness.model import Answering, Usage
from harness.model.roles import PLAYER


class Account:
    """Adds up calls and their replies. Every call that was sent counts, answered or not.

    ``player`` is who answers calls that name no other model.
    """

    def __init__(self, player: str = "") -> None:
        self.player = player
        self._roles: Counter[tuple[str, str]] = Counter()
        self._calls: Counter[str] = Counter()
        self._tokens_in = self._tokens_out = 0
        self._cost: float | None = 0.0
        self._cost_reason: str | None = None
        self._models: Counter[tuple[str, str | None]] = Counter()
        self._usage_faults: Counter[str] = Counter()

    def note_call(self, kind: str) -> None:
        """A call was sent."""
        self._calls[kind] += 1

    def note_billed(self, reply: Reply, role: str = PLAYER, asked: str = "") -> None:
        """It was answered, by the model ``asked`` (default: the player's).

        One reply of unknown cost makes the sum unknown.
        """
        self._roles[role, asked or self.player] += 1
        self._tokens_in += reply.tokens_in
        self._tokens_out += reply.tokens_out
        self._cost = None if self._cost is None or reply.cost is None else self._cost + reply.cost
        self._cost_reason = self._cost_reason or reply.cost_reason
        self._models[reply.model, reply.fingerprint] += 1
        if reply.usage_fault:
            self._usage_faults[reply.usage_fault] += 1

    def note_reply(self, kind: str, reply: Reply, role: str = PLAYER, asked: str = "") -> None:
        """Both, for a reply of an earlier session."""
        self.note_call(kind)
        self.note_billed(reply, role, asked)

    def __add__(self, other: Account) -> Account:
        both = Account(self.player)
        for one in (self, other):
            both._roles.update(one._roles)
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
            self._by_role(),
        )

    def _by_role(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (role, asked), replies in sorted(self._roles.items()):
            found.setdefault(role, {})[asked] = replies
        return found
