"""What the providers that reach a model over HTTP have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from harness.console import logger
from harness.errors import AdaptedError, ModelCallError
from harness.gateway.calls import Request
from harness.gateway.environment import NetworkSettings
from harness.gateway.providers.dialect import Dialect, SentForm, refused_parameter
from harness.gateway.providers.http_client import MAX_BYTES, Answer, HTTPClient, NoAnswerError, StartLimit
from harness.gateway.providers.provider_errors import GARBAGE, Failures, Fault, fault_inside, fault_of
from harness.gateway.providers.reply_streams import CutStreamError, events, has_token
from harness.gateway.replies.json_reading import mapping, parse, sequence

STREAM_FACTOR = 8
"""How many times as long a reply may be as a stream, where each token comes with an object around it."""

_log = logger()


class HTTPProvider:
    """One client with pooled connections. It sends a call once: the gateway retries, so that every call counts.

    ``timeout`` is in seconds, for one whole call. ``on_headers`` gets the headers of every answer, failures included.
    ``before_send`` is called just before a request leaves, and keeps it from being sent by raising.
    ``notify`` gets a sentence for each thing that is learned of the server. ``no_counterpart`` are fields of OpenAI's
    requests that the server's protocol does not have. ``stream_fields`` ask for a reply as a stream, which `_joined`
    joins.
    """

    name: str
    variable: str
    no_counterpart: frozenset[str] = frozenset()
    stream_fields: Mapping[str, Any] = MappingProxyType({"stream": True})

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        timeout: float,
        network: NetworkSettings | None = None,
        dialect: Dialect,
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.on_headers: Callable[[Mapping[str, str]], None] | None = None
        self.before_send: Callable[[], None] | None = None
        self.notify: Callable[[str], None] = _log.warning
        self._first_token: float | None = None
        self._dialect = dialect
        self._failures = Failures(f"{self.name}:{model}", base_url, [api_key], self.variable)
        self._http = HTTPClient(
            base_url,
            headers=headers,
            params=params,
            timeout=timeout,
            network=network,
            before_send=self._check,
            on_headers=self._heed,
        )

    def configure(
        self,
        *,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        first_token_timeout: float | None = None,
        form: str | None = None,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        """Apply the session's choice: the time limits in seconds, and the ``form`` of requests for JSON.

        ``form`` is one of `response_formats.FORMS`; ``None`` learns it from refusals. With a ``first_token_timeout``
        replies are requested as streams, and joined. ``hints`` are the front end's words for what a user changes, by
        field of the request; see `Failures`.
        """
        if timeout is not None:
            self._http.timeout = timeout
        if connect_timeout is not None:
            self._http.connect_timeout = connect_timeout
        self._first_token = first_token_timeout
        self._dialect.choose(form)
        self._failures.hints = hints or {}

    def _refusal(
        self, fault: Fault, request: Request, sent: SentForm, body: Mapping[str, Any]
    ) -> ModelCallError:
        """The error for ``fault``; `AdaptedError` where the request is to be sent once more, spelled another way."""
        learned = self._dialect.learn(fault, request, sent, body)
        if learned is None:
            return self._failures.of_fault(fault, refused_parameter(fault, body))
        said = self._failures.say(f"{learned} It said: {fault.text}")
        if learned:
            self.notify(str(said))
        return AdaptedError(str(said), brief="the server refused how the request was spelled")

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._http.aclose()

    async def _ask(
        self, path: str, body: Mapping[str, Any], max_bytes: int = MAX_BYTES, *, may_stream: bool = False
    ) -> Mapping[str, Any] | Fault:
        """The object that answers ``body``, or what is wrong. Raises `ModelCallError` where neither came."""
        start = StartLimit(self._first_token, has_token) if self._first_token and may_stream else None
        if start is not None:
            body, max_bytes = {**body, **self.stream_fields}, max_bytes * STREAM_FACTOR
        try:
            answer = await self._http.post(path, body, max_bytes=max_bytes, start=start)
        except NoAnswerError as error:
            failure = self._failures.of_silence(error)
        except GARBAGE as error:
            failure = self._failures.say(f"the request cannot be sent ({type(error).__name__}: {error}).")
        else:
            return self._understood(answer, is_streamed=start is not None)
        # Not raised in the handler: the client's error would hang on to the request, and the request has the key.
        raise failure

    def _understood(self, answer: Answer, *, is_streamed: bool = False) -> Mapping[str, Any] | Fault:
        """The object in ``answer``, or what is wrong. Raises `ModelCallError` where it is neither."""
        if answer.status >= 400:
            return self._refused_stream(fault_of(answer)) if is_streamed else fault_of(answer)
        if answer.status >= 300:
            raise self._failures.of_redirect(answer)
        value: Any
        try:
            is_stream = is_streamed and is_event_stream(answer)
            value = self._joined(events(answer.body)) if is_stream else parse(answer.body)
        except CutStreamError as error:
            raise self._failures.of_garbage(str(error)) from None
        except ValueError as error:
            raise self._failures.of_text(answer, str(error)) from None
        first = next(iter(sequence(mapping(value).get("choices"))), None)
        return fault_inside(value, answer.headers) or fault_inside(first, answer.headers) or mapping(value)

    def _joined(self, parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The whole object of a stream's events. Raises `CutStreamError`."""
        raise NotImplementedError

    def _refused_stream(self, fault: Fault) -> Fault:
        """The ``fault`` that answers a request for a stream. Raises `AdaptedError` where another one may be taken."""
        return fault

    def _check(self) -> None:
        if self.before_send is not None:
            self.before_send()

    def _heed(self, headers: Mapping[str, str]) -> None:
        if self.on_headers is not None:
            self.on_headers(headers)


def is_event_stream(answer: Answer) -> bool:
    """Whether ``answer`` is a stream of events, by its type or its first bytes."""
    kind = answer.headers.get("content-type", "").lower()
    return "event-stream" in kind or answer.body[:200].lstrip().startswith((b"data:", b"event:", b":"))
