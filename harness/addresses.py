"""Addresses as they may be shown and kept: what could be a key is replaced by a short hash of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from harness.errors import raise_if_any

_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?(?P<host>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"[\w.-]*(:\d{0,5})?|\[[0-9A-Fa-f:.]*\](:\d{0,5})?")
_BARE_HOST = re.compile(r"(localhost|[a-z0-9-]{1,30}(\.[a-z0-9-]{1,30})+)(:\d{1,5})?")
_HASH = re.compile(r"~[0-9a-f]{8}")
_WORDS = re.compile(r"(?=.{1,16}\Z)(?!(?:sk|pk|key)[-_])[a-z]+\d{0,2}([-_.][a-z]+\d{0,2})*")
"""Short lower-case words, each with at most two digits at its end: ``compatible-mode``, ``us-central1``, ``v1beta``."""
_VERSION = re.compile(r"v\d{1,3}((alpha|beta|rc)\d{0,3})?|\d{4}-\d\d-\d\d(-preview)?")
_NAMED_BY = ("deployments", "engines", "models")
"""Segments after which a name of the user's follows, in any form that is not a key's."""
_NAME = re.compile(r"(?!(?:sk|pk|key)[-_])(?!.*[A-Za-z0-9]{20})[A-Za-z0-9][\w.-]{0,63}")
_SETTINGS = ("base_url", "judge_base_url")
_SHORTEST_SECRET = 6


def without_secrets(url: str) -> str:
    """``url`` with a hash in place of every part that may be a key; equal addresses stay equal, others differ.

    Scheme, host and port stay, and path segments that are versions, short lower-case words or the name of a deployment.
    Other segments, the user and password, values of the query and the fragment become ``~`` and 8 hexadecimal digits.

    >>> without_secrets("https://gateway.example/k3Yk3Yk3Yk3Y/openai/v1")
    'https://gateway.example/~b70555d1/openai/v1'
    """
    found = _parts(url)
    text = ""
    if found["scheme"] is not None:
        user = "" if found["user"] is None else f"{_hashed(found['user'])}@"
        host = found["host"] if _HOST.fullmatch(found["host"]) else _hashed(found["host"])
        text = f"{found['scheme']}://{user}{host}"
    text += "/".join(shown for _, shown in _segments(found["path"], bare=not text))
    if found["query"] is not None:
        text += "?" + "&".join(map(_parameter, found["query"].split("&")))
    return text if found["fragment"] is None else f"{text}#{_hashed(found['fragment'])}"


def secrets_in(url: str) -> list[str]:
    """The parts of ``url`` that `without_secrets` hides, as they may occur in other texts; very short ones left out."""
    found = _parts(url)
    hidden = [found["user"], found["fragment"], *(found["user"] or "").split(":")]
    hidden += [
        part for part, shown in _segments(found["path"], bare=found["scheme"] is None) if part != shown
    ]
    hidden += [one.partition("=")[2] or one for one in (found["query"] or "").split("&")]
    forms = (form for part in hidden if part for form in (part, unquote(part)))
    return list(dict.fromkeys(form for form in forms if len(form) >= _SHORTEST_SECRET))


def without_secret_addresses(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """``data`` with the addresses in it, at any depth, as `without_secrets` has them; itself where they are already."""
    changed = {key: shown for key, value in data.items() if (shown := _shown(key, value)) is not value}
    return {**data, **changed} if changed else data


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secret_addresses(value)
    if key in _SETTINGS and isinstance(value, str):
        shown = without_secrets(value)
        return value if shown == value else shown
    return value


def refuse_secrets(**addresses: str | None) -> None:
    """Raise `ConfigurationError` for an address that a file of settings must not hold; ``addresses`` by setting."""
    raise_if_any(
        f"{name}: {shown!r} has a part that may be a key (the part after ~ is its hash), and the study's files would "
        "hold it. Give the address with the provider's environment variable instead, such as OPENAI_BASE_URL."
        for name, url in addresses.items()
        if url is not None and (shown := without_secrets(url)) != url
    )


def _parts(url: str) -> Mapping[str, Any]:
    found = _URL.fullmatch(url)
    assert found is not None, "every part may be empty"
    return found.groupdict()


def _segments(path: str, *, bare: bool) -> Iterator[tuple[str, str]]:
    """Each segment of ``path``, and as it is shown. ``bare``: the first may be a host, where the scheme is missing."""
    before = ""
    for number, segment in enumerate(path.split("/")):
        stays = (
            not segment
            or _HASH.fullmatch(segment)
            or _VERSION.fullmatch(segment)
            or _WORDS.fullmatch(segment)
            or (before in _NAMED_BY and _NAME.fullmatch(segment))
            or (bare and number == 0 and _BARE_HOST.fullmatch(segment))
        )
        yield segment, segment if stays else _hashed(segment)
        before = segment


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    shown = name if _WORDS.fullmatch(name) else _hashed(name)
    return f"{shown}{equals}{_hashed(value)}"


def _hashed(text: str) -> str:
    if not text or _HASH.fullmatch(text):
        return text
    return f"~{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
