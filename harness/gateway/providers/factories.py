"""The providers that come with the package: how each is made from its spec, the environment and a base URL.

Keys come from the environment alone. The HTTP client is imported when a provider that needs it is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from harness.addresses import without_secrets
from harness.errors import ConfigurationError
from harness.extras import require
from harness.gateway.calls import Provider
from harness.gateway.environment import is_loopback, network
from harness.gateway.providers.compatible_servers import SERVERS

OPENAI_URL = "https://api.openai.com/v1"
AZURE_VERSION = "2024-10-21"
"""Azure's API version where OPENAI_API_VERSION names none: the last dated one that is not a preview."""

LONGEST_KEY = 8_000
"""Characters of a key; the longest that are in use, signed tokens, have some 4,000."""

_Environ = Mapping[str, str]


def rehearsal(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``rehearsal[:LATENCY]``."""
    from harness.gateway.rehearsal.provider import RehearsalProvider

    return RehearsalProvider(seed, latency=_seconds(argument))


def openai(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``openai:MODEL`` at OpenAI, or at the base URL of Ollama, vLLM or a proxy."""
    from harness.gateway.providers.openai_compatible import OpenAICompatible

    spec = _spec("openai", argument)
    url = _address(spec, base_url, environ, "OPENAI_BASE_URL", OPENAI_URL)
    if _is_azure(url) and not url.rstrip("/").endswith("/v1"):
        raise ConfigurationError(
            f"Model {spec!r}: {urlsplit(url).hostname} is Azure; expected azure:DEPLOYMENT with AZURE_OPENAI_ENDPOINT "
            "and AZURE_OPENAI_API_KEY, or a base URL that ends in /openai/v1."
        )
    key = _key(spec, OpenAICompatible.variable, url, environ)
    headers, reach = _account(environ), network(url, environ)
    return OpenAICompatible(argument, base_url=url, api_key=key, headers=headers, network=reach)


def azure(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``azure:DEPLOYMENT`` at AZURE_OPENAI_ENDPOINT, with the API version OPENAI_API_VERSION."""
    from harness.gateway.providers.openai_compatible import Azure

    spec = _spec("azure", argument, example="azure:my-deployment")
    if not (base_url or environ.get("AZURE_OPENAI_ENDPOINT", "").strip()):
        raise ConfigurationError(
            f"Model {spec!r}: the environment variable AZURE_OPENAI_ENDPOINT is not set; expected for example "
            "https://my-resource.openai.azure.com."
        )
    url = _address(spec, base_url, environ, "AZURE_OPENAI_ENDPOINT")
    version = environ.get("OPENAI_API_VERSION", "").strip() or AZURE_VERSION
    key = _key(spec, Azure.variable, url, environ)
    reach = network(url, environ)
    return Azure(argument, base_url=url, api_key=key, api_version=version, network=reach)


def openrouter(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``openrouter:MAKER/MODEL``."""
    from harness.gateway.providers.openrouter import URL, OpenRouter

    spec = _spec("openrouter", argument, example="openrouter:openai/gpt-4o-mini")
    url = _address(spec, base_url, environ, otherwise=URL)
    key = _key(spec, OpenRouter.variable, url, environ)
    return OpenRouter(argument, base_url=url, api_key=key, network=network(url, environ))


def anthropic(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``anthropic:MODEL`` through Anthropic's own API."""
    from harness.gateway.providers.anthropic_messages import URL, AnthropicMessages

    spec = _spec("anthropic", argument, example="anthropic:claude-haiku-4-5-20251001")
    url = _address(spec, base_url, environ, "ANTHROPIC_BASE_URL", URL)
    key = _key(spec, AnthropicMessages.variable, url, environ)
    url = re.sub(r"/v1/?$", "", url)
    return AnthropicMessages(argument, base_url=url, api_key=key, network=network(url, environ))


def compatible(name: str) -> Callable[..., Provider]:
    """The factory of one of `SERVERS`: ``NAME:MODEL``, at its address or at the one that ``NAME_BASE_URL`` holds."""

    def make(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
        from harness.gateway.providers.openai_compatible import CompatibleProvider

        server = SERVERS[name]
        spec = _spec(name, argument, example=f"{name}:{server.example}")
        url = _address(spec, base_url, environ, f"{name.upper()}_BASE_URL", server.url)
        key = _key(spec, server.variable, url, environ)
        return CompatibleProvider(name, argument, base_url=url, api_key=key, network=network(url, environ))

    return make


def bedrock(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``bedrock:MODEL`` of Amazon, with boto3's own credentials and region."""
    spec = _spec("bedrock", argument, example="bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0")
    require("bedrock", f"Model {spec!r}")
    from harness.gateway.providers.bedrock import make_bedrock

    return make_bedrock(argument, _address(spec, base_url, environ) if base_url else None)


def vertex(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``vertex:MODEL`` of Google Cloud, with Google's default credentials."""
    spec = _spec("vertex", argument, example="vertex:gemini-2.5-flash")
    require("vertex", f"Model {spec!r}")
    from harness.gateway.providers.vertex import make_vertex

    return make_vertex(argument, _address(spec, base_url, environ) if base_url else None)


def pydantic_ai(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``pydantic-ai:PROVIDER:MODEL``: any model that the library of this name knows."""
    spec = _spec("pydantic-ai", argument, example="pydantic-ai:cohere:command-a-03-2025")
    if base_url:
        raise ConfigurationError(
            f"Model {spec!r}: has no base URL, but {without_secrets(base_url)!a} is given; expected none: the library "
            "reads the address from the vendor's own variable."
        )
    require("pydantic-ai", f"Model {spec!r}")
    from harness.gateway.providers.pydantic_ai_models import make_any

    return make_any(argument)


def local(argument: str, *, seed: int, base_url: str | None, environ: _Environ) -> Provider:  # noqa: ARG001
    """``local[:FILE.gguf]``: a model on this machine, by default the one that ``harness local install`` installs."""
    from harness.gateway.local.provider import make_local

    if base_url:
        raise ConfigurationError(
            f"Model 'local': has no base URL, but {without_secrets(base_url)!a} is given; expected none, or "
            "openai:MODEL for a server that runs already."
        )
    return make_local(argument)


def _spec(name: str, argument: str, example: str = "openai:gpt-4o-mini") -> str:
    if not argument:
        raise ConfigurationError(f"Model {name!r}: no model named; expected for example {example}.")
    return f"{name}:{argument}"


def _address(
    spec: str, option: str | None, environ: _Environ, variable: str = "", otherwise: str = ""
) -> str:
    """The base URL that was asked for, else the one that ``variable`` names, else the provider's own."""
    named = environ.get(variable, "").strip()
    url = (option or "").strip() or named or otherwise
    shown = without_secrets(url)
    what = f"{variable}={shown!a}" if named and not option else f"base URL {shown!a}"
    if not url.isprintable() or " " in url:
        raise ConfigurationError(
            f"Model {spec!r}: {what} contains a space or a control character; expected none."
        )
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"Model {spec!r}: {what}; expected http://… or https://….")
    try:
        parts = urlsplit(url)
        fault = "" if parts.hostname and parts.port != 0 else "it has no host, or port 0"
    except ValueError:  # its text may show a part that is a key
        fault = "its host or its port is malformed"
    if fault:
        raise ConfigurationError(
            f"Model {spec!r}: {what}; {fault}; expected http://HOST:PORT/v1 or the like."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"Model {spec!r}: {what} has a user, a password or a query with it; expected none: "
            "addresses are logged and recorded, and keys come from the environment alone."
        )
    return url


def _key(spec: str, variable: str, url: str, environ: _Environ) -> str:
    """The key that ``variable`` holds. A server on this machine may need none."""
    key = environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            f"{variable} has characters that no key has (a space, a line break, an accent); expected it as the "
            "provider gave it."
        )
    if len(key) > LONGEST_KEY:
        raise ConfigurationError(
            f"{variable} has {len(key):,} characters; expected a key of at most {LONGEST_KEY:,}: servers refuse "
            "longer headers."
        )
    if not key and not is_loopback(urlsplit(url).hostname or ""):
        raise ConfigurationError(
            f"Model {spec!r}: the environment variable {variable} is not set; expected a key "
            f"for {without_secrets(url)}. Set it, or rehearse offline with the model 'rehearsal'."
        )
    return key or "none"


def _account(environ: _Environ) -> Mapping[str, str]:
    """Headers that say which of a key's accounts is billed, where the environment names one."""
    named = {"openai-organization": "OPENAI_ORG_ID", "openai-project": "OPENAI_PROJECT_ID"}
    found = {header: environ.get(variable, "").strip() for header, variable in named.items()}
    for header, value in found.items():
        if not value.isascii() or not value.isprintable():
            raise ConfigurationError(
                f"{named[header]}={value[:40]!r}; expected an id of plain letters and digits."
            )
    return {header: value for header, value in found.items() if value}


def _seconds(text: str) -> float:
    """``""`` is 0, ``50ms`` is 0.05, ``0.2s`` is 0.2."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s)", text)
    if text and not found:
        raise ConfigurationError(
            f"Model 'rehearsal:{text}': expected a time per call such as rehearsal:50ms or rehearsal:0.2s."
        )
    return float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0


def _is_azure(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith((".openai.azure.com", ".cognitiveservices.azure.com"))


FORMS: Mapping[str, str] = MappingProxyType(
    {
        "anthropic": "anthropic:MODEL",
        "azure": "azure:DEPLOYMENT",
        "bedrock": "bedrock:MODEL",
        "local": "local[:FILE.gguf]",
        "openai": "openai:MODEL",
        "openrouter": "openrouter:MODEL",
        "pydantic-ai": "pydantic-ai:PROVIDER:MODEL",
        "rehearsal": "rehearsal[:LATENCY]",
        "vertex": "vertex:MODEL",
        **{name: f"{name}:MODEL" for name in SERVERS},
    }
)
BUILT_IN: Mapping[str, Any] = MappingProxyType(
    {
        "anthropic": anthropic,
        "azure": azure,
        "bedrock": bedrock,
        "local": local,
        "openai": openai,
        "openrouter": openrouter,
        "pydantic-ai": pydantic_ai,
        "rehearsal": rehearsal,
        "vertex": vertex,
        **{name: compatible(name) for name in SERVERS},
    }
)
