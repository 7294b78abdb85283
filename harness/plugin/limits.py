"""What a session may send and spend, as its options say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import UnknownPriceError, expected_one_of, raise_if_any
from harness.gateway.budget import FREE, Budget
from harness.gateway.calls import Provider, Request
from harness.gateway.limits import Limits
from harness.gateway.price_library import where_prices_are
from harness.gateway.prices import Overrides, Price, price_of
from harness.gateway.providers import provider_names
from harness.gateway.rates import providers_in, rate_of
from harness.runtime.settings import Settings


def make_limits(settings: Settings) -> Limits:
    """The limits per minute. Without any, calls still pause when a server asks for it.

    Raises `ConfigurationError` for a limit of an unknown provider.
    """
    rpm, tpm = settings.rpm, settings.tpm
    names = list(providers_in(rpm, tpm))
    raise_if_any(
        f"Limit per minute of {name!r}: unknown provider; {expected_one_of(name, provider_names())}"
        for name in names
        if name not in provider_names()
    )
    return Limits(
        rate_of(rpm),
        rate_of(tpm),
        longest_pause=settings.max_wait,
        by_provider={name: (rate_of(rpm, name), rate_of(tpm, name)) for name in names},
    )


def make_budget(settings: Settings, providers: Sequence[Provider], prices: Overrides) -> Budget | None:
    """The budget, if there is one. Raises `UnknownPriceError` for a cost limit on a model without a known price."""
    if settings.max_cost is None and settings.max_calls is None and settings.max_tokens is None:
        return None
    price = _prices(providers, prices)
    if settings.max_cost is not None:
        unknown = [one.model for one in providers if price(Request((), one.model)) is None]
        if unknown:
            raise UnknownPriceError(unknown[0], where_prices_are())
    return Budget(settings.max_cost, settings.max_calls, settings.max_tokens, price)


def _prices(providers: Sequence[Provider], prices: Overrides) -> Callable[[Request], Price | None]:
    free = {one.model for one in providers if one.name in FREE}
    # Embeddings use another model, which is free too where every model is.
    nothing_bought = all(one.name in FREE for one in providers)
    return lambda request: (
        Price(0.0, 0.0) if nothing_bought or request.model in free else price_of(request.model, prices)
    )
