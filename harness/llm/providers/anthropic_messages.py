"""Anthropic's Messages API. The only file that imports the anthropic SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import anthropic

from harness.llm.calls import Reply, Request
from harness.llm.providers.anthropic_wire import NoCounterpartError, parameters, reply
from harness.llm.providers.failures import GARBAGE, Failures

if TYPE_CHECKING:
    import httpx2

URL = "https://api.anthropic.com"
_FAULTS = (anthropic.AnthropicError, *GARBAGE)


class AnthropicMessages:
    """One client with pooled connections. Not the SDK retries but the gateway, so that every call counts.

    ``timeout`` is in seconds, for one call. ``on_headers`` is shown the headers of every answer, failures included.
    """

    name = "anthropic"
    variable = "ANTHROPIC_API_KEY"

    def __init__(self, model: str, *, base_url: str = URL, api_key: str, timeout: float = 120.0) -> None:
        self.model = model
        self.base_url = base_url
        self.on_headers: Callable[[Mapping[str, str]], None] | None = None
        self._failures = Failures(f"{self.name}:{model}", base_url, api_key, self.variable)
        http = anthropic.DefaultAsyncHttpxClient(event_hooks={"response": [self._heard]}, timeout=timeout)
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key, base_url=base_url, http_client=http, timeout=timeout, max_retries=0
        )

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:  # noqa: ARG002
        """One message. Raises `ModelCallError`, fatal when no later call can succeed either."""
        asked = self._parameters(request)
        try:
            return reply(await self._client.messages.create(**asked), request=request)
        except _FAULTS as error:
            failure = self._failures.of(error, lost=isinstance(error, anthropic.APIConnectionError))
        # Not raised in the handler: the SDK's error would hang on to it, with the key in its request.
        raise failure

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:  # noqa: ARG002
        """There are none. Raises `ModelCallError`, fatal."""
        self._cannot("embeddings (use another provider for an engine that needs them)")

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._client.close()

    def _parameters(self, request: Request) -> dict[str, Any]:
        try:
            return parameters(request, model=self.model, strict=anthropic.transform_schema)
        except NoCounterpartError as error:
            self._cannot(str(error))
        except GARBAGE as error:
            kind = type(error).__name__
            raise self._failures.say(
                f"the request is not one that OpenAI's API would take ({kind})."
            ) from None

    def _cannot(self, what: str) -> NoReturn:
        raise self._failures.say(f"Anthropic's API has no way to ask for {what}.", fatal=True) from None

    async def _heard(self, response: httpx2.Response) -> None:
        if self.on_headers is not None:
            self.on_headers(response.headers)
