"""Which request fields a trial's calls get beside what they name themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.gateway.calls import Request
from harness.gateway.requests.call_kinds import role_of_kind
from harness.model import merge_options
from harness.model.output_limits import by_kind, declared_limit
from harness.model.roles import MEASURING, USER

_FIELDS = ("temperature", "max_tokens")
"""Options that are fields of `Request`; all others are among its ``extra``."""

FIXED_MODEL = frozenset({"model"})
"""What is ``replaced`` in the requests of a program with its own names of models."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The model options of a trial: ``shared`` by all arms, and the ``arm``'s own, where ``None`` leaves a field out.

    A call that measures the outcome, or of a simulated user, gets the shared ones alone, so that arms are measured
    alike; the model of a role alone gets only ``judge``. A field that a request names itself, ``model`` included, wins,
    unless it is ``replaced``: some engines put the defaults of their configuration into every request.
    """

    shared: Mapping[str, Any] = field(default_factory=dict)
    arm: Mapping[str, Any] = field(default_factory=dict)
    judge: Mapping[str, Any] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()

    def of(self, kind: str, *, apart: bool, role: str = "") -> dict[str, Any]:
        """The options of a call of ``kind`` and ``role``; ``apart``: the model of a role alone answers it.

        Its ``max_tokens``, if it has one, is the limit of this kind.
        """
        if apart:
            options = merge_options(self.judge)
            # A limit of this kind is meant for any model.
            own = by_kind(self.shared.get("max_tokens")).get(kind)
            options |= {} if own is None else {"max_tokens": own}
        elif (role or role_of_kind(kind)) in (*MEASURING, USER):
            options = merge_options(self.shared)
        else:
            options = merge_options(self.shared, self.arm)
        limit = declared_limit(options.pop("max_tokens", None), kind)
        return options if limit is None else {**options, "max_tokens": limit}

    def fill(self, request: Request, options: Mapping[str, Any]) -> Request:
        """``request`` with ``options``."""
        taken = {name for name in _FIELDS if getattr(request, name) is not None} | request.extra.keys()
        filled = {name: value for name, value in options.items() if name not in taken - self.replaced}
        if not filled:
            return request
        fields = {name: filled.pop(name) for name in _FIELDS if name in filled}
        return replace(request, extra={**request.extra, **filled}, **fields)


def unsent(request: Request, options: Mapping[str, Any]) -> set[str]:
    """The declared options that ``request`` lacks or changes."""
    carried = {**request.extra, **{name: getattr(request, name) for name in _FIELDS}}
    return {name for name, value in options.items() if carried.get(name) != value}
