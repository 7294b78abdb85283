"""Any endpoint that speaks OpenAI's chat completions. The only file that imports the openai SDK."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai

from harness.errors import ModelCallError
from harness.llm.calls import Reply, Request

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

_HOPELESS = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
_KEY = re.compile(r"\b(?:sk|key)-[\w*-]{6,}")
_LONGEST_WAIT = 120.0
_GARBAGE = (ValueError, TypeError, AttributeError)
"""What the SDK lets out when the body of a 200 is no JSON, or JSON of another shape."""

_FAULTS = (openai.OpenAIError, *_GARBAGE)


class OpenAICompatible:
    """One client with pooled connections. Not the SDK retries but the gateway, so that every call counts.

    ``timeout`` is in seconds, for one call.
    """

    name = "openai"

    def __init__(self, model: str, *, base_url: str, api_key: str, timeout: float = 120.0) -> None:
        self.model = model
        self.base_url = base_url
        self._secret = api_key
        parts = urlsplit(base_url)
        self._place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._client = openai.AsyncOpenAI(api_key=api_key, base_url=base_url, timeout=timeout, max_retries=0)
        # OpenAI itself wants the newer name of the limit, most compatible servers know only the older.
        ours = parts.hostname == "api.openai.com"
        self._limit = "max_completion_tokens" if ours else "max_tokens"

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:  # noqa: ARG002
        """One chat completion. Raises `ModelCallError`, fatal when no later call can succeed either."""
        try:
            return _reply(await self._client.chat.completions.create(**self._parameters(request)))
        except _FAULTS as error:
            failure = self._failure(error)
        # Not raised in the handler: the SDK's error would hang on to it, with the key in its request.
        raise failure

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """One vector per text. Raises `ModelCallError`."""
        try:
            answer = await self._client.embeddings.create(
                input=list(texts), model=model, encoding_format="float"
            )
            return [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        except _FAULTS as error:
            failure = self._failure(error)
        raise failure

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._client.close()

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
        message = f"Model {self.name}:{self.model} at {self._place}: {self._said(error)}"
        return ModelCallError(message, fatal=isinstance(error, _HOPELESS), retry_after=_retry_after(error))

    def _said(self, error: Exception) -> str:
        if isinstance(error, _GARBAGE):
            return f"what it answered is no completion ({type(error).__name__})."
        text = str(getattr(error, "message", "") or error) or type(error).__name__
        return _KEY.sub("[key]", text.replace(self._secret, "[key]"))[:500]


def _retry_after(error: Exception) -> float | None:
    """Seconds to wait before the call can be tried again, or ``None`` when that is pointless."""
    if isinstance(error, openai.APIStatusError):
        if error.status_code not in (408, 409, 429) and error.status_code < 500:
            return None
        return _hinted(error.response.headers.get("retry-after", ""))
    return 1.0 if isinstance(error, (openai.APIConnectionError, *_GARBAGE)) else None


def _hinted(text: str) -> float:
    return min(float(text), _LONGEST_WAIT) if re.fullmatch(r"\d{1,6}(\.\d+)?", text) else 1.0


def _reply(completion: ChatCompletion) -> Reply:
    if not completion.choices:
        return Reply("", model=completion.model or "")
    choice, usage = completion.choices[0], completion.usage
    calls = choice.message.tool_calls or []
    return Reply(
        choice.message.content or choice.message.refusal or "",
        model=completion.model or "",
        finish_reason=choice.finish_reason or "stop",
        tokens_in=usage.prompt_tokens if usage else 0,
        tokens_out=usage.completion_tokens if usage else 0,
        tool_calls=[call.model_dump(exclude_none=True) for call in calls],
        fingerprint=completion.system_fingerprint,
    )
