"""Clients of well-known SDKs, bound to one trial: their calls go through the gateway like any other."""

from __future__ import annotations

import asyncio
import importlib
from abc import ABC, abstractmethod
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError, HarnessError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from httpx2 import AsyncBaseTransport, BaseTransport
    from openai import AsyncOpenAI, OpenAI

BLOCKING = (
    "A synchronous client was used on the event loop, which it would block for good. Use the asynchronous one, such as "
    "client.openai(), or run the code that uses it in a thread: await asyncio.to_thread(function)."
)


ROLE_HEADER, KIND_HEADER = "x-harness-role", "x-harness-kind"
"""Headers of a foreign request that say what its call is for, as `CallSite` does for one in this process."""


class SdkClients(ABC):
    """What a trial's client gives to an agent that talks to models itself.

    Journal, budget, limits, retries, traces and rehearsal hold for each call, and the gateway alone tries again, so
    the clients do not. The model that a call names answers, else that of its ``role`` (`CallSite`); ``kind`` is what
    its calls are counted by.
    """

    @property
    @abstractmethod
    def token(self) -> str:
        """The trial's own credential at the gateway's HTTP server."""

    @property
    @abstractmethod
    def base_url(self) -> str:
        """The address of the gateway's HTTP server, ending in ``/v1``."""

    @property
    def _is_encrypted(self) -> bool:
        """Whether certificates are needed; loading them takes 20 ms per client, on the event loop."""
        return self.base_url.startswith("https:")

    def openai(self, *, role: str = "", kind: str = "") -> AsyncOpenAI:
        """An ``AsyncOpenAI`` of this trial. Raises `ConfigurationError` where the openai package is missing."""
        sdk = _sdk("openai")
        http = sdk.DefaultAsyncHttpxClient(transport=self.httpx_transport(_http_library(sdk)))
        made: AsyncOpenAI = sdk.AsyncOpenAI(
            api_key=self.token,
            base_url=self.base_url,
            max_retries=0,
            timeout=None,
            http_client=http,
            default_headers=_headers(role, kind),
        )
        return made

    def openai_sync(self, *, role: str = "", kind: str = "") -> OpenAI:
        """An ``OpenAI`` of this trial, for code that runs in a thread. Raises as `openai` does."""
        sdk = _sdk("openai")
        http = sdk.DefaultHttpxClient(transport=self.httpx_sync_transport(_http_library(sdk)))
        made: OpenAI = sdk.OpenAI(
            api_key=self.token,
            base_url=self.base_url,
            max_retries=0,
            timeout=None,
            http_client=http,
            default_headers=_headers(role, kind),
        )
        return made

    def anthropic(self, *, role: str = "", kind: str = "") -> AsyncAnthropic:
        """An ``AsyncAnthropic`` of this trial. Raises `ConfigurationError` where the anthropic package is missing."""
        sdk = _sdk("anthropic")
        http = sdk.DefaultAsyncHttpxClient(transport=self.httpx_transport(_http_library(sdk)))
        made: AsyncAnthropic = sdk.AsyncAnthropic(
            api_key=self.token,
            base_url=self.base_url.removesuffix("/v1"),
            max_retries=0,
            timeout=None,
            http_client=http,
            default_headers=_headers(role, kind),
        )
        return made

    def httpx_transport(self, library: ModuleType | None = None) -> AsyncBaseTransport:
        """A transport for any ``AsyncClient``: every request goes to the gateway, whichever host it names.

        ``library`` is ``httpx`` or ``httpx2`` (default), whichever the agent's framework is built on.
        """
        library = library or importlib.import_module("httpx2")
        redirect = _Redirect(self.base_url, self.token)

        class AsyncGatewayTransport(library.AsyncHTTPTransport):  # type: ignore[name-defined, misc]
            async def handle_async_request(self, request: Any) -> Any:
                redirect(request)
                return await super().handle_async_request(request)

        made: AsyncBaseTransport = AsyncGatewayTransport(verify=self._is_encrypted)
        return made

    def httpx_sync_transport(self, library: ModuleType | None = None) -> BaseTransport:
        """`httpx_transport` for a synchronous ``Client``. Used on the event loop, it raises `HarnessError`."""
        library = library or importlib.import_module("httpx2")
        redirect = _Redirect(self.base_url, self.token)

        class GatewayTransport(library.HTTPTransport):  # type: ignore[name-defined, misc]
            def handle_request(self, request: Any) -> Any:
                if asyncio._get_running_loop() is not None:
                    raise HarnessError(BLOCKING)
                redirect(request)
                return super().handle_request(request)

        made: BaseTransport = GatewayTransport(verify=self._is_encrypted)
        return made


def _headers(role: str, kind: str) -> dict[str, str]:
    return {name: value for name, value in ((ROLE_HEADER, role), (KIND_HEADER, kind)) if value}


class _Redirect:
    """Sends a request of httpx to the gateway, with the trial's token in place of whatever key it had."""

    def __init__(self, base_url: str, token: str) -> None:
        scheme, _, rest = base_url.partition("://")
        self._authority = rest.partition("/")[0]
        host, _, port = self._authority.rpartition(":")
        self._place: dict[str, Any] = {"scheme": scheme, "host": host.strip("[]"), "port": int(port)}
        self._token = token

    def __call__(self, request: Any) -> None:
        request.url = request.url.copy_with(**self._place)
        request.headers["host"] = self._authority
        request.headers["authorization"] = f"Bearer {self._token}"
        request.headers.pop("x-api-key", None)


def _sdk(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"client.{name}() needs the {name} package. Install it with: pip install {name}"
        ) from None


def _http_library(sdk: Any) -> ModuleType:
    """The library that the SDK's own client is built on: httpx, or httpx2 in newer versions."""
    roots = [one.__module__.partition(".")[0] for one in sdk.DefaultAsyncHttpxClient.__mro__]
    return importlib.import_module(next(root for root in roots if root.startswith("httpx")))
