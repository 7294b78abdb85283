"""Any endpoint that speaks OpenAI's chat completions, Azure's included. The only file that imports the openai SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai

from harness.errors import ModelCallError
from harness.llm.calls import Reply, Request, Vectors
from harness.llm.providers.contents import flattened
from harness.llm.providers.failures import GARBAGE, Failures, body_of, code_of, message_of

if TYPE_CHECKING:
    import httpx2
    from openai.types.chat import ChatCompletion

_FAULTS = (openai.OpenAIError, *GARBAGE)
_REFUSALS = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
"""Codes of a 400 that says no to the words of the request, not to its form."""


class OpenAICompatible:
    """One client with pooled connections. Not the SDK retries but the gateway, so that every call counts.

    ``timeout`` is in seconds, for one call. ``on_headers`` is shown the headers of every answer, failures included.
    """

    name = "openai"
    variable = "OPENAI_API_KEY"

    def __init__(self, model: str, *, base_url: str, api_key: str, timeout: float = 120.0) -> None:
        self.model = model
        self.base_url = base_url
        self.on_headers: Callable[[Mapping[str, str]], None] | None = None
        self._failures = Failures(f"{self.name}:{model}", base_url, api_key, self.variable)
        http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [self._heard]}, timeout=timeout)
        self._client = self._connect(
            base_url, {"api_key": api_key, "http_client": http, "timeout": timeout, "max_retries": 0}
        )
        self._limit = self._limit_name()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:  # noqa: ARG002
        """One chat completion. Raises `ModelCallError`, fatal when no later call can succeed either."""
        try:
            return self._reply(await self._client.chat.completions.create(**self._parameters(request)))
        except _FAULTS as error:
            if is_refusal(error):
                return Reply(message_of(error)[:500], finish_reason="content_filter", refusal=True)
            failure = self._failure(error)
        # Not raised in the handler: the SDK's error would hang on to it, with the key in its request.
        raise failure

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """One vector per text. Raises `ModelCallError`."""
        try:
            answer = await self._client.embeddings.create(
                input=list(texts), model=model, encoding_format="float"
            )
            vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
            tokens = getattr(answer.usage, "prompt_tokens", None) or 0  # some servers do not say
            return Vectors(vectors, model=answer.model or "", tokens_in=tokens)
        except _FAULTS as error:
            failure = self._failure(error)
        raise failure

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._client.close()

    def _connect(self, base_url: str, options: dict[str, Any]) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=base_url, **options)

    def _limit_name(self) -> str:
        """OpenAI itself wants the newer name of the limit, most compatible servers know only the older."""
        ours = urlsplit(self.base_url).hostname == "api.openai.com"
        return "max_completion_tokens" if ours else "max_tokens"

    async def _heard(self, response: httpx2.Response) -> None:
        if self.on_headers is not None:
            self.on_headers(response.headers)

    def _parameters(self, request: Request) -> dict[str, Any]:
        known = {
            "model": request.model or self.model,
            "messages": [dict(message) for message in request.messages],
            "response_format": dict(request.response_format) if request.response_format else None,
            "temperature": request.temperature,
            self._limit: request.max_tokens,
        }
        return {name: value for name, value in known.items() if value is not None} | {
            "extra_body": dict(request.extra) or None
        }

    def _failure(self, error: Exception) -> ModelCallError:
        return self._failures.of(error, lost=isinstance(error, openai.APIConnectionError))

    def _reply(self, completion: ChatCompletion) -> Reply:
        if not completion.choices:
            return Reply("", model=completion.model or "", **_usage(completion))
        choice = completion.choices[0]
        message, reason = choice.message, choice.finish_reason or "stop"
        calls = message.tool_calls or []
        return Reply(
            flattened(message.content) or message.refusal or "",
            model=completion.model or "",
            finish_reason=reason,
            tool_calls=[call.model_dump(exclude_none=True) for call in calls],
            fingerprint=completion.system_fingerprint,
            refusal=bool(message.refusal) or reason == "content_filter",
            **_usage(completion),
        )


class Azure(OpenAICompatible):
    """A deployment of Azure OpenAI: its own paths, key header and API version, unless the address ends in ``/v1``.

    ``model`` is the deployment's name. The model behind it is what the reply names.
    """

    name = "azure"
    variable = "AZURE_OPENAI_API_KEY"

    def __init__(self, model: str, *, base_url: str, api_key: str, api_version: str, **more: Any) -> None:
        self._api_version = api_version
        super().__init__(model, base_url=base_url, api_key=api_key, **more)

    def _connect(self, base_url: str, options: dict[str, Any]) -> openai.AsyncOpenAI:
        if base_url.rstrip("/").endswith("/v1"):
            return super()._connect(base_url, options)
        return openai.AsyncAzureOpenAI(azure_endpoint=base_url, api_version=self._api_version, **options)

    def _limit_name(self) -> str:
        return "max_completion_tokens"


def is_refusal(error: Exception) -> bool:
    """Whether a filter refused the request's words: an outcome of the sample, not a fault of the call."""
    status = getattr(error, "status_code", None)
    if status == 403:  # OpenRouter's moderation says what it flagged, a 403 of permissions does not
        details = body_of(error).get("metadata")
        return isinstance(details, Mapping) and "reasons" in details
    return status == 400 and code_of(error) in _REFUSALS


def _usage(completion: ChatCompletion) -> dict[str, Any]:
    usage = completion.usage
    if usage is None:
        return {}
    details = usage.prompt_tokens_details
    return {
        "tokens_in": usage.prompt_tokens or 0,
        "tokens_out": usage.completion_tokens or 0,
        "tokens_cached": (details.cached_tokens or 0) if details else 0,
        "tokens_written": (getattr(details, "cache_write_tokens", None) or 0) if details else 0,
    }
