"""The concrete parts: the gateway with its models, and observers. Each is imported when it is first used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from harness.engines import make_engine
from harness.gateway.calls import Provider
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.retry import RetryPolicy
from harness.plugin.hints import refused
from harness.plugin.limits import make_budget, make_limits
from harness.runtime.coordinator import Parts
from harness.runtime.settings import Settings
from harness.telemetry import Observer, Observers, from_environment

SPARE_SECONDS = 30.0
"""What a provider that limits its calls itself has beyond that limit, to say what went wrong."""


def parts(observers: Mapping[str, Callable[[], Observer]]) -> Parts:
    """The parts that pytest, the command line and `harness.run` use.

    ``observers`` get every event, as do LangSmith and Sentry if their environment variables enable them.
    """

    def make_observers(settings: Settings, warn: Callable[[str], None]) -> Observers:
        return from_environment(sentry_content=settings.sentry_content, warn=warn, others=observers)

    return Parts(gateway=make_gateway, engine=make_engine, observers=make_observers)


def make_gateway(settings: Settings) -> Gateway:
    """The gateway to the model that was asked for. Raises `ConfigurationError` for an unknown one or a missing key."""
    from harness.gateway.prices import charged, find_prices
    from harness.gateway.providers import make_provider
    from harness.gateway.requests.response_formats import CHOICES

    prices = find_prices(settings.prices)
    provider = make_provider(settings.model, seed=settings.seed, base_url=settings.base_url)
    judge = make_judge(settings, provider)
    for one in filter(None, (provider, judge)):
        if hasattr(one, "configure"):
            one.configure(timeout=settings.timeout, form=CHOICES[settings.response_format], hints=refused())
    gateway = Gateway(
        provider,
        judge=judge,
        concurrency=settings.concurrency,
        temperature=settings.temperature,
        budget=make_budget(settings, [provider, *([judge] if judge else [])], prices),
        limits=make_limits(settings),
        retry=RetryPolicy(longest_wait=settings.max_wait),
        provider_seed=settings.provider_seed,
        longest=settings.timeout + SPARE_SECONDS,
        make_provider=lambda spec: _arms_own(spec, settings, provider),
        price=lambda reply, asked: charged(reply, asked or provider.model, prices),
        journal=Journal(settings.results_dir / "journal", accept_loss=settings.accept_lost_journal),
    )
    gateway.json_hint = refused()["response_format"]
    return gateway


def _arms_own(spec: str, settings: Settings, session: Provider) -> Provider:
    """The model that an arm names. In a rehearsal the offline model stands in for it, under its name."""
    from harness.gateway.providers import check_provider, make_provider
    from harness.gateway.rehearsal.provider import RehearsalProvider
    from harness.gateway.requests.response_formats import CHOICES

    if session.name == "rehearsal":
        check_provider(spec)
        return RehearsalProvider(settings.seed, model=spec)
    made = make_provider(spec, seed=settings.seed)
    if hasattr(made, "configure"):
        made.configure(timeout=settings.timeout, form=CHOICES[settings.response_format], hints=refused())
    return made


def make_judge(settings: Settings, player: Provider) -> Provider | None:
    """The model that scores, where it is another than the one that plays. Raises `ConfigurationError`."""
    from harness.gateway.providers import make_provider

    if settings.judge_model is None:
        return None
    judge = make_provider(settings.judge_model, seed=settings.seed, base_url=settings.judge_base_url)
    return None if _place(judge) == _place(player) else judge


def session_facts(settings: Settings) -> dict[str, Any]:
    """What a session of these settings adds to its runs' identity. Raises `ConfigurationError`."""
    from harness.gateway.providers import make_provider
    from harness.runtime.provenance import session_settings

    async def facts() -> dict[str, Any]:
        provider = make_provider(settings.model, seed=settings.seed, base_url=settings.base_url)
        judge = make_judge(settings, provider)
        found = session_settings(settings, provider, judge)
        for one in filter(None, (provider, judge)):
            await one.aclose()
        return found

    return asyncio.run(facts())


def _place(provider: Provider) -> tuple[str, str, str | None]:
    return provider.name, provider.model, getattr(provider, "base_url", None)
