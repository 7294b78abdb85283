"""Ways to a model, by name: ``rehearsal`` (offline, the default), OpenAI-compatible endpoints, Azure, Anthropic."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Protocol

from harness.console import name_problems
from harness.errors import ConfigurationError, raise_if_any
from harness.gateway.calls import Provider
from harness.gateway.providers import factories
from harness.user_code import attempt

ENTRY_POINTS = "harness.providers"
"""Other packages add providers under this group; each entry point is a `Factory`."""


class Factory(Protocol):
    """Makes a provider from what follows the colon of its spec. Raises `ConfigurationError`."""

    def __call__(
        self, argument: str, *, seed: int, base_url: str | None, environ: Mapping[str, str]
    ) -> Provider: ...


def make_provider(
    spec: str, *, seed: int, base_url: str | None = None, environ: Mapping[str, str] = os.environ
) -> Provider:
    """The provider that ``spec`` (``NAME`` or ``NAME:ARGUMENT``) names.

    Raises `ConfigurationError` when the name is unknown, the argument is wrong, or a key is missing.
    """
    raise_if_any(name_problems("Model", spec))
    name, _, argument = spec.partition(":")
    factory = _factories.get(name) or _installed(name)
    if factory is None:
        known = ", ".join(sorted({*_FORMS.values(), *(each for each in known_names() if each not in _FORMS)}))
        raise ConfigurationError(f"Model {spec!r}: unknown provider {name!r}; known: {known}.")
    made = factory
    return attempt(
        f"Provider {name!r}", lambda: made(argument, seed=seed, base_url=base_url, environ=environ)
    )


def register(name: str, factory: Factory) -> None:
    """Make ``NAME[:ARGUMENT]`` a spec. Raises `ConfigurationError` when the name is taken."""
    if name in _factories:
        raise ConfigurationError(f"Provider {name!r} is registered already; choose another name.")
    _factories[name] = factory


def known_names() -> list[str]:
    """Names of all providers, registered and installed."""
    return sorted({*_factories, *entry_points(group=ENTRY_POINTS).names})


def _installed(name: str) -> Factory | None:
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        factory: Factory = attempt(f"The entry point of provider {name!r}", entry.load)
        return factory
    return None


_FORMS: dict[str, str] = dict(factories.FORMS)
_factories: dict[str, Factory] = dict(factories.BUILT_IN)
