"""Find calls and assignments in statements."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.experiments.table1.flow import NotebookStatement
from harness.experiments.table1.literals import Unreadable, integer, shown

Value = TypeVar("Value", covariant=True)
Read = TypeVar("Read")
Live = Sequence[NotebookStatement]


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """A value from a notebook, and its cell."""

    value: Value
    cell: int


def calls(live: Live, name: str) -> list[Found[ast.Call]]:
    """Every call of a function or method called ``name``, in source order."""
    return [
        Found(node, statement.cell)
        for statement in live
        for node in statement.expressions()
        if isinstance(node, ast.Call) and _called(node) == name
    ]


def one_call(live: Live, name: str, arguments: int = 0) -> Found[ast.Call]:
    """The only call of ``name``, which must have at least ``arguments`` positional ones. Raises `Unreadable`."""
    found = calls(live, name)
    if len(found) != 1:
        cells = ", ".join(str(call.cell) for call in found)
        where = f" (cells {cells})" if found else ""
        raise Unreadable(f"{len(found)} calls of {name}(…){where}; expected one")
    if len(found[0].value.args) < arguments:
        raise Unreadable(f"{shown(found[0].value)}; expected {arguments} arguments", found[0].cell)
    return found[0]


def keyword(call: Found[ast.Call], name: str) -> ast.expr:
    """The argument ``name=`` of a call. Raises `Unreadable` if it is missing."""
    for argument in call.value.keywords:
        if argument.arg == name:
            return argument.value
    raise Unreadable(f"{_called(call.value)}(…) without {name}=; expected it there", call.cell)


def assignments(live: Live, target: str) -> list[Found[ast.expr]]:
    """Every value assigned to ``target``: a name, or the end of a dotted one (``generator.attempts``)."""
    return [
        Found(statement.node.value, statement.cell)
        for statement in live
        if isinstance(statement.node, ast.Assign)
        for name in map(_dotted, statement.node.targets)
        if name == target or ("." in target and name.endswith(f".{target}"))
    ]


def assigned(live: Live, target: str) -> Found[ast.expr]:
    """The last value assigned to ``target``. Raises `Unreadable` if there is none."""
    found = assignments(live, target)
    if not found:
        raise Unreadable(f"nothing assigned to {target}; expected `{target} = …`")
    return found[-1]


def resolved(live: Live, node: ast.expr, cell: int) -> Found[int]:
    """An integer, or the value of a name. Raises `Unreadable`."""
    found = assigned(live, node.id) if isinstance(node, ast.Name) else Found(node, cell)
    return at(found, integer)


def at(found: Found[ast.expr], read: Callable[[ast.expr], Read]) -> Found[Read]:
    """``read`` applied to ``found``; an `Unreadable` from it gets the cell."""
    try:
        return Found(read(found.value), found.cell)
    except Unreadable as error:
        raise Unreadable(str(error), found.cell) from None


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
