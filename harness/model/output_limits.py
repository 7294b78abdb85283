"""How many tokens a reply may have, by kind of call: what is declared as ``max_tokens``, and the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

ANY = "*"
"""The kind in a mapping that stands for every kind it does not name."""

UNLIMITED: Literal["unlimited"] = "unlimited"
"""The declared limit that sends none, not even the default."""

TURN, SCORE, LIST, OTHER = 1_024, 768, 2_048, 4_096

DEFAULT_LIMITS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("act", "regenerate", "decision"), TURN),
        **dict.fromkeys(
            ("score_person", "score_panel", "quality_check", "intervention_check", "classify", "code_answer"),
            SCORE,
        ),
        **dict.fromkeys(
            ("extract", "combine", "consolidate", "minibio", "strategy", "reason", "survey"), LIST
        ),
        "other": OTHER,
    }
)
"""Tokens of a reply to a call of each kind, where nothing else is declared; `OTHER` for every other kind.

Some three times what good replies need. A reply that rambles ends there, not at the end of the model's context.
"""


def default_limit(kind: str) -> int:
    """The tokens that a reply to a call of ``kind`` may have by default.

    >>> default_limit("score_person"), default_limit("answer")
    (768, 4096)
    """
    return DEFAULT_LIMITS.get(kind, OTHER)


def by_kind(declared: Any) -> Mapping[str, Any]:
    """Declared limits as a mapping: one number is for every kind."""
    if isinstance(declared, Mapping):
        return declared
    return {} if declared is None else {ANY: declared}


def merged_limits(lower: Any, higher: Any) -> Any:
    """What two levels declare together: a mapping changes the kinds that it names, a number replaces everything.

    >>> merged_limits(500, {"act": 800})
    {'*': 500, 'act': 800}
    >>> merged_limits({"act": 800}, 500)
    500
    """
    if not isinstance(higher, Mapping):
        return higher
    return {**by_kind(lower), **higher}


def without_removed(declared: Any) -> Any:
    """``declared`` without the kinds whose limit a higher level removed; ``None`` if nothing is left."""
    if not isinstance(declared, Mapping):
        return declared
    return {kind: limit for kind, limit in declared.items() if limit is not None} or None


def declared_limit(declared: Any, kind: str) -> Any:
    """The limit that is declared for ``kind``: tokens, `UNLIMITED`, or ``None`` without any."""
    limits = by_kind(declared)
    return limits.get(kind, limits.get(ANY))


def limit_problems(mine: str, declared: Any) -> Iterable[str]:
    """Every fault of a declared ``max_tokens``, one sentence each; ``mine`` begins it."""
    limits = declared.items() if isinstance(declared, Mapping) else [("", declared)]
    for kind, limit in limits:
        place = f"{mine}[{kind!r:.80}]" if kind != "" else mine
        if not isinstance(kind, str):
            yield f"{place}: expected the name of a kind of call, such as 'act', or '{ANY}' for all others."
        elif limit is not None and limit != UNLIMITED and not (type(limit) is int and limit >= 1):
            yield f"{place}={limit!r:.80}; expected a whole number from 1, {UNLIMITED!r}, or null."
