"""Plain text of HTML, as survey tools keep their questions."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    {"address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"hr", "li", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"}
)
_UNREAD = frozenset({"script", "style", "head", "template"})
_LOOKS_LIKE_HTML = re.compile(r"<[/!a-zA-Z]|&[#a-zA-Z]")
_SPACES = re.compile(r"[^\S\n]+")


def plain_text(text: object) -> str:
    r"""The words of ``text``, which may be HTML: blocks and line breaks become lines, tags and styles go.

    >>> plain_text("<p>How far do you <b>trust</b> the council?</p><br>Think of&nbsp;last year.")
    'How far do you trust the council?\nThink of last year.'
    >>> plain_text("Is 3 < 4?")
    'Is 3 < 4?'
    """
    words = str(text)
    if _LOOKS_LIKE_HTML.search(words):
        reader = _TextReader()
        reader.feed(words)
        reader.close()
        words = "".join(reader.parts)
    lines = (_SPACES.sub(" ", line).strip() for line in words.replace("\r", "\n").split("\n"))
    return "\n".join(line for line in lines if line)


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self._unread += tag in _UNREAD
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in _UNREAD and self._unread > 0
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.parts.append(data)
