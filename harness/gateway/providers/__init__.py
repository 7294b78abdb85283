"""Ways to a model, by name: ``rehearsal`` (offline, the default), OpenAI-compatible endpoints, Azure, Anthropic."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from harness.addresses import without_secrets
from harness.console import name_problems, warn
from harness.entry_points import PROVIDERS, claims, described, load, origin, sole
from harness.errors import ConfigurationError, UnknownProviderError, did_you_mean, raise_if_any
from harness.gateway.calls import Provider
from harness.gateway.model_snapshots import split_address
from harness.gateway.providers import factories
from harness.gateway.providers.compatible_servers import maker_of
from harness.user_code import attempt


class Factory(Protocol):
    """Makes a provider from what follows the colon of its spec. Raises `ConfigurationError`.

    Packages register one with an entry point in the group ``harness.providers``.
    """

    def __call__(
        self, argument: str, *, seed: int, base_url: str | None, environ: Mapping[str, str]
    ) -> Provider: ...


def make_provider(
    spec: str, *, seed: int, base_url: str | None = None, environ: Mapping[str, str] = os.environ
) -> Provider:
    """The provider that ``spec`` (``NAME``, ``NAME:ARGUMENT`` or ``NAME:ARGUMENT@URL``) names.

    Raises `ConfigurationError` when the name is unknown, the argument is wrong, or a key is missing.
    """
    make, what = _factory(spec)
    named, address = split_address(spec)
    if address is not None and base_url not in (None, address):
        raise ConfigurationError(
            f"Model {named!r}: has two addresses, {without_secrets(address)} and {without_secrets(base_url or '')}; "
            "expected one."
        )
    argument, base_url = named.partition(":")[2], address or base_url
    return attempt(what, lambda: make(argument, seed=seed, base_url=base_url, environ=environ))


def check_provider(spec: str) -> None:
    """Raise `ConfigurationError` where ``spec`` names an unknown or a broken provider."""
    _factory(spec)


def provider_names() -> set[str]:
    """What models may begin with."""
    return {*_factories, *claims(PROVIDERS)}


def is_spec(name: str) -> bool:
    """Whether ``name`` begins with a provider; false for the name of a model alone.

    Raises `UnknownProviderError` for a provider that is not known.

    >>> is_spec("openai:gpt-4o"), is_spec("gpt-4o")
    (True, False)
    """
    provider, colon, _ = name.partition(":")
    if provider in provider_names():
        return True
    if not colon:
        return False
    raise UnknownProviderError(
        f"{_unknown(name)} If the colon is part of a model's name, write openai:{name} or the like."
    )


def register(name: str, factory: Factory) -> None:
    """Make ``NAME[:ARGUMENT]`` a spec. Raises `ConfigurationError` when the name is taken."""
    if name in _factories:
        raise ConfigurationError(f"Provider {name!r} is registered already; choose another name.")
    _factories[name] = factory


def _factory(spec: str) -> tuple[Factory, str]:
    """The provider's factory, and what messages call it."""
    raise_if_any(name_problems("Model", spec))
    model, address = split_address(spec)
    if address is not None and (shown := without_secrets(address)) != address:
        raise ConfigurationError(
            f"Model {model!r}: its address {shown} has a part that may be a key, and the names of models are recorded; "
            "expected an address without one."
        )
    name, installed = spec.partition(":")[0], claims(PROVIDERS)
    if name in _factories:
        for point in installed.get(name, ()):
            warn(f"{origin(point)} also registers the provider {name!r}; it is left out.")
        return _factories[name], f"Provider {name!r}"
    if name in installed:
        point = sole(installed[name])
        return load(point), described(point)
    if ":" not in spec and (maker := maker_of(spec)):
        raise UnknownProviderError(f"Model {spec!r}: no provider named; expected {maker}:{spec}.")
    raise UnknownProviderError(_unknown(spec))


def _unknown(spec: str) -> str:
    names, name = {*_factories, *claims(PROVIDERS)}, spec.partition(":")[0]
    known = ", ".join(sorted(factories.FORMS.get(each, each) for each in names))
    return f"Model {spec!r}: unknown provider {name!r}; known: {known}.{did_you_mean(name, names)}"


_factories: dict[str, Factory] = dict(factories.BUILT_IN)
