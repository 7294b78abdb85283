"""What a session may send and spend, as its options say."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import ConfigurationError
from harness.llm.budget import Budget, unknown_price
from harness.llm.calls import Provider, Request
from harness.llm.limits import Limits
from harness.llm.prices import Overrides, Price, price_of
from harness.runner.settings import Settings


def make_limits(settings: Settings) -> Limits:
    """The limits per minute. Without any it still holds everyone when a server asks for that."""
    return Limits(settings.rpm, settings.tpm)


def make_budget(settings: Settings, provider: Provider, prices: Overrides) -> Budget | None:
    """The budget, if there is one. Raises `ConfigurationError` for a cost limit on a model without a known price."""
    if settings.max_cost is None and settings.max_calls is None and settings.max_tokens is None:
        return None
    price = _prices(provider, prices)
    if settings.max_cost is not None and price(Request((), provider.model)) is None:
        raise ConfigurationError(unknown_price(provider.model))
    return Budget(settings.max_cost, settings.max_calls, settings.max_tokens, price)


def _prices(provider: Provider, prices: Overrides) -> Callable[[Request], Price | None]:
    if provider.name == "rehearsal":
        return lambda _request: Price(0.0, 0.0)
    return lambda request: price_of(request.model, prices)
