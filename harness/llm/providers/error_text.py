"""What a server says went wrong, in whatever form it says it: a few words, without keys.

OpenAI, Anthropic and OpenRouter send an ``error`` object, FastAPI a ``detail``, Gemini a list, Ollama a text, proxies
an HTML page or nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

from harness.llm.providers.json_reading import label, mapping, parse, written

LONGEST = 500
"""Characters of a server's words that are shown."""

_LONGEST_READ = (
    20_000  # characters that are looked at; far above LONGEST, so that no key is cut before it is found
)
_MOST_PARTS = 5  # of a list of faults
_PLACES = ("error", "errors", "detail", "details", "message", "msg", "error_description", "title", "reason")
"""Members that hold the words, best first, beside ``message`` in an ``error``."""

_KEYS = re.compile(
    r"""
    \b(?:sk|pk|key|gsk|xai|hf|pplx|nvapi|r8|csk|fw)[-_][\w*.-]{6,}   # by their makers' prefixes
    | \bAIza[\w-]{10,}
    | \beyJ[\w-]{8,}\.[\w.-]+                                         # a signed token
    | (?<=bearer\s)[^\s"',;]{6,}
    | (?<=basic\s)[\w+/=-]{12,}
    | (?<=api-key:\s)[^\s"',;]{4,} | (?<=api-key:)[^\s"',;]{4,}
    | (?<=authorization:\s)[^\s"',;]{6,}
    | (?<=[?&]key=)[^\s"'&]+ | (?<=[?&]api[-_]key=)[^\s"'&]+
    | (?<=token=)[^\s"'&]+
    """,
    re.VERBOSE | re.IGNORECASE,
)


def words_of(body: bytes) -> str:
    """The words in the body of a failure; empty where there are none."""
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
    said = next(filter(None, (words(value[name], levels - 1) for name in _order(value))), "")
    inner = words(_raw(value), levels - 1)  # OpenRouter: what the model's maker said
    return f"{said}: {inner}" if inner and inner not in said else said or (written(value) if value else "")


def _order(value: Mapping[str, Any]) -> Iterable[str]:
    return (name for name in _PLACES if name in value)


def _raw(value: Mapping[str, Any]) -> Any:
    raw = mapping(value.get("metadata")).get("raw")
    try:
        return parse(raw) if isinstance(raw, str) else raw
    except ValueError:
        return raw


def presentable(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` on one line, cut, without ``secrets`` and what looks like a key."""
    text = text[:_LONGEST_READ]
    for secret in secrets:
        for form in {secret, quote(secret, safe="")}:
            text = text.replace(form, "[key]")
    text = _KEYS.sub("[key]", text)
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _page(text: str) -> str:
    """The title of an HTML page, else the text that it shows."""
    page = _Page()
    page.feed(text)
    page.close()
    return "".join(page.title).strip() or " ".join(page.shown)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.shown: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title.append(data)
        elif self._inside not in ("script", "style") and data.strip():
            self.shown.append(data.strip())


def named_members(value: Any) -> Iterator[Mapping[str, Any]]:
    """The error object in the JSON of a failure, and the object around it: where codes stand."""
    outer = mapping(next(iter(value), None) if isinstance(value, list) else value)
    for name in ("error", "detail"):
        if isinstance(outer.get(name), Mapping):
            yield outer[name]
    yield outer
