"""What a provider's failure becomes: one `ModelCallError` that says what to do, and never shows a key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harness.addresses import secrets_in, without_secrets
from harness.errors import (
    ContextOverflowError,
    ModelCallError,
    RefusedKeyError,
    UnknownModelError,
    UnreachableError,
    UnsupportedParameterError,
)
from harness.gateway.providers.error_text import named_members, presentable, words, words_of
from harness.gateway.providers.http_client import UNREACHABLE, WRONG_ADDRESS, Answer, NoAnswerError
from harness.gateway.rate_limit_headers import read_retry_after
from harness.gateway.replies.json_reading import label, mapping, parse

GARBAGE = (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError)
"""What reading a request of another shape than the protocol's raises."""

_SHORTEST_WAIT = 0.01  # 0 would mean an unusable reply
_AGAIN = (408, 409, 429)
_MEANINGS: Mapping[int, str] = {
    401: "the key was refused (check {variable})",
    402: "there is no credit left",
    403: "this key may not do that",
    404: "no such model, or no such address",
    429: "too many requests",
    529: "overloaded",
}
_HOPELESS = (401, 402, 403, 404)
_WRONG_ADDRESS = (405, 410, 501, 505)
"""Answers of a server that has another purpose than chat completions."""
_HOPELESS_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_not_active",
        "billing_error",
        "unsupported_parameter",
        "unsupported_value",
    }
)
_HOPELESS_WORDS = re.compile(r"credit balance is too low|is deprecated for this model")
"""Anthropic gives no code to an empty account, nor to a temperature that a model does not take."""

_UNKNOWN_MODEL = re.compile(
    r"model_not_found|invalid_model|model[ _]not[ _](?:exist|found|available)|not a valid model|"
    r"\binvalid model:|model\b[^.]{0,80}(?:does not exist|not found|is not available|doesn't exist)",
    re.IGNORECASE,
)
"""How servers that answer with a 400 say that they have no such model."""

_BAD_KEY = re.compile(r"api.?key (?:is )?(?:not valid|invalid)|(?:invalid|incorrect) api.?key", re.IGNORECASE)
"""How servers that answer with a 400 refuse a key."""

_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|(?:maximum|max\.?) (?:context|model|sequence) (?:length|len|size)|"
    r"(?:exceeds?|exceeding|longer than|larger than|too large for).{0,40}context|prompt is too long|"
    r"input token count.{0,40}exceeds|reduce the length of the (?:messages|prompt)|tokens` \+ `max_new_tokens`",
    re.IGNORECASE,
)
"""How servers say that a prompt, with the limit of its reply, does not fit the model's context."""

_STATUS_OF_CODE: tuple[tuple[str, int], ...] = (
    ("rate_limit", 429),
    ("resource_exhausted", 429),
    ("too_many_requests", 429),
    ("overloaded", 529),
    ("unavailable", 503),
    ("timeout", 504),
    ("deadline", 504),
    ("invalid_api_key", 401),
    ("authentication", 401),
    ("unauthenticated", 401),
    ("permission", 403),
    ("not_found", 404),
    ("quota", 402),
    ("billing", 402),
    ("invalid", 400),
    ("unsupported", 400),
    ("content_", 400),
    ("context_length", 400),
)
"""Code in words → status, for a 200 without a number in its error."""

_UNKNOWN_STATUS = 502
"""For an error inside a 200 that says nothing of its kind: something behind the server failed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a server answered in place of a completion.

    ``code`` is its own name for the fault (``insufficient_quota``), ``details`` the error object, empty where the body
    has none. ``is_inside`` is true for an error in the body of a 200.
    """

    status: int
    text: str
    code: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_inside: bool = False


def fault_of(answer: Answer) -> Fault:
    """The fault that an answer with a status of 400 and above is."""
    try:
        value = parse(answer.body)
    except ValueError:
        value = None
    said = words_of(answer.body).strip() or "the server said nothing more"
    return Fault(answer.status, said, _code(value), _details(value), answer.headers)


def fault_inside(value: Any, headers: Mapping[str, str]) -> Fault | None:
    """The error in a 200, with or without a completion, or ``None``. Its status is the stated code, number or word."""
    error = mapping(value).get("error")
    said = words(error) if isinstance(error, str | list | Mapping) and _says_something(error) else ""
    if not said:
        return None
    code = _code(value)
    return Fault(_stated_status(value, code), said, code, _details(value), headers, is_inside=True)


def _says_something(error: Any) -> bool:
    """Whether an ``error`` beside a completion is one: some servers send an object of nulls, or an empty text."""
    return any(error.values()) if isinstance(error, Mapping) else bool(error)


def _details(value: Any) -> Mapping[str, Any]:
    return next(named_members(value), {})


def _code(value: Any) -> str:
    """``code`` of the error object, else its ``type`` or ``status``; a number says nothing that the status does not."""
    for name in ("code", "type", "status"):
        for members in named_members(value):
            found = members.get(name)
            if isinstance(found, str) and found and not found.isdigit():
                return label(found)
    return ""


def _stated_status(value: Any, code: str) -> int:
    numbers = [number for members in named_members(value) for number in _numbers(members)]
    if numbers:
        return numbers[0]
    found = (status for word, status in _STATUS_OF_CODE if word in code.lower())
    return next(found, _UNKNOWN_STATUS)


def _numbers(members: Mapping[str, Any]) -> Iterator[int]:
    for name in ("code", "status", "status_code"):
        shown = label(members.get(name))
        if re.fullmatch(r"[45][0-9]{2}", shown):
            yield int(shown)


