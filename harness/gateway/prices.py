"""What models cost: the user's own prices, then those of an optional library; otherwise the cost is unknown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, raise_if_any
from harness.gateway.calls import Reply
from harness.gateway.model_snapshots import bare, undated
from harness.gateway.price_library import listed_price, where_prices_are
from harness.text_files import read_json

VARIABLE = "HARNESS_PRICES"
REHEARSAL = "a rehearsal: nothing was bought"

_MILLION = 1_000_000
_PRICES = ("input", "output", "cached", "written")
_KEYS = frozenset({*_PRICES, "up_to", "as_of", "source"})


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, as listed on the day ``as_of`` (ISO; empty: not said) at ``source``.

    ``cached`` is for what was read from the provider's cache, ``written`` for what was put there; ``None``: as
    ``input``. It holds for requests of at most ``up_to`` tokens (``None``: for all).
    """

    input: float
    output: float
    cached: float | None = None
    written: float | None = None
    up_to: int | None = None
    as_of: str = ""
    source: str = ""

    @property
    def input_per_million(self) -> float:
        """The most that a million tokens read can cost: what a budget has to reserve."""
        return max(self.input, self.written or 0.0)

    @property
    def output_per_million(self) -> float:
        """What a million tokens written cost."""
        return self.output

    def cost(self, tokens_in: int, tokens_out: int, *, cached: int = 0, written: int = 0) -> float:
        """US dollars. ``cached`` and ``written`` are parts of ``tokens_in``."""
        fresh = max(tokens_in - cached - written, 0)
        dollars = fresh * self.input + tokens_out * self.output
        dollars += cached * (self.input if self.cached is None else self.cached)
        dollars += written * (self.input if self.written is None else self.written)
        return dollars / _MILLION


Overrides = Mapping[str, Price]


def price_of(model: str, overrides: Overrides | None = None) -> Price | None:
    """The price of ``model``, with or without its provider's name; ``None`` if unknown.

    An unlisted dated snapshot costs as much as its undated name. ``overrides`` take precedence. The extra ``prices``
    has the vendors' list prices; without it no other price is known.
    """
    own = overrides or {}
    for name in (model, bare(model), undated(model)):
        if name in own:
            return own[name]
    found = listed_price(model) or listed_price(bare(model))
    return None if found is None else Price(**found)


def charged(reply: Reply, asked: str, overrides: Overrides | None = None) -> Reply:
    """``reply`` with its cost, or with the reason why that is not known; never 0 for want of knowledge.

    What the provider itself stated stands. Else the price is that of the model that answered, which is the one that
    is billed, whatever was ``asked``; only a price of the user's own may be listed under the name that was asked.
    """
    if reply.cost is not None or reply.cost_reason is not None:
        return reply
    own = {name: price for name, price in (overrides or {}).items() if name in (asked, bare(asked))}
    price = price_of(reply.model, overrides) or next(iter(own.values()), None)
    reason = _reason(reply, price)
    if price is None or reason:
        return replace(reply, cost_reason=reason)
    cost = price.cost(
        reply.tokens_in, reply.tokens_out, cached=reply.tokens_cached, written=reply.tokens_written
    )
    return replace(reply, cost=cost)


def _reason(reply: Reply, price: Price | None) -> str | None:
    """Why the cost of ``reply`` is not known."""
    if reply.model.startswith("rehearsal"):
        return REHEARSAL
    if price is None:
        known = f"no price is known for {reply.model!r}; list it in a file that {VARIABLE} names"
        known += where_prices_are()
        return known if reply.model else "the reply does not name the model that answered"
    if not reply.tokens_in:
        return "the reply does not say how many tokens were read"
    if price.up_to is not None and reply.tokens_in > price.up_to:
        return f"the price of {reply.model!r} is known for requests of up to {price.up_to:,} tokens only"
    return None


def find_prices(path: Path | None) -> Overrides:
    """The prices in the user's file; empty without one. Raises `ConfigurationError`."""
    return load_prices(path) if path else {}


def load_prices(path: Path) -> Overrides:
    """Prices by model from a JSON file: ``{"my-model": {"input": 0.5, "output": 1.5, "as_of": "2026-11-01"}}``.

    Raises `ConfigurationError` with all that is wrong with it.
    """
    entries = read_json(path, f"Prices {path}", expected="a JSON object of models, each once")
    if not isinstance(entries, dict):
        raise ConfigurationError(
            f"Prices {path}: expected a JSON object of models, such as "
            '{"my-model": {"input": 0.5, "output": 1.5}} in US dollars per million tokens.'
        )
    raise_if_any(
        f"Prices {path}: {model!r}: {fault}" for model, entry in entries.items() for fault in _faults(entry)
    )
    return {model: Price(**entry) for model, entry in entries.items()}


def _faults(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{str(entry)[:40]!r}; expected an object with input and output."
        return
    for name in sorted(entry.keys() - _KEYS):
        yield f"unknown {name[:40]!r}; expected {', '.join(sorted(_KEYS))}."
    for name in _PRICES:
        value = entry.get(name)
        if (name in entry or name in ("input", "output")) and not _is_price(value):
            yield f"{name}={value!r}; expected US dollars per million tokens, 0 or more."
    up_to, as_of = entry.get("up_to", 1), entry.get("as_of", "2026-01-01")
    if not isinstance(up_to, int) or isinstance(up_to, bool) or up_to < 1:
        yield f"up_to={up_to!r}; expected a number of tokens."
    if not _is_date(as_of):
        yield f"as_of={as_of!r}; expected a date such as 2026-11-01."
    if not isinstance(entry.get("source", ""), str):
        yield f"source={entry['source']!r}; expected a text."


def _is_price(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
