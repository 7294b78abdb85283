"""One request to a model's server, bounded in size and in time. The only file that imports httpx2."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import httpx2

from harness.addresses import secrets_in, without_secrets
from harness.gateway.environment import NetworkSettings

MAX_BYTES = 8 * 1024 * 1024
"""Bytes of an answer that are read, compressed or not, where a call sets no other limit."""

MAX_ERROR_BYTES = 64 * 1024
"""Bytes that are read of the body of a failure; its text is cut far shorter."""

_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, whatever its status. ``body`` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class StartLimit:
    """How many ``seconds`` may pass, connecting included, until ``has_begun`` is true of the body so far."""

    seconds: float
    has_begun: Callable[[bytes], bool]


WRONG_ADDRESS = 1
"""Tries of a call while nothing has ever answered, where another try meets the same: no connection, a web page."""

UNREACHABLE = 3
"""The same where a server is there but gives no whole answer: it may be starting."""

CONNECT_SECONDS = 10.0
"""How long connecting may take where nothing else is set."""

_UNREACHABLE_ERRORS = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.InvalidURL,
    httpx2.UnsupportedProtocol,
)
"""Failures of connecting."""


class NoAnswerError(Exception):
    """No whole answer came. ``sent``: the request may have reached the server, which may bill it.

    ``first_tries`` is as in `harness.errors.ModelCallError`.
    """

    def __init__(
        self,
        text: str,
        *,
        sent: bool,
        first_tries: int | None = None,
        is_timeout: bool = False,
        is_unreachable: bool = False,
        is_first_token: bool = False,
    ) -> None:
        self.sent, self.first_tries = sent, first_tries
        self.is_timeout, self.is_unreachable = is_timeout, is_unreachable
        self.is_first_token = is_first_token
        super().__init__(text)


class _HideKeys(logging.Filter):
    """Hides what may be a key in the addresses of models that the HTTP library logs."""

    def __init__(self) -> None:
        super().__init__()
        self._addresses: set[str] = set()

    def add(self, base_url: str) -> None:
        if secrets_in(base_url):
            self._addresses.add(base_url)

    def filter(self, record: logging.LogRecord) -> bool:
        if self._addresses and isinstance(record.args, tuple):
            record.args = tuple(map(self._shown, record.args))
        return True

    def _shown(self, value: object) -> object:
        text = str(value) if isinstance(value, httpx2.URL) else ""
        return without_secrets(text) if text.startswith(tuple(self._addresses)) and text else value


_hide_keys = _HideKeys()
logging.getLogger("httpx2").addFilter(_hide_keys)


class HTTPClient:
    """Pooled connections to one server. Sends each call once, through the proxy of ``network`` if it has one.

    ``timeout`` limits a whole call in seconds, from the wait for a connection to the last byte of the answer, and
    ``connect_timeout`` the time for connecting.
    ``before_send`` is called when there is a connection, just before the first byte of a request leaves: what it raises
    keeps the request from being sent, and is raised by `send`.
    ``on_headers`` gets the headers of every answer, failures included. Redirects are not followed: they could carry
    the key to another host.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        timeout: float,
        network: NetworkSettings | None = None,
        before_send: Callable[[], None] = lambda: None,
        on_headers: Callable[[Mapping[str, str]], None] = lambda _headers: None,
    ) -> None:
        self._base_url, self._params, self.timeout = base_url.rstrip("/"), params, timeout
        self.connect_timeout = CONNECT_SECONDS
        self._on_headers, self._before_send = on_headers, before_send
        self._network = network or NetworkSettings()
        _hide_keys.add(self._base_url)
        own = {
            "accept": "application/json",
            "accept-encoding": "gzip",
            "content-type": "application/json",
            "user-agent": f"persona-harness/{version('persona-harness')}",
        }
        self._client = httpx2.AsyncClient(
            headers=own | dict(headers),
            timeout=None,
            limits=_LIMITS,
            proxy=self._network.proxy,
            verify=self._network.context or True,
            trust_env=False,
        )

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        max_bytes: int = MAX_BYTES,
        start: StartLimit | None = None,
    ) -> Answer:
        """The answer to ``body``, sent as JSON to ``path`` below the base URL.

        Raises as `send` does, and `ValueError` or `TypeError` when ``body`` cannot be written as JSON in UTF-8.
        """
        content = json.dumps(body, ensure_ascii=False, allow_nan=False, default=dict).encode()
        return await self.send("POST", path, content, max_bytes=max_bytes, start=start)

    async def send(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        max_bytes: int = MAX_BYTES,
        timeout: float | None = None,  # noqa: ASYNC109
        start: StartLimit | None = None,
    ) -> Answer:
        """The answer to one request to ``path`` below the base URL, within ``timeout`` seconds (default: its own).

        ``start`` limits the time until the answer has begun. Of a failure's body, what came in time is enough.
        Raises `NoAnswerError` when no whole answer came in time, or it was longer than ``max_bytes``.
        """
        exchange, tries = _Exchange(content, max_bytes), None
        is_timeout = is_unreachable = False
        longest = self.timeout if timeout is None else timeout
        beginning = asyncio.timeout(start.seconds if start else None)
        if start is not None:
            headers = {**headers, "accept-encoding": "identity"}  # compression may hold the first part back
            exchange.expect(start.has_begun, lambda: beginning.reschedule(None))
        try:
            async with asyncio.timeout(longest), beginning:
                await self._send(method, path, exchange, headers)
            return exchange.answer()
        except TimeoutError:
            is_timeout, tries = True, UNREACHABLE
            fault = f"time-out: no whole answer within {longest:g} s"
            if start is not None and beginning.expired():
                fault = f"time-out: no first token within {start.seconds:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, zlib.error, OSError, _UnreadableError) as error:
            fault, tries = _description(error), _first_tries(error)
            if isinstance(error, httpx2.ConnectTimeout):
                fault = f"no connection within {self.connect_timeout:g} s"
            is_unreachable = isinstance(error, _UNREACHABLE_ERRORS)
            if self._network.proxy and isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
                fault += f", through the proxy {without_secrets(self._network.proxy)}"
        if exchange.is_failure:
            return exchange.answer()
        # Not raised in a handler: the client's error would hang on to the request, and the request has the key.
        raise NoAnswerError(
            fault,
            sent=exchange.begun,
            first_tries=tries,
            is_timeout=is_timeout,
            is_unreachable=is_unreachable,
            is_first_token=is_timeout and beginning.expired(),
        )

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._client.aclose()

    async def _send(self, method: str, path: str, exchange: _Exchange, headers: Mapping[str, str]) -> None:
        async with self._client.stream(
            method,
            self._base_url + path,
            params=self._params,
            content=exchange.content(),
            headers={"content-length": str(len(exchange.sent)), **headers},
            timeout=httpx2.Timeout(None, connect=self.connect_timeout),
            extensions={"trace": self._trace},
        ) as response:
            self._on_headers(response.headers)
            exchange.begin_answer(response)
            async for chunk in response.aiter_raw():
                exchange.take(chunk)
                if exchange.is_full:
                    break
            exchange.finish()

    async def _trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith(".send_request_headers.started"):
            self._before_send()


