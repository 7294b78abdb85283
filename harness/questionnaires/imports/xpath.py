"""The plain part of XLSForm's expressions: comparisons of answers with values, joined by and, or and not."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.questionnaires.imports.draft import DraftItem, NotCarriedError

_TOKEN = re.compile(
    r"\s*(?:(?P<name>\$\{\s*[^}\s]+\s*\})|(?P<text>'[^']*'|\"[^\"]*\")|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<mark><=|>=|!=|=|<|>|\(|\)|,)|(?P<word>[A-Za-z][\w-]*(?::[\w-]+)?|\.))"
)
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_QUOTES = str.maketrans("‘’“”", "''\"\"")
"""Spreadsheets replace straight quotes while people type."""
_MOST_TOKENS = 500
_MOST_BRACKETS = 40

ItemOf = Callable[[str], DraftItem]


def condition_of(expression: str, item: ItemOf) -> str:
    """``expression`` as a condition on earlier items. Raises `NotCarriedError` where it is not plain."""
    return _XPathParser(_tokens(expression), item).whole()


def bounds_of(constraint: str, *, whole: bool) -> tuple[float | None, float | None]:
    """The least and the most of a constraint such as ``. >= 18 and . <= 99``. Raises `NotCarriedError` for others."""
    least: float | None = None
    most: float | None = None
    for part in re.split(r"\s+and\s+", constraint.strip()):
        found = re.fullmatch(r"\(?\s*\.\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*\)?", part)
        if found is None:
            raise NotCarriedError("it is more than bounds")
        mark, number = found[1], float(found[2])
        if mark in "<>":
            if not (whole and number.is_integer()):
                raise NotCarriedError("a bound itself is excluded")
            number += 1 if mark == ">" else -1
        if mark[0] == ">":
            least = number
        else:
            most = number
    return least, most


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, end = [], 0
    text = expression.translate(_QUOTES).rstrip()
    while end < len(text):
        token = _TOKEN.match(text, end)
        if token is None:
            raise NotCarriedError(f"the expression {expression[:60]!r} is more than comparisons")
        found.append((str(token.lastgroup), token[str(token.lastgroup)]))
        end = token.end()
        if len(found) > _MOST_TOKENS or sum(one == ("mark", "(") for one in found) > _MOST_BRACKETS:
            raise NotCarriedError("the expression is too long")
    return found


class _XPathParser:
    """Reads tokens as: or = and {"or" and}; and = term {"and" term}."""

    def __init__(self, tokens: list[tuple[str, str]], item: ItemOf) -> None:
        self.tokens, self.item, self.place = tokens, item, 0

    def whole(self) -> str:
        found = self._or()
        if self.place < len(self.tokens):
            raise NotCarriedError(f"the expression has {self.tokens[self.place][1]!r} where it should end")
        return found

    def _or(self) -> str:
        parts = [self._and()]
        while self._next("word", "or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else " or ".join(f"({part})" for part in parts)

    def _and(self) -> str:
        parts = [self._term()]
        while self._next("word", "and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)

    def _term(self) -> str:
        if self._next("mark", "("):
            return self._closed(self._or())
        if self._next("word", "not"):
            self._expect("(")
            return f"not ({self._closed(self._or())})"
        if self._next("word", "selected"):
            self._expect("(")
            earlier = self._item()
            self._expect(",")
            return self._closed(earlier.chosen(self._literal()[1]))
        return self._comparison()

    def _comparison(self) -> str:
        kind = self._peek()[0]
        if kind == "name":
            earlier, mark, value = self._item(), self._mark(), self._literal()
        else:
            value, mark = self._literal(), self._mark()
            earlier, mark = self._item(), _SWAPPED.get(mark, mark)
        if earlier.answers:
            if mark not in ("=", "!="):
                raise NotCarriedError(f"it compares the options of {earlier.name} by {mark}")
            return earlier.chosen(value[1], negated=mark == "!=")
        literal = value[1] if value[0] == "number" else repr(value[1])
        if earlier.data["type"] == "numeric" and value[0] != "number":
            if not re.fullmatch(r"-?\d+(\.\d+)?", value[1]):
                raise NotCarriedError(f"it compares the number {earlier.name} with {value[1]!r:.40}")
            literal = value[1]
        elif earlier.data["type"] != "numeric" and mark not in ("=", "!="):
            raise NotCarriedError(f"it compares {earlier.name}, which is not a number, by {mark}")
        return f"{earlier.name} {'==' if mark == '=' else mark} {literal}"

    def _item(self) -> DraftItem:
        kind, text = self._take()
        if kind != "name":
            raise NotCarriedError(f"it has {text!r:.40} where an earlier answer is expected")
        return self.item(text[2:-1].strip())

    def _literal(self) -> tuple[str, str]:
        kind, text = self._take()
        if kind == "number":
            return kind, text
        if kind == "text":
            return kind, text[1:-1]
        raise NotCarriedError(f"it has {text!r:.40} where a value is expected")

    def _mark(self) -> str:
        kind, text = self._take()
        if kind != "mark" or text in "(),":
            raise NotCarriedError(f"it has {text!r:.40} where a comparison is expected")
        return text

    def _closed(self, part: str) -> str:
        self._expect(")")
        return part

    def _expect(self, mark: str) -> None:
        if not self._next("mark", mark):
            raise NotCarriedError(f"the expression lacks {mark!r}")

    def _next(self, kind: str, text: str) -> bool:
        if self._peek() != (kind, text):
            return False
        self.place += 1
        return True

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        found = self._peek()
        if found[0] == "end":
            raise NotCarriedError("the expression breaks off")
        self.place += 1
        return found
