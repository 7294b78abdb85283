"""What a server says went wrong, in whatever form it says it: a few words, without keys.

OpenAI, Anthropic and OpenRouter send an ``error`` object, FastAPI a ``detail``, Gemini a list, Ollama a text, proxies
an HTML page or nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any
from urllib.parse import quote

from harness.gateway.replies.json_reading import label, mapping, parse, text, written

LONGEST = 500
"""Characters of a server's words that are shown."""

_LONGEST_READ = 20_000
"""Characters that are looked at: far above `LONGEST`, so that no key is cut before it is found."""
_MOST_PARTS = 5  # of a list of faults
_PLACES = ("error", "errors", "detail", "message", "msg", "error_description", "title", "reason", "details")
"""Members that hold the words, best first."""
_ALSO = ("message", "error_description", "detail")
"""Members that say more where the first is but a name, such as ``Bad Request``."""

_SIGNS = r"""[^\s"'`,;&<>{}()\[\]]"""
_AFTER = r"""["'\\]*\s*[:=]\s*["'\\]*"""
_LIKE_A_KEY = re.compile(
    r"\bsk-[\w*.-]{6,}"
    r"|\b(?:pk-|rk-|xai-|pplx-|nvapi-|csk-|key-|gsk_|hf_|r8_|fw_)(?=[\w*-]{0,100}[0-9*])[\w*-]{12,}"
    r"|\bAIza[\w-]{10,}"
    r"|\beyJ[\w-]{8,}\.[\w.-]+"  # a signed token
)
_NAMED_KEY = re.compile(
    rf"(\b(?:bearer|basic)\s+|\b(?:x-)?api[-_ ]?key(?:{_AFTER}|\s+))(?={_SIGNS}{{0,100}}[0-9*=]){_SIGNS}{{6,}}"
    rf"|(\b(?:key|token|secret|password|signature|sig){_AFTER})"
    rf"(?={_SIGNS}{{0,100}}[0-9*])(?={_SIGNS}{{0,100}}[a-z]){_SIGNS}{{6,}}",
    re.IGNORECASE,
)
"""What follows the name of a key and has a digit in it: a name that a server complains of has none."""

_UNSEEN = re.compile(r"<(script|style)\b.{0,2000}?</\1[^>]{0,50}>|<[^>]{0,500}>", re.IGNORECASE | re.DOTALL)


def words_of(body: bytes) -> str:
    """The message in the body of a failure; may be empty."""
    try:
        return words(parse(body))
    except ValueError:
        shown = body.decode("utf-8", "replace")[:_LONGEST_READ]
    return _page(shown) if re.match(r"\s*<", shown) else shown


def words(value: Any, levels: int = 8) -> str:
    """The words in the JSON of a failure."""
    if value is None or not levels:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (words(part, levels - 1) for part in value[:_MOST_PARTS])))
    if not isinstance(value, Mapping):
        return label(value)
    if "msg" in value and isinstance(value.get("loc"), list):  # one fault of a form, and its place
        return f"{'.'.join(map(label, value['loc']))}: {words(value['msg'], levels - 1)}"
    found = ((name, words(value[name], levels - 1)) for name in _PLACES if name in value)
    place, said = next((one for one in found if one[1]), ("", ""))
    more = [words(_raw(value), levels - 1)]  # OpenRouter: what the model's maker said
    if isinstance(value.get(place), str):
        more += [text(value.get(name)) for name in _ALSO]
    parts = [said, *(part for part in dict.fromkeys(more) if part and part not in said)]
    return ": ".join(filter(None, parts)) or (written(value) if value else "")


def _raw(value: Mapping[str, Any]) -> Any:
    raw = mapping(value.get("metadata")).get("raw")
    try:
        return parse(raw) if isinstance(raw, str) else raw
    except ValueError:
        return raw


def presentable(said: str, secrets: Iterable[str] = ()) -> str:
    """``said`` on one line, cut, without ``secrets`` and what looks like a key."""
    said = said[:_LONGEST_READ]
    for secret in secrets:
        for form in {secret, quote(secret, safe="")}:
            said = said.replace(form, "[key]")
    said = _LIKE_A_KEY.sub("[key]", said)
    said = _NAMED_KEY.sub(lambda found: f"{found[1] or found[2]}[key]", said)
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _page(source: str) -> str:
    """The title of an HTML page, else the text that it shows. Bounded patterns: pages may be hostile as well."""
    title = re.search(r"<title[^>]{0,200}>([^<]{0,500})", source, re.IGNORECASE)
    if title and title[1].strip():
        return unescape(title[1].strip())
    return unescape(_UNSEEN.sub(" ", source)).strip() or source


def named_members(value: Any) -> Iterator[Mapping[str, Any]]:
    """The error object in the JSON of a failure, and the object around it: where codes stand."""
    outer = mapping(next(iter(value), None) if isinstance(value, list) else value)
    for name in ("error", "detail"):
        if isinstance(outer.get(name), Mapping):
            yield outer[name]
    yield outer
