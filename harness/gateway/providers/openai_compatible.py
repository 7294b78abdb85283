"""Any endpoint that speaks OpenAI's chat completions, Azure's included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

from harness.errors import AdaptedError
from harness.gateway.calls import Reply, Request, Vectors
from harness.gateway.environment import NetworkSettings
from harness.gateway.providers.compatible_servers import SERVERS
from harness.gateway.providers.dialect import Dialect, SentForm, refused_parameter
from harness.gateway.providers.error_text import words
from harness.gateway.providers.http_client import MAX_BYTES
from harness.gateway.providers.http_provider import HTTPProvider
from harness.gateway.providers.openai_batches import OpenAIBatches
from harness.gateway.providers.provider_errors import Fault
from harness.gateway.providers.reply_streams import joined_completion
from harness.gateway.replies.contents import flattened, thoughts_beside
from harness.gateway.replies.json_reading import label, mapping, sequence, shallow, text, written
from harness.gateway.replies.token_counts import counted, openai_usage
from harness.gateway.replies.tool_calls import message_calls
from harness.gateway.requests.logprobs import asks_for_logprobs
from harness.gateway.requests.response_formats import in_form
from harness.model.text import whole_data

_REFUSALS = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
"""Codes of a 400 that rejects the content of the request, not its form."""

_REASONS = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
}
"""Other servers' names for two of OpenAI's reasons; they are compared in lower case."""

_BYTES_PER_VECTOR = 128 * 1024
"""Room for one vector as JSON: some 5,000 numbers."""


class OpenAICompatible(HTTPProvider):
    """A model behind OpenAI's protocol. ``headers`` are sent with every call."""

    name = "openai"
    variable = "OPENAI_API_KEY"
    stream_fields: Mapping[str, Any] = MappingProxyType(
        {"stream": True, "stream_options": {"include_usage": True}}
    )

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str,
        timeout: float = 120.0,
        headers: Mapping[str, str] | None = None,
        network: NetworkSettings | None = None,
    ) -> None:
        super().__init__(
            model,
            base_url=base_url,
            api_key=api_key,
            headers=self._credentials(api_key) | dict(headers or {}),
            params=self._query(),
            timeout=timeout,
            network=network,
            dialect=Dialect(self._limit_name(base_url)),
        )

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:  # noqa: ARG002
        """One chat completion. Raises `ModelCallError`, fatal when no later call can succeed either."""
        path = self._path("chat/completions", request.model or self.model)
        sent = self._dialect.sent(request)
        return self.read(await self._ask(path, self.body(request, sent), may_stream=True), request, sent)

    def spelling(self, request: Request) -> SentForm:
        """How ``request`` is sent now."""
        return self._dialect.sent(request)

    def body(self, request: Request, sent: SentForm) -> dict[str, Any]:
        """``request`` as the server gets it, spelled as ``sent`` says."""
        return self._parameters(in_form(request, sent.name), sent.limit)

    def read(self, answer: Mapping[str, Any] | Fault, request: Request, sent: SentForm) -> Reply:
        """The reply in ``answer`` to ``request``, sent as ``sent``. Raises `ModelCallError` for a fault."""
        spelled = in_form(request, sent.name)
        if not isinstance(answer, Fault):
            return replace(self._reply(answer, spelled), form=sent.name)
        if is_refusal(answer):
            said = self._failures.presentable(answer.text)
            return Reply(said, finish_reason="content_filter", refusal=True, form=sent.name)
        raise self._refusal(answer, request, sent, self.body(request, sent))

    @cached_property
    def batches(self) -> OpenAIBatches | None:
        """OpenAI's batch API; other servers of this protocol do not have it."""
        return OpenAIBatches(self._http, self._failures) if self.name == "openai" else None

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """One vector per text. Raises `ModelCallError`."""
        body = {"input": list(texts), "model": model, "encoding_format": "float"}
        room = MAX_BYTES + len(texts) * _BYTES_PER_VECTOR
        answer = await self._ask(self._path("embeddings", model), body, room)
        if isinstance(answer, Fault):
            raise self._failures.of_fault(answer)
        vectors = _vectors(answer, len(texts))
        if vectors is None:
            raise self._failures.of_garbage(f"expected {len(texts)} vectors: {written(answer)}")
        usage = answer.get("usage")
        asked = Request((), model, extra={"input": list(texts)})
        tokens = counted(usage, openai_usage(usage), asked, says_something=False).get("tokens_in", 0)
        return Vectors(vectors, model=label(answer.get("model")), tokens_in=tokens)

    def _joined(self, parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return joined_completion(parts)

    def _refused_stream(self, fault: Fault) -> Fault:
        if "stream_options" in self.stream_fields and refused_parameter(fault, self.stream_fields):
            self.stream_fields = {"stream": True}
            said = self._failures.say(
                f"The server does not state tokens at the end of a stream, so costs are unknown. It said: {fault.text}"
            )
            self.notify(str(said))
            raise AdaptedError(str(said), brief="the server refused how the request was spelled")
        return fault

    def _credentials(self, api_key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {api_key}"}

    def _query(self) -> Mapping[str, str] | None:
        return None

    def _path(self, operation: str, model: str) -> str:  # noqa: ARG002
        return f"/{operation}"

    def _limit_name(self, base_url: str) -> str:
        """OpenAI itself wants the newer name of the limit, most compatible servers know only the older."""
        ours = urlsplit(base_url).hostname == "api.openai.com"
        return "max_completion_tokens" if ours else "max_tokens"

    def _parameters(self, request: Request, limit: str) -> dict[str, Any]:
        known = {
            "model": request.model or self.model,
            "messages": [dict(message) for message in request.messages],
            "response_format": dict(request.response_format) if request.response_format else None,
            "temperature": request.temperature,
            limit: request.max_tokens,
        }
        return {name: value for name, value in known.items() if value is not None} | dict(request.extra)

    def _reply(self, completion: Mapping[str, Any], request: Request) -> Reply:
        if not isinstance(completion.get("choices"), list):
            raise self._failures.of_garbage(f"no choices: {words(completion)}")
        choice = mapping(next(iter(completion["choices"]), None))
        message = mapping(choice.get("message"))
        calls, refusal = message_calls(message), text(message.get("refusal"))
        said = flattened(shallow(message.get("content"))) or refusal
        reason, thoughts = finish_reason(choice.get("finish_reason")), thoughts_beside(message)
        usage = completion.get("usage")
        return Reply(
            said,
            model=label(completion.get("model")),
            finish_reason=reason,
            tool_calls=calls,
            fingerprint=label(completion.get("system_fingerprint")) or None,
            refusal=bool(refusal) or reason == "content_filter",
            thoughts=thoughts,
            logprobs=_logprobs(choice.get("logprobs")) if asks_for_logprobs(request) else None,
            **counted(usage, openai_usage(usage), request, says_something=bool(said or calls or thoughts)),
        )


class Azure(OpenAICompatible):
    """A deployment of Azure OpenAI: its own paths, key header and API version, unless the address ends in ``/v1``.

    ``model`` is the deployment's name. The model behind it is what the reply names.
    """

    name = "azure"
    variable = "AZURE_OPENAI_API_KEY"

    def __init__(self, model: str, *, base_url: str, api_key: str, api_version: str, **more: Any) -> None:
        self._api_version = api_version
        self._is_plain = base_url.rstrip("/").endswith("/v1")
        super().__init__(model, base_url=base_url, api_key=api_key, **more)

    def _credentials(self, api_key: str) -> dict[str, str]:
        return super()._credentials(api_key) if self._is_plain else {"api-key": api_key}

    def _query(self) -> Mapping[str, str] | None:
        return None if self._is_plain else {"api-version": self._api_version}

    def _path(self, operation: str, model: str) -> str:
        if self._is_plain:
            return super()._path(operation, model)
        return f"/openai/deployments/{quote(model, safe='')}/{operation}"

    def _limit_name(self, base_url: str) -> str:  # noqa: ARG002
        return "max_completion_tokens"


class CompatibleProvider(OpenAICompatible):
    """A model at one of `SERVERS`, under that server's name in records and messages."""

    def __init__(
        self, name: str, model: str, *, base_url: str, api_key: str, network: NetworkSettings | None = None
    ) -> None:
        self.name, self.variable = name, SERVERS[name].variable
        super().__init__(model, base_url=base_url, api_key=api_key, network=network)


def is_refusal(fault: Fault) -> bool:
    """Whether a filter refused the request's words: an outcome of the sample, not a fault of the call."""
    if fault.status == 403:  # OpenRouter's moderation says what it flagged, a 403 of permissions does not
        return "reasons" in mapping(fault.details.get("metadata"))
    return fault.status == 400 and fault.code in _REFUSALS


def finish_reason(value: Any) -> str:
    """OpenAI's name of why a completion ended; the server's own where it has none."""
    said = label(value) or "stop"
    return _REASONS.get(said.lower(), said)


def _logprobs(value: Any) -> dict[str, Any] | None:
    """What the server says of the tokens; ``None`` where it says nothing."""
    found = mapping(value)
    return whole_data(dict(found)) if sequence(found.get("content")) else None


def _vectors(found: Mapping[str, Any], wanted: int) -> list[list[float]] | None:
    """The vectors in the order of their texts; ``None`` where they are not one for each, of numbers."""
    items = [mapping(item) for item in sequence(found.get("data"))]
    numbered = sorted(enumerate(items), key=lambda one: _index(one[1].get("index"), one[0]))
    vectors = [sequence(item.get("embedding")) for _, item in numbered]
    if len(vectors) != wanted or not all(vector and all(map(_is_number, vector)) for vector in vectors):
        return None
    return [list(map(float, vector)) for vector in vectors]


def _index(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < 1e300
