"""Conditions on earlier answers, such as ``trust >= 4 and stay == 'no'``: read as Python's grammar, never evaluated."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from harness.errors import expected_one_of
from harness.model.survey.composites import Matrix, MultipleChoice, Ranking
from harness.model.survey.item import AnswerFault, Item
from harness.model.survey.items import FreeText, Likert, Numeric

LONGEST_CONDITION = 1_000
_GRAMMAR = "expected comparisons of earlier items, such as \"trust >= 4 and stay == 'no'\""
_ORDERS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_OTHERS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_MISSING = object()


class ConditionFault(ValueError):
    """The condition cannot be read. The text says why."""


def items_in(condition: str) -> tuple[str, ...]:
    """The names of the items that ``condition`` is about, in its order. Raises `ConditionFault`."""
    found = (node.id for node in ast.walk(_parsed(condition)) if isinstance(node, ast.Name))
    return tuple(dict.fromkeys(found))


def holds(condition: str, answers: Mapping[str, Any]) -> bool | None:
    """Whether ``condition`` holds for ``answers`` (item → answer, without those that are missing or skipped).

    ``None`` where that depends on an answer that is not there (Kleene's logic).

    >>> holds("trust >= 4 and stay == 'no'", {"trust": 5, "stay": "no"})
    True
    >>> holds("trust >= 4 and stay == 'no'", {"trust": 5}) is None
    True
    """
    return _truth(_parsed(condition), answers)


def condition_problems(
    owner: str, condition: str, earlier: Mapping[str, Item], later: Iterable[str]
) -> Iterator[str]:
    """What is wrong with ``condition``: its grammar, an item that is not ``earlier``, a value that an item lacks."""
    try:
        tree = _parsed(condition)
    except ConditionFault as fault:
        yield f"{owner}: when={condition!r}: {fault}."
        return
    unknown = [name for name in items_in(condition) if name not in earlier]
    for name in unknown:
        if name in set(later):
            yield f"{owner}: when={condition!r}: item {name!r} comes later, or is this one; expected an earlier item."
        else:
            yield f"{owner}: when={condition!r}: there is no item {name!r}; {expected_one_of(name, earlier)}"
    if not unknown:
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                yield from (
                    f"{owner}: when={condition!r}: {fault}." for fault in _value_faults(node, earlier)
                )


@lru_cache(maxsize=1024)
def _parsed(condition: str) -> ast.expr:
    if len(condition) > LONGEST_CONDITION:
        raise ConditionFault(f"it has {len(condition):,} characters; expected {LONGEST_CONDITION:,} at most")
    try:
        tree = ast.parse(condition.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConditionFault(f"it cannot be read; {_GRAMMAR}") from None
    _check_statement(tree)
    return tree


def _check_statement(node: ast.expr) -> None:
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            _check_statement(part)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check_statement(node.operand)
    elif isinstance(node, ast.Compare) and all(type(one) in {**_ORDERS, **_OTHERS} for one in node.ops):
        for part in (node.left, *node.comparators):
            _check_operand(part)
    else:
        raise ConditionFault(f"{ast.unparse(node)!r:.60} is not a comparison; {_GRAMMAR}")


def _check_operand(node: ast.expr) -> None:
    if isinstance(node, ast.Name):
        return
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and isinstance(node.slice, ast.Constant)
    ):
        return
    try:
        _constant(node)
    except ValueError:
        raise ConditionFault(
            f"{ast.unparse(node)!r:.60} is neither an item nor a value; {_GRAMMAR}"
        ) from None


def _constant(node: ast.expr) -> Any:
    """A number, a text, or several. Raises `ValueError` for anything else."""
    value = ast.literal_eval(node)
    for one in value if isinstance(value, list | tuple) else (value,):
        if not isinstance(one, str | int | float):
            raise ValueError(node)
    return value


def _truth(node: ast.expr, answers: Mapping[str, Any]) -> bool | None:
    if isinstance(node, ast.BoolOp):
        parts = [_truth(part, answers) for part in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    if isinstance(node, ast.UnaryOp):
        found = _truth(node.operand, answers)
        return None if found is None else not found
    assert isinstance(node, ast.Compare)
    values = [_operand(part, answers) for part in (node.left, *node.comparators)]
    if any(value is _MISSING for value in values):
        return None
    return all(
        _compared(kind, left, right) for kind, left, right in zip(node.ops, values, values[1:], strict=False)
    )


def _compared(kind: ast.cmpop, left: Any, right: Any) -> bool:
    try:
        return bool({**_ORDERS, **_OTHERS}[type(kind)](left, right))
    except TypeError:
        return False  # an opt-out is neither above nor below a number


def _operand(node: ast.expr, answers: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return answers.get(node.id, _MISSING)
    if isinstance(node, ast.Subscript):
        assert isinstance(node.value, ast.Name)
        assert isinstance(node.slice, ast.Constant)
        whole = answers.get(node.value.id, _MISSING)
        if isinstance(whole, list):  # of a ranking: the place
            return whole.index(node.slice.value) + 1 if node.slice.value in whole else _MISSING
        return whole.get(node.slice.value, _MISSING) if isinstance(whole, Mapping) else _MISSING
    return _constant(node)


def _value_faults(node: ast.Compare, items: Mapping[str, Item]) -> Iterator[str]:
    """What compares an item with a value that it cannot have, or by an order that it lacks."""
    operands = (node.left, *node.comparators)
    for kind, left, right in zip(node.ops, operands, operands[1:], strict=False):
        for place, other in ((left, right), (right, left)):
            if isinstance(place, ast.Subscript):
                yield from _part_faults(place, items)
            elif isinstance(place, ast.Name) and not isinstance(other, ast.Name | ast.Subscript):
                yield from _constant_faults(
                    items[place.id], kind, _constant(other), item_is_left=place is left
                )


def _part_faults(node: ast.Subscript, items: Mapping[str, Item]) -> Iterator[str]:
    assert isinstance(node.value, ast.Name)
    assert isinstance(node.slice, ast.Constant)
    item, part = items[node.value.id], node.slice.value
    if not isinstance(item, Matrix | Ranking) and item.kind != "allocation":
        yield f"item {item.name!r} has no parts; expected it without [{part!r}]"
    elif part not in item.choices:
        yield f"item {item.name!r} has no part {part!r}; {expected_one_of(str(part), item.choices).rstrip('.')}"


def _constant_faults(item: Item, kind: ast.cmpop, value: Any, *, item_is_left: bool) -> Iterator[str]:
    if type(kind) in _ORDERS:
        if not isinstance(item, Likert | Numeric):
            yield f"item {item.name!r} has no order to compare by; expected == or in"
        elif isinstance(value, str) or not isinstance(value, int | float):
            yield f"item {item.name!r} is compared with {value!r}; expected a number"
        return
    if isinstance(item, FreeText | Numeric):
        return
    if isinstance(item, Matrix | Ranking) or item.kind == "allocation":
        part = item.choices[0] if item.choices else ""
        yield f"item {item.name!r} has several parts; expected one of them, such as {item.name}[{part!r}]"
        return
    if isinstance(item, MultipleChoice) and item_is_left:
        yield f"item {item.name!r} has a list of options; expected {item.choices[0]!r} in {item.name}"
        return
    values = value if isinstance(value, list | tuple) else (value,)
    for one in values:
        try:
            item.read([one] if isinstance(item, MultipleChoice) and one not in item.opt_out else one)
        except AnswerFault as fault:
            if not (isinstance(item, MultipleChoice) and one in item.choices):
                yield f"item {item.name!r}: {fault}"