class Failures:
    """The failures of one model at one address. What they say has none of ``secrets``, nor a secret of the address.

    ``hints`` are the front end's words for what a user changes where a field of the request, or ``timeout``, is at
    fault; ``*`` is for every other field.
    """

    def __init__(
        self,
        spec: str,
        base_url: str,
        secrets: Iterable[str],
        variable: str,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._spec, self._variable, self._wall = spec, variable, wall
        self._place = without_secrets(base_url)
        self.hints: Mapping[str, str] = {}
        self._secrets = [each for each in (*secrets, *secrets_in(base_url)) if len(each) > 5]

    def of_fault(self, fault: Fault, parameter: str | None = None) -> ModelCallError:
        """The failure that a server's ``fault`` is; ``parameter`` is the field of the request that it refuses."""
        fatal = is_hopeless(fault.status, fault.code, fault.text)
        meaning = _MEANINGS.get(fault.status, "").format(variable=self._variable)
        place = "an error inside a 200, " if fault.is_inside else ""
        said = f"{place}HTTP {fault.status}{', ' + meaning if meaning else ''}: {fault.text}"
        tries = WRONG_ADDRESS if fault.status in _WRONG_ADDRESS else None
        failure = self.say(
            said, fatal=fatal, retry_after=None if fatal else self._wait(fault), first_tries=tries
        )
        if fatal and parameter is None:
            failure = _as(_kind(fault), failure)
        if fault.status in (400, 413, 422) and _OVERFLOW.search(f"{fault.code} {fault.text}"):
            return ContextOverflowError(str(failure), brief=failure.brief)
        if parameter is None:
            return failure
        hint = self.hints.get(parameter) or self.hints.get("*")
        message = f"{failure} The server refuses {parameter!r}{f': {hint}' if hint else ''}."
        return UnsupportedParameterError(message, parameter, fatal=fatal, brief=failure.brief)

    def of_redirect(self, answer: Answer) -> ModelCallError:
        """A redirect, which only the user can approve, because the key would go to another address."""
        place = without_secrets(answer.headers.get("location", "nowhere"))
        return self.say(
            f"HTTP {answer.status}: it redirects to {place}, which is not followed. If that is the right server, "
            "use its address as the base URL.",
            fatal=True,
        )

    def of_silence(self, error: NoAnswerError) -> ModelCallError:
        """No whole answer came."""
        limit = "first_token" if error.is_first_token else "timeout"
        hint = self.hints.get(limit) if error.is_timeout else None
        said = f"{error}{f' ({hint})' if hint else ''}."
        failure = self.say(said, retry_after=1.0, lost=error.sent, first_tries=error.first_tries)
        server, refuses = urlsplit(self._place).netloc, "(Connection refused)" in str(error)
        failure.brief = self.presentable(f"{server} refuses connections" if refuses else f"{server}: {said}")
        return _as(UnreachableError, failure) if error.is_unreachable else failure

    def of_garbage(self, why: str, first_tries: int = UNREACHABLE) -> ModelCallError:
        """A 200 that is neither a completion nor an error."""
        said = f"the answer is not a completion ({why})."
        return self.say(said, retry_after=1.0, lost=True, first_tries=first_tries)

    def of_text(self, answer: Answer, why: str) -> ModelCallError:
        """A 200 that is not JSON. A web page or a stream comes from another kind of address, or of server."""
        start = answer.body[:200].lstrip().lower()
        kind = answer.headers.get("content-type", "").lower()
        if "event-stream" in kind or start.startswith((b"data:", b"event:")):
            what = "an event stream; expected one JSON object, because no stream was asked for"
        elif "html" in kind or start.startswith((b"<!doctype html", b"<html")):
            what = "a web page, such as a login page; is the base URL right, and does it end in /v1?"
        else:
            return self.of_garbage(f"not JSON: {why}")
        return self.of_garbage(what, WRONG_ADDRESS)

    def say(
        self,
        text: str,
        *,
        fatal: bool = False,
        retry_after: float | None = None,
        lost: bool = False,
        first_tries: int | None = None,
    ) -> ModelCallError:
        """An error that names the model and the place."""
        brief = self.presentable(text)
        return ModelCallError(
            f"Model {self._spec} at {self._place}: {brief}",
            fatal=fatal,
            retry_after=retry_after,
            lost=lost,
            first_tries=first_tries,
            brief=brief,
        )

    def presentable(self, text: str) -> str:
        """``text`` on one line, cut, without keys."""
        return presentable(text, self._secrets)

    def _wait(self, fault: Fault) -> float | None:
        if fault.status not in _AGAIN and fault.status < 500:
            return None
        hint = read_retry_after(fault.headers, self._wall())
        return max(1.0 if hint is None else hint, _SHORTEST_WAIT)


def is_hopeless(status: int, code: str, text: str) -> bool:
    """Whether every later call can only fail in the same way."""
    said = f"{code} {text}"
    return (
        status in _HOPELESS
        or code in _HOPELESS_CODES
        or bool(_HOPELESS_WORDS.search(text))
        or (status in (400, 422) and bool(_UNKNOWN_MODEL.search(said) or _BAD_KEY.search(said)))
    )


def _kind(fault: Fault) -> type[ModelCallError]:
    """The class of a fault that every later call meets."""
    said = f"{fault.code} {fault.text}"
    if fault.status in (401, 403) or (fault.status == 400 and _BAD_KEY.search(said)):
        return RefusedKeyError
    if fault.status in (400, 404, 422) and (fault.status == 404 or _UNKNOWN_MODEL.search(said)):
        return UnknownModelError
    return ModelCallError


def _as(kind: type[ModelCallError], error: ModelCallError) -> ModelCallError:
    """``error`` as one of class ``kind``."""
    return kind(
        str(error),
        fatal=error.fatal,
        retry_after=error.retry_after,
        lost=error.lost,
        first_tries=error.first_tries,
        brief=error.brief,
    )
