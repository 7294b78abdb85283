"""Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NoReturn

from harness.gateway.calls import Reply, Request
from harness.gateway.environment import NetworkSettings
from harness.gateway.providers.anthropic_batches import AnthropicBatches
from harness.gateway.providers.anthropic_wire import (
    UNKNOWN_THERE,
    NoCounterpartError,
    needs_words,
    parameters,
    reply,
)
from harness.gateway.providers.dialect import Dialect, SentForm
from harness.gateway.providers.error_text import words
from harness.gateway.providers.http_provider import HTTPProvider
from harness.gateway.providers.provider_errors import GARBAGE, Fault
from harness.gateway.providers.reply_streams import joined_message
from harness.gateway.providers.strict_schemas import strict
from harness.gateway.requests.response_formats import PROMPT, SCHEMA, in_form

URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
"""The version of the API, which it wants in a header."""


class AnthropicMessages(HTTPProvider):
    """A model behind Anthropic's own API."""

    name = "anthropic"
    variable = "ANTHROPIC_API_KEY"
    no_counterpart = UNKNOWN_THERE

    def __init__(
        self,
        model: str,
        *,
        base_url: str = URL,
        api_key: str,
        timeout: float = 120.0,
        network: NetworkSettings | None = None,
    ) -> None:
        headers = {"authorization": f"Bearer {api_key}", "anthropic-version": VERSION}
        super().__init__(
            model,
            base_url=base_url,
            api_key=api_key,
            headers=headers,
            timeout=timeout,
            network=network,
            dialect=Dialect(forms=(SCHEMA, PROMPT), needs_words=needs_words),
        )

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:  # noqa: ARG002
        """One message. Raises `ModelCallError`, fatal when no later call can succeed either."""
        sent = self._dialect.sent(request)
        body = self.body(request, sent)
        return self.read(await self._ask("/v1/messages", body, may_stream=True), request, sent)

    def spelling(self, request: Request) -> SentForm:
        """How ``request`` is sent now."""
        return self._dialect.sent(request)

    def body(self, request: Request, sent: SentForm) -> dict[str, Any]:
        """``request`` as the API gets it. Raises `ModelCallError` where it has no counterpart there."""
        return self._parameters(in_form(request, sent.form))

    def read(self, answer: Mapping[str, Any] | Fault, request: Request, sent: SentForm) -> Reply:
        """The reply in ``answer`` to ``request``, sent as ``sent``. Raises `ModelCallError` for a fault."""
        spelled = in_form(request, sent.form)
        if isinstance(answer, Fault):
            raise self._refusal(answer, request, sent, self._parameters(spelled))
        content = answer.get("content")
        if not isinstance(content, list) or not all(isinstance(block, Mapping) for block in content):
            raise self._failures.of_garbage(f"no content: {words(answer)}")
        return replace(reply(answer, request=spelled), form=sent.form)

    @cached_property
    def batches(self) -> AnthropicBatches:
        """Anthropic's Message Batches API."""
        return AnthropicBatches(self._http, self._failures)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:  # noqa: ARG002
        """There are none. Raises `ModelCallError`, fatal."""
        self._cannot("embeddings (use another provider for an engine that needs them)")

    def _joined(self, parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return joined_message(parts)

    def _parameters(self, request: Request) -> dict[str, Any]:
        try:
            return parameters(request, model=self.model, strict=strict)
        except NoCounterpartError as error:
            self._cannot(str(error))
        except GARBAGE as error:
            kind = type(error).__name__
            raise self._failures.say(
                f"the request is not one that OpenAI's API would take ({kind})."
            ) from None

    def _cannot(self, what: str) -> NoReturn:
        raise self._failures.say(f"Anthropic's API has no way to ask for {what}.", fatal=True) from None
