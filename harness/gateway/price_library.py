"""List prices of models, from the optional library genai-prices: offline, and imported when the first is needed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from harness.extras import install_hint, missing
from harness.gateway.model_snapshots import undated
from harness.gateway.providers.compatible_servers import maker_of

SELLERS: dict[str, str] = {
    "anthropic": "anthropic",
    "bedrock": "aws",
    "deepseek": "deepseek",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "together": "together",
    "vertex": "google",
}
"""The library's names of the sellers that a model's spec can begin with."""

_REGION = re.compile(r"(?:apac|au|ca|eu|global|jp|regional|us)\.(?=[a-z]+\.)")
"""How a model of Amazon's begins that is served from a region, or from several."""

_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "written": "cache_write_mtok",
}


@cache
def listed_price(model: str) -> dict[str, Any] | None:
    """The fields of a `Price` of ``model`` (with or without its seller), ``None`` if unknown or not installed.

    Without a seller, it is its maker's price, or that of the only one who sells it: that of any other would be
    wrong. The library takes names that only begin as a listed one does; here they must be equal, a date or a region
    aside.
    """
    if not model or missing("prices") or model.startswith(("rehearsal", "local")):
        return None
    from genai_prices.data_snapshot import get_snapshot

    seller, colon, rest = model.partition(":")
    name = rest if colon and seller in SELLERS else model
    seller = seller if name is rest else maker_of(model)
    wanted = {SELLERS[seller]} if seller else {*SELLERS.values()}
    sellers = [one for one in get_snapshot().providers if one.id in wanted]
    found = [one.find_model(name) or one.find_model(undated(name)) for one in sellers]
    same = {_REGION.sub("", each) for each in (name, undated(name))}
    known = [one for one in found if one is not None and _REGION.sub("", one.id) in same]
    return _fields(known[0].get_prices(datetime.now(UTC)), "embed" in name) if len(known) == 1 else None


def where_prices_are() -> str:
    """The end of a sentence about an unknown price: how to install the library, where it is missing."""
    return f" {install_hint('prices')}." if missing("prices") else ""


def _fields(prices: Any, writes_nothing: bool = False) -> dict[str, Any] | None:
    """Base prices, and up to how many tokens they hold. Models for embeddings have no price of output."""
    stated = {ours: getattr(prices, theirs, None) for ours, theirs in _FIELDS.items()}
    starts = [tier.start for one in stated.values() for tier in getattr(one, "tiers", ())]
    base = {name: getattr(one, "base", one) for name, one in stated.items() if one is not None}
    if writes_nothing:
        base.setdefault("output", 0)
    if not {"input", "output"} <= base.keys():
        return None
    return {name: float(one) for name, one in base.items()} | {
        "up_to": min(starts, default=None),
        "source": f"genai-prices {version('genai-prices')}",
    }
