"""What a provider's failure becomes: one `ModelCallError` that says what to do, and never shows a key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from harness.errors import ModelCallError
from harness.llm.addresses import without_password
from harness.llm.ratelimit_headers import read_retry_after

GARBAGE = (ValueError, TypeError, AttributeError, KeyError, IndexError)
"""What an SDK lets out when the body of a 200 is no JSON, or JSON of another shape."""

_LONGEST_WAIT = 120.0
_SHORTEST_WAIT = 0.01  # 0 would say that a reply came and was of no use
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk|key)-[\w*-]{6,}")
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


class Failures:
    """The failures of one model at one address. Nothing they say contains ``secret`` or the address's password."""

    def __init__(
        self,
        spec: str,
        base_url: str,
        secret: str,
        variable: str,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._spec, self._variable, self._wall = spec, variable, wall
        self._place = without_password(base_url)
        self._secrets = [each for each in (secret, urlsplit(base_url).password or "") if len(each) > 5]

    def of(self, error: Exception, *, lost: bool = False) -> ModelCallError:
        """The failure that an SDK's ``error`` means; ``lost``: there was no answer at all (connection, time-out)."""
        status, text = getattr(error, "status_code", 0), message_of(error)
        if status < 400 and (status or isinstance(error, GARBAGE)):
            return self.say(
                f"what it answered is no completion ({type(error).__name__}).", retry_after=1.0, lost=True
            )
        if not status:
            return self.say(text, retry_after=1.0 if lost else None, lost=lost and _was_sent(error))
        fatal = is_hopeless(status, code_of(error), text)
        meaning = _MEANINGS.get(status, "").format(variable=self._variable)
        said = f"HTTP {status}{', ' + meaning if meaning else ''}: {text}"
        return self.say(said, fatal=fatal, retry_after=None if fatal else self._wait(status, error))

    def say(
        self, text: str, *, fatal: bool = False, retry_after: float | None = None, lost: bool = False
    ) -> ModelCallError:
        """An error that names the model and the place."""
        message = f"Model {self._spec} at {self._place}: {self._scrubbed(text)}"
        return ModelCallError(message, fatal=fatal, retry_after=retry_after, lost=lost)

    def _wait(self, status: int, error: Exception) -> float | None:
        if status not in _AGAIN and status < 500:
            return None
        headers = getattr(getattr(error, "response", None), "headers", {})
        hint = read_retry_after(headers, self._wall())
        return min(max(1.0 if hint is None else hint, _SHORTEST_WAIT), _LONGEST_WAIT)

    def _scrubbed(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        shown = _LOOKS_LIKE_A_KEY.sub("[key]", text)[:500]
        return "".join(sign if sign.isprintable() else " " for sign in shown)


def _was_sent(error: Exception) -> bool:
    """Whether a call without an answer may have reached the provider, and so may be billed."""
    return type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout", "PoolTimeout")


def is_hopeless(status: int, code: str, text: str) -> bool:
    """Whether every later call can only fail in the same way."""
    return status in _HOPELESS or code in _HOPELESS_CODES or bool(_HOPELESS_WORDS.search(text))


def body_of(error: Exception) -> Mapping[str, Any]:
    """The error object that the provider sent: one SDK keeps it bare, the other in its envelope."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    return body if isinstance(body, Mapping) else {}


def code_of(error: Exception) -> str:
    """``code`` of the provider's error object, else its ``type``."""
    body = body_of(error)
    return str(body.get("code") or body.get("type") or "")


def message_of(error: Exception) -> str:
    """The provider's own words, else the SDK's."""
    said = body_of(error).get("message") or getattr(error, "message", "") or error
    return str(said) or type(error).__name__
