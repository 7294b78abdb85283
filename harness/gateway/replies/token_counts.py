"""Read the tokens in a reply's ``usage``, so that nothing looks cheaper than it can have been.

Servers omit parts, count reasoning outside the completion (xAI) or the cache outside the prompt, and send strings,
negative numbers and nonsense. Counts that do not add up get their most expensive reading, and `Reply.usage_fault` says
what was wrong; ``Reply.usage`` keeps the original.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.gateway.budget import COMPLETION_BOUND, prompt_bound
from harness.gateway.calls import Request
from harness.gateway.replies.json_reading import mapping, written

MOST = 1_000_000
"""Tokens that one call may have beyond what was sent and what was allowed: hidden prompts, thoughts. What states more
is not believed."""

LONGEST_KEPT = 2_000
"""Characters of a server's ``usage`` that are kept."""

_NUMBER = re.compile(r"\s*[0-9]{1,12}(?:\.[0-9]{1,12})?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stated:
    """The raw values of a ``usage``: each a JSON value of any type, ``None`` if missing.

    ``cached`` and ``stored`` (put into the cache) are parts of ``prompt``, unless ``is_cache_beside``; ``reasoning`` is
    a part of ``completion``.
    """

    prompt: Any = None
    completion: Any = None
    total: Any = None
    cached: Any = None
    stored: Any = None
    reasoning: Any = None
    is_cache_beside: bool = False


def openai_usage(usage: Any) -> Stated:
    """The parts of the ``usage`` of OpenAI's API, in the names of its chat completions or of its responses."""
    found = mapping(usage)
    read = mapping(found.get("prompt_tokens_details") or found.get("input_tokens_details"))
    made = mapping(found.get("completion_tokens_details") or found.get("output_tokens_details"))
    return Stated(
        _first(found, "prompt_tokens", "input_tokens"),
        _first(found, "completion_tokens", "output_tokens"),
        found.get("total_tokens"),
        read.get("cached_tokens"),
        read.get("cache_write_tokens"),
        made.get("reasoning_tokens"),
    )


def anthropic_usage(usage: Any) -> Stated:
    """The parts of the ``usage`` of Anthropic's API, which counts the cache beside ``input_tokens``."""
    found = mapping(usage)
    stored = found.get("cache_creation_input_tokens")
    if stored is None and isinstance(found.get("cache_creation"), Mapping):
        stored = sum(part for part in found["cache_creation"].values() if type(part) is int)
    return Stated(
        found.get("input_tokens"),
        found.get("output_tokens"),
        cached=found.get("cache_read_input_tokens"),
        stored=stored,
        is_cache_beside=True,
    )


def counted(usage: Any, stated: Stated, request: Request, *, says_something: bool) -> dict[str, Any]:
    """The fields of a `Reply` that come from ``usage``, of which ``stated`` are the parts.

    ``says_something``: the reply has words or tool calls, which take at least one token.
    """
    if usage is None:
        return {}
    reading = _Reading(request)
    reading.read(stated, says_something=says_something)
    if not isinstance(usage, Mapping):
        reading.faults.append("it is not an object")
    return {
        "tokens_in": reading.tokens_in,
        "tokens_out": reading.tokens_out,
        "tokens_cached": reading.cached,
        "tokens_written": reading.stored,
        "usage": written(usage)[:LONGEST_KEPT],
        "usage_fault": "; ".join(reading.faults),
    }


def _first(found: Mapping[str, Any], *names: str) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)


class _Reading:
    """The most expensive reading of the counts, and their fault."""

    def __init__(self, request: Request) -> None:
        self.faults: list[str] = []
        self.tokens_in = self.tokens_out = self.cached = self.stored = 0
        self._request = request

    def read(self, stated: Stated, *, says_something: bool) -> None:
        limit = self._request.max_tokens or 0
        prompt = self._number("prompt tokens", stated.prompt, self._worst_prompt)
        completion = self._number("completion tokens", stated.completion, lambda: limit)
        total = self._number("total tokens", stated.total, lambda: self._worst_prompt() + limit + MOST)
        if prompt is None and completion is None and total is None:
            return  # nothing is known: the budget counts the worst case
        if prompt == 0 and not (stated.is_cache_beside and (stated.cached or stated.stored)):
            prompt = None
            self.faults.append("no prompt tokens")
        if completion == 0 and says_something:
            completion = None
            self.faults.append("no completion tokens for a reply with words")
        self._fill(prompt, completion, total)
        self._add_cache(stated)
        reasoning = self._number("reasoning tokens", stated.reasoning) or 0
        if reasoning > self.tokens_out:
            self.faults.append("reasoning beside the completion")
            self.tokens_out += reasoning
        self._add_up(total)

    def _worst_prompt(self) -> int:
        return prompt_bound(self._request)

    def _number(self, name: str, value: Any, bound: Callable[[], int] = lambda: 0) -> int | None:
        """``value`` as a count of tokens, rounded up; ``None``, with a fault, if it cannot be one.

        ``bound`` gives the maximum beyond `MOST`; it is called only for large numbers.
        """
        if value is None:
            return None
        if isinstance(value, str):
            self.faults.append(f"{name} as a text")
            if not _NUMBER.fullmatch(value):
                return None
            value = float(value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            self.faults.append(f"{name} of type {type(value).__name__}")
            return None
        if not 0 <= value <= MOST and not MOST < value <= bound() + MOST:  # infinities as well
            self.faults.append(f"{name} {'negative' if value < 0 else 'beyond belief'}")
            return None
        if value != int(value):
            self.faults.append(f"{name} not whole")
        number: float = value
        return math.ceil(number)

    def _fill(self, prompt: int | None, completion: int | None, total: int | None) -> None:
        """Put the rest of the total, or the worst case, where a part is missing."""
        if prompt is None and completion is None and total is not None:
            self.faults.append("nothing but the total is stated")
            self.tokens_in, self.tokens_out = min(self._worst_prompt(), total), total
            return
        limit = self._request.max_tokens
        longest = COMPLETION_BOUND if limit is None else max(0, limit)
        if not self._request.messages:
            longest = 0  # texts to embed are not answered in words
        if prompt is None:
            self._note("prompt tokens missing")
            rest = 0 if total is None or completion is None else total - completion
            prompt = rest if rest > 0 else self._worst_prompt()
        if completion is None:
            completion = total - prompt if total is not None and total >= prompt else longest
            if longest:
                self._note("completion tokens missing")
        self.tokens_in, self.tokens_out = prompt, completion

    def _note(self, fault: str) -> None:
        """A part that is missing, unless it was said already what is wrong with it."""
        if not any(fault.split()[0] in said for said in self.faults):
            self.faults.append(fault)

    def _add_cache(self, stated: Stated) -> None:
        self.cached = self._number("cached tokens", stated.cached, self._worst_prompt) or 0
        self.stored = self._number("tokens put into the cache", stated.stored, self._worst_prompt) or 0
        if stated.is_cache_beside:
            self.tokens_in += self.cached + self.stored
        elif self.cached + self.stored > self.tokens_in:
            self.faults.append("the cache beyond the prompt")
            self.tokens_in += self.cached + self.stored
            self.cached = 0  # no discount for what cannot be true

    def _add_up(self, total: int | None) -> None:
        if total is None or total == self.tokens_in + self.tokens_out:
            return
        if total > self.tokens_in + self.tokens_out:
            self.tokens_out = total - self.tokens_in
        if not self.faults:
            self.faults.append("the total is not the sum")
