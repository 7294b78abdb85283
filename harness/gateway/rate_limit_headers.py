"""Read the rate-limit headers of OpenAI, Anthropic and OpenRouter into one shape.

Sources: OpenAI's "Rate limits" guide (``x-ratelimit-remaining-requests: 59``, ``x-ratelimit-reset-requests: 6m0s``),
Anthropic's "Rate limits" page (``anthropic-ratelimit-requests-reset: 2026-01-27T12:00:00Z``), OpenRouter's "API limits"
page (``X-RateLimit-Reset``, milliseconds since 1970), RFC 9110 section 10.2.3 for ``Retry-After``.
Unreadable headers are ignored: a header is a hint, never a reason to fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DURATION = re.compile(
    r"(?:(\d{1,4}(?:\.\d{1,9})?)h)?(?:(\d{1,6}(?:\.\d{1,9})?)m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[0-9]{1,60}(?:\.[0-9]{1,9})?")
_WEIGHTS = (3600.0, 60.0, 1.0, 0.001)

_STATED = (
    ("requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("requests", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("tokens", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("requests", "x-ratelimit-remaining", "x-ratelimit-reset"),
)


@dataclass(slots=True)
class Quota:
    """The requests or tokens that remain until ``until``, on the caller's clock."""

    remaining: float
    until: float


def read_retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds of ``Retry-After``, in its milliseconds, seconds or date form; ``None`` when there is none."""
    found = _lowered(headers)
    milliseconds = _number(found.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = found.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = _aware(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, moment.timestamp() - wall)


def read_quotas(headers: Mapping[str, str], now: float, wall: float, longest: float) -> dict[str, Quota]:
    """What remains of ``requests`` and ``tokens``, where stated; a reset is at most ``longest`` seconds off."""
    quotas: dict[str, Quota] = {}
    for kind, remaining, reset in _stated(_lowered(headers)):
        left, after = _number(remaining), read_reset(reset, wall)
        if left is not None and after is not None:
            quotas[kind] = Quota(left, now + min(after, longest))
    return quotas


def read_reset(text: str, wall: float) -> float | None:
    """Seconds until a reset given as a duration (``6m0s``), an RFC 3339 time, or an epoch in s or ms."""
    number = _number(text)
    if number is not None:
        return max(0.0, _from_epoch(number, wall))
    found = _DURATION.fullmatch(text.strip())
    if found and any(found.groups()):
        return sum(float(part or 0) * weight for part, weight in zip(found.groups(), _WEIGHTS, strict=True))
    try:
        return max(0.0, _aware(datetime.fromisoformat(text.strip())).timestamp() - wall)
    except (ValueError, OverflowError):
        return None


def _from_epoch(number: float, wall: float) -> float:
    """A number too large for a wait is a time: milliseconds since 1970, or seconds."""
    if number > 1e11:
        return number / 1000 - wall
    return number - wall if number > 1e8 else number


def _stated(found: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for kind, remaining, reset in _STATED:
        if remaining in found and reset in found:
            yield kind, found[remaining], found[reset]


def _number(text: str | None) -> float | None:
    stripped = (text or "").strip()  # str.strip takes separators off that float() does not accept
    return float(stripped) if _NUMBER.fullmatch(stripped) else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
