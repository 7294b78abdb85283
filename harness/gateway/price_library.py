"""List prices of models that the own table lacks, from the optional library genai-prices. Offline, imported late."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from harness.extras import missing
from harness.gateway.model_snapshots import undated

SELLERS: dict[str, str] = {
    "anthropic": "anthropic",
    "deepseek": "deepseek",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "together": "together",
}
"""The library's names of the sellers that a model's spec can begin with."""

_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "written": "cache_write_mtok",
}


@cache
def listed_price(model: str) -> dict[str, Any] | None:
    """The fields of a `Price` of ``model`` (with or without its seller), ``None`` if unknown or not installed.

    Without a seller, the name must be that of exactly one: a price of another seller would be a wrong one. The library
    takes names that only begin as a listed one does; here they must be equal, a date aside.
    """
    if missing("prices") or model.startswith(("rehearsal", "local")):
        return None
    from genai_prices.data_snapshot import get_snapshot

    seller, colon, rest = model.partition(":")
    wanted, name = ({SELLERS[seller]}, rest) if colon and seller in SELLERS else ({*SELLERS.values()}, model)
    found = [one.find_model(name) for one in get_snapshot().providers if one.id in wanted]
    known = [one for one in found if one is not None and one.id in (name, undated(name))]
    return _fields(known[0].get_prices(datetime.now(UTC))) if len(known) == 1 else None


def _fields(prices: Any) -> dict[str, Any] | None:
    """Base prices, and up to how many tokens they hold."""
    stated = {ours: getattr(prices, theirs, None) for ours, theirs in _FIELDS.items()}
    starts = [tier.start for one in stated.values() for tier in getattr(one, "tiers", ())]
    base = {name: getattr(one, "base", one) for name, one in stated.items() if one is not None}
    if not {"input", "output"} <= base.keys():
        return None
    return {name: float(one) for name, one in base.items()} | {
        "up_to": min(starts, default=None),
        "source": "genai-prices",
    }