class _UnreadableError(Exception):
    """The answer is too long, or compressed in a way that was not asked for."""


class _Exchange:
    """One request and its answer so far."""

    def __init__(self, sent: bytes, max_bytes: int) -> None:
        self.sent, self.begun = sent, False
        self.is_full = False
        self._status, self._headers = 0, httpx2.Headers()
        self._most, self._read = max_bytes, 0
        self._body = bytearray()
        self._inflate: Any = None
        self._has_begun: Callable[[bytes], bool] | None = None
        self._note_begin: Callable[[], None] = lambda: None

    def expect(self, has_begun: Callable[[bytes], bool], note: Callable[[], None]) -> None:
        """Call ``note`` once, when ``has_begun`` is true of the body so far, or a failure comes in its place."""
        self._has_begun, self._note_begin = has_begun, note

    @property
    def is_failure(self) -> bool:
        """Whether the answer that began to come is a refusal or a failure."""
        return self._status >= 400

    async def content(self) -> AsyncIterator[bytes]:
        """The request's body. Once the client takes it, the server may have it."""
        self.begun = True
        yield self.sent

    def begin_answer(self, response: httpx2.Response) -> None:
        """Note status and headers. Raises `_UnreadableError` for an encoding that was not asked for."""
        self._status, self._headers = response.status_code, response.headers
        if self.is_failure:
            self._most = min(self._most, MAX_ERROR_BYTES)
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header is recognised
        elif encoding not in ("identity", ""):
            raise _UnreadableError(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")

    def take(self, chunk: bytes) -> None:
        """Add a part of the body; never more than one byte above the limit is kept."""
        self._read += len(chunk)
        room = self._most + 1 - len(self._body)
        self._body += self._inflate.decompress(chunk, room) if self._inflate else chunk[:room]
        self.is_full = max(self._read, len(self._body)) > self._most
        if self._has_begun is not None and (self.is_failure or self._has_begun(bytes(self._body))):
            self._has_begun = None
            self._note_begin()

    def finish(self) -> None:
        """Check that the body is whole. Raises `_UnreadableError`."""
        if self.is_full:
            raise _UnreadableError(f"the answer is longer than {self._most:,} bytes")
        if self._inflate is not None and self._read and not self._inflate.eof:
            raise _UnreadableError("the compressed answer is cut")

    def answer(self) -> Answer:
        """What came."""
        return Answer(self._status, self._headers, bytes(self._body[: self._most]))


def _description(error: Exception) -> str:
    """What went wrong: the operating system's words where there are any, else the client's with the kind of error."""
    if isinstance(error, _UnreadableError):
        return str(error)
    if isinstance(error, zlib.error):
        return f"the compressed answer is damaged ({error})"
    if _is_no_tls(error):
        return "no connection (the server does not speak TLS; is its address http:// instead of https://?)"
    why = _system_words(error) or f"{type(error).__name__}: {error}"
    is_before = isinstance(error, _UNREACHABLE_ERRORS)
    return f"{'no connection' if is_before else 'the connection failed'} ({why})"


def _first_tries(error: Exception) -> int | None:
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return WRONG_ADDRESS
    if isinstance(error, _UNREACHABLE_ERRORS):
        return WRONG_ADDRESS
    return UNREACHABLE if isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError) else None


def _is_no_tls(error: Exception) -> bool:
    reasons = (getattr(cause, "reason", None) for cause in _causes(error) if isinstance(cause, ssl.SSLError))
    return any(
        reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST") for reason in reasons
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        group = error if isinstance(error, BaseExceptionGroup) else None
        error = group.exceptions[0] if group else error.__cause__ or error.__context__


def _system_words(error: BaseException | None) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            said = cause.verify_message.rstrip(".")
            return (
                f"its certificate is not trusted: {said}; SSL_CERT_FILE names a file of certificates to trust"
            )
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or "no TLS").replace("_", " ").lower()
        if isinstance(cause, OSError) and cause.strerror:  # asyncio adds its own text to the number
            return os.strerror(cause.errno or 0) if cause.errno in errno.errorcode else cause.strerror
    return ""
