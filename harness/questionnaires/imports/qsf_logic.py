"""Qualtrics' display, branch and skip logic as plain conditions on earlier items."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from harness.questionnaires.imports.draft import DraftItem, NotCarriedError, joined

_OPTION = re.compile(r"q://(QID\d+)/SelectableChoice/(\w+)$")
_ENTRY = re.compile(
    r"q://(QID\d+)/(?:ChoiceTextEntryValue|ChoiceNumericEntryValue(?:/(\w+))?|SelectableChoice)$"
)
_COMPARISONS = {
    "EqualTo": "==",
    "NotEqualTo": "!=",
    "GreaterThan": ">",
    "GreaterThanOrEqual": ">=",
    "LessThan": "<",
    "LessThanOrEqual": "<=",
}
_JOINS = {"and": "and", "andif": "and", "or": "or", "orif": "or"}

ItemOf = Callable[[str], DraftItem]
"""Gives the item carried for a question's id, or raises `NotCarriedError`."""


def condition_of(logic: Any, item: ItemOf) -> str:
    """``logic`` as a condition. Raises `NotCarriedError` where it refers to anything but earlier answers."""
    groups = _numbered(logic)
    if not groups:
        raise NotCarriedError("its logic has a form that is not read")
    parts, joins = [], set()
    for number, group in enumerate(groups):
        parts.append(_group(group, item))
        if number:
            joins.add(_join(group.get("Type")))
    return _combined(parts, joins)


def _group(group: Mapping[str, Any], item: ItemOf) -> str:
    parts, joins = [], set()
    for number, expression in enumerate(_numbered(group)):
        parts.append(_expression(expression, item))
        if number:
            joins.add(_join(expression.get("Conjuction", expression.get("Conjunction"))))
    if not parts:
        raise NotCarriedError("its logic has a form that is not read")
    return _combined(parts, joins)


def _combined(parts: list[str], joins: set[str]) -> str:
    if len(joins) > 1:
        raise NotCarriedError("its logic mixes AND with OR in one set")
    return joined(parts, joins.pop() if joins else "and")


def _expression(expression: Mapping[str, Any], item: ItemOf) -> str:
    kind = expression.get("LogicType")
    if kind != "Question":
        raise NotCarriedError(f"its logic depends on {kind!s:.40}, not on an earlier answer")
    operand = str(expression.get("ChoiceLocator") or expression.get("LeftOperand") or "")
    operator = str(expression.get("Operator"))
    if found := _OPTION.match(operand):
        if operator not in ("Selected", "NotSelected"):
            raise NotCarriedError(f"its logic asks whether an option is {operator:.40}")
        return item(found[1]).chosen(found[2], negated=operator == "NotSelected")
    if found := _ENTRY.match(operand):
        if operator not in _COMPARISONS:
            raise NotCarriedError(f"its logic uses {operator:.40}, which has no counterpart")
        earlier = _entry(found, item)
        return f"{earlier.name} {_COMPARISONS[operator]} {_value(earlier, expression.get('RightOperand'))}"
    raise NotCarriedError(f"its logic refers to {operand[:60] or 'nothing'}, which has no counterpart")


def _entry(found: re.Match[str], item: ItemOf) -> DraftItem:
    """The item of a whole question, or of one of its fields."""
    try:
        return item(f"{found[1]}/{found[2]}") if found[2] else item(found[1])
    except NotCarriedError:
        return item(found[1])


def _value(earlier: DraftItem, operand: Any) -> str:
    if earlier.data["type"] == "numeric":
        try:
            number = float(str(operand))
        except ValueError:
            raise NotCarriedError(f"its logic compares a number with {str(operand)!r:.60}") from None
        return repr(int(number) if number.is_integer() else number)
    return repr(str(operand))


def _join(word: Any) -> str:
    if str(word).lower() not in _JOINS:
        raise NotCarriedError(f"its logic joins conditions by {str(word)!r:.40}")
    return _JOINS[str(word).lower()]


def _numbered(logic: Any) -> list[Mapping[str, Any]]:
    """The members with a number for a key, in order."""
    if isinstance(logic, list):
        return [one for one in logic if isinstance(one, Mapping)]
    if not isinstance(logic, Mapping):
        return []
    numbers = sorted((key for key in logic if str(key).isdigit()), key=int)
    return [logic[key] for key in numbers if isinstance(logic[key], Mapping)]
