"""Ways to a model, by name: ``rehearsal`` (offline, the default) and any OpenAI-compatible endpoint."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Protocol
from urllib.parse import urlsplit

from harness.errors import ConfigurationError
from harness.llm.calls import Provider

ENTRY_POINTS = "harness.providers"
"""Other packages add providers under this group; each entry point is a `Factory`."""

OPENAI_URL = "https://api.openai.com/v1"


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
    name, _, argument = spec.partition(":")
    factory = _factories.get(name) or _installed(name)
    if factory is None:
        known = ", ".join(sorted({*_FORMS.values(), *(each for each in known_names() if each not in _FORMS)}))
        raise ConfigurationError(f"Model {spec!r}: unknown provider {name!r}; known: {known}.")
    return factory(argument, seed=seed, base_url=base_url, environ=environ)


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
        factory: Factory = entry.load()
        return factory
    return None


def _rehearsal(argument: str, *, seed: int, base_url: str | None, environ: Mapping[str, str]) -> Provider:  # noqa: ARG001
    from harness.llm.providers.rehearsal import Rehearsal

    return Rehearsal(seed, latency=_seconds(argument))


def _seconds(text: str) -> float:
    """``""`` is 0, ``50ms`` is 0.05, ``0.2s`` is 0.2."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s)", text)
    if text and not found:
        raise ConfigurationError(
            f"Model 'rehearsal:{text}': expected a time per call such as rehearsal:50ms or rehearsal:0.2s."
        )
    return float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0


def _openai(argument: str, *, seed: int, base_url: str | None, environ: Mapping[str, str]) -> Provider:  # noqa: ARG001
    from harness.llm.providers.openai_compatible import OpenAICompatible

    if not argument:
        raise ConfigurationError("Model 'openai': no model named; expected for example openai:gpt-4o-mini.")
    url = base_url or environ.get("OPENAI_BASE_URL") or OPENAI_URL
    key = environ.get("OPENAI_API_KEY", "").strip()
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"Model 'openai:{argument}': base URL {url!r}; expected http://… or https://…."
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError(
            "OPENAI_API_KEY has characters that no key has; expected it as the provider gave it."
        )
    if not key and not _is_loopback(url):
        raise ConfigurationError(
            f"Model 'openai:{argument}': the environment variable OPENAI_API_KEY is not set; expected a key "
            f"for {url}. Set it, or rehearse offline with the model 'rehearsal'."
        )
    return OpenAICompatible(argument, base_url=url, api_key=key or "none")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_FORMS = {"rehearsal": "rehearsal[:LATENCY]", "openai": "openai:MODEL"}
_factories: dict[str, Factory] = {"rehearsal": _rehearsal, "openai": _openai}
