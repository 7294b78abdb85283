"""The concrete parts: the gateway with its models, and observers. Each is imported when it is first used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.engines import make_engine
from harness.errors import ConfigurationError
from harness.gateway.calls import Provider
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.models import spec_of
from harness.gateway.retry import RetryPolicy
from harness.model.roles import JUDGE, MEASURING, SEPARATE
from harness.plugin.hints import option, refused
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

    prices = find_prices(settings.prices)
    provider = make_provider(settings.model, seed=settings.seed, base_url=settings.base_url)
    roles = make_roles(settings, provider)
    every = [provider, *roles.values()]
    for one in every:
        _configure(one, settings)
    gateway = Gateway(
        provider,
        roles=roles,
        concurrency=settings.concurrency,
        temperature=settings.temperature,
        budget=make_budget(settings, every, prices),
        limits=make_limits(settings),
        retry=RetryPolicy(longest_wait=settings.max_wait),
        provider_seed=settings.provider_seed,
        longest=settings.call_timeout + SPARE_SECONDS,
        longest_in_all=settings.call_timeout_total,
        batch=settings.batch and has_batches(every),
        maker=NamedModels(settings, provider),
        price=lambda reply, asked: charged(reply, asked or provider.model, prices),
        journal=Journal(settings.results_dir / "journal", accept_loss=settings.accept_lost_journal),
    )
    gateway.json_hint = refused()["response_format"]
    return gateway


def has_batches(providers: Sequence[Provider]) -> bool:
    """Whether any of a session's models can be asked in batches; none in a rehearsal.

    Raises `ConfigurationError` where none of the real ones can.
    """
    from harness.gateway.batch.api import BATCH_PROVIDERS, batch_api

    if any(batch_api(one) for one in providers):
        return True
    if all(one.name == "rehearsal" for one in providers):
        return False
    named = ", ".join(dict.fromkeys(spec_of(one) for one in providers))
    expected = " or ".join(f"{name}:" for name in BATCH_PROVIDERS)
    raise ConfigurationError(
        f"{option('batch')}: {named} has no batch API; expected a model of {expected}, or leave it out."
    )


class NamedModels:
    """Makes the models that arms and requests name, for a session whose own model is ``session``.

    In a rehearsal the offline model stands in for each, under its name.
    """

    def __init__(self, settings: Settings, session: Provider) -> None:
        self._settings, self._rehearsal = settings, session.name == "rehearsal"

    def named(self, spec: str) -> Provider:
        """The model of ``spec``. Raises `ConfigurationError`, also for the offline model among real ones."""
        from harness.gateway.providers import check_provider, make_provider

        if self._rehearsal:
            check_provider(spec)
            return self._rehearsed(spec)
        made = make_provider(spec, seed=self._settings.seed)
        if made.name == "rehearsal":
            raise ConfigurationError(
                f"Model {spec!r}: it answers offline, and the session's model {self._settings.model} does not, so that "
                "its replies would be taken for evidence. Expected a real model, or a session that rehearses all."
            )
        _configure(made, self._settings)
        return made

    def beside(self, provider: Provider, model: str) -> Provider:
        """Another ``model`` at the address of ``provider``. Raises `ConfigurationError`."""
        from harness.gateway.providers import is_spec, make_provider

        if self._rehearsal:
            return self._rehearsed(model)
        if not is_spec(provider.name):
            return provider
        base_url = getattr(provider, "base_url", None)
        made = make_provider(f"{provider.name}:{model}", seed=self._settings.seed, base_url=base_url)
        _configure(made, self._settings)
        return made

    def is_spec(self, name: str) -> bool:
        """Whether ``name`` begins with a provider. Raises `ConfigurationError` for an unknown one."""
        from harness.gateway.providers import is_spec

        return is_spec(name)

    def _rehearsed(self, name: str) -> Provider:
        from harness.gateway.rehearsal.provider import RehearsalProvider

        return RehearsalProvider(self._settings.seed, model=name)


def _configure(provider: Provider, settings: Settings) -> None:
    """Apply the session's time limits and response format to a provider that takes them."""
    from harness.gateway.requests.response_formats import CHOICES

    first = settings.first_token_timeout
    choices = {} if first is None else {"first_token_timeout": first}
    if hasattr(provider, "configure"):
        provider.configure(
            timeout=settings.call_timeout,
            connect_timeout=settings.connect_timeout,
            form=CHOICES[settings.response_format],
            hints=refused(),
            **choices,
        )
    elif first is not None and provider.name != "rehearsal":
        raise ConfigurationError(
            f"Model {provider.name}:{provider.model}: its replies come whole, so that their first token has no time "
            "limit; expected none."
        )


def make_roles(settings: Settings, player: Provider) -> dict[str, Provider]:
    """The models of roles that have one: who judges or extracts only where that is not who would do it anyhow.

    Raises `ConfigurationError`.
    """
    from harness.gateway.providers import make_provider

    found: dict[str, Provider] = {}
    for role in SEPARATE:
        spec = getattr(settings, f"{role}_model")
        if spec is None:
            continue
        address = settings.judge_base_url if role == JUDGE else None
        made = (
            NamedModels(settings, player).named(spec)
            if player.name == "rehearsal" and not spec.startswith("rehearsal")
            else make_provider(spec, seed=settings.seed, base_url=address)
        )
        if role not in MEASURING or _place(made) != _place(found.get(JUDGE, player)):
            found[role] = made
    return found


def session_facts(settings: Settings) -> dict[str, Any]:
    """What a session of these settings adds to its runs' identity. Raises `ConfigurationError`."""
    from harness.gateway.providers import make_provider
    from harness.runtime.provenance import session_settings

    async def facts() -> dict[str, Any]:
        provider = make_provider(settings.model, seed=settings.seed, base_url=settings.base_url)
        roles = make_roles(settings, provider)
        found = session_settings(settings, provider, roles)
        for one in (provider, *roles.values()):
            await one.aclose()
        return found

    return asyncio.run(facts())


def _place(provider: Provider) -> tuple[str, str, str | None]:
    file = getattr(provider, "file", None)
    return provider.name, provider.model, str(file.path) if file else getattr(provider, "base_url", None)
