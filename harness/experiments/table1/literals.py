"""Fold Python string expressions on their syntax tree, without executing or evaluating anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_STR = ord("s")


class Unreadable(Exception):
    """An expression is missing or unexpected. ``cell`` is its cell, if known."""

    def __init__(self, message: str, cell: int | None = None) -> None:
        self.cell = cell
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a variable in an f-string or a sum."""

    name: str


Parts = tuple[str | Hole, ...]


def fold(node: ast.expr) -> Parts:
    """A string literal, sum or f-string as texts and holes. Raises `Unreadable` for anything else.

    The parser has already joined adjacent literals. A sum is walked along its left side in a loop, so that a long
    one does not need a deep stack.
    """
    pieces: list[Parts] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        pieces.append(_fold_one(node.right))
        node = node.left
    pieces.append(_fold_one(node))
    return tuple(part for piece in reversed(pieces) for part in piece)


def text(node: ast.expr) -> str:
    """A string expression without variables. Raises `Unreadable`."""
    parts = fold(node)
    for part in parts:
        if isinstance(part, Hole):
            raise Unreadable(f"a text that depends on {part.name!r}; expected a constant one")
    return "".join(part for part in parts if isinstance(part, str))


def template(node: ast.expr, fields: Mapping[str, str]) -> str:
    """A string expression with ``{placeholders}``: ``fields`` maps its variables to placeholder names.

    Raises `Unreadable` for another variable, and for text that looks like a placeholder.
    """
    merged: list[str] = [""]
    names: list[str] = []
    for part in fold(node):
        if isinstance(part, str):
            merged[-1] += part
        else:
            names.append(_placeholder(part, fields))
            merged.append("")
    for piece in merged:
        if found := _PLACEHOLDER.search(piece):
            raise Unreadable(f"the literal text {found[0]!r}, which looks like a placeholder")
    return "".join(piece for pair in zip(merged, [*names, ""], strict=True) for piece in pair)


def constant(node: ast.expr) -> int | bool | str | None:
    """A literal number, boolean, string or ``None``. Raises `Unreadable`."""
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, int | str)):
        return node.value
    raise Unreadable(f"{shown(node)}; expected a constant")


def integer(node: ast.expr) -> int:
    """A literal integer. Raises `Unreadable`."""
    value = constant(node)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable(f"{value!r}; expected a whole number")
    return value


def flag(node: ast.expr) -> bool:
    """A literal ``True`` or ``False``. Raises `Unreadable`."""
    value = constant(node)
    if not isinstance(value, bool):
        raise Unreadable(f"{value!r}; expected True or False")
    return value


def shown(node: ast.AST, limit: int = 60) -> str:
    """The source of ``node`` for an error message, on one line of at most ``limit`` characters."""
    source = " ".join(ast.unparse(node).split())
    return f"`{source}`" if len(source) <= limit else f"`{source[: limit - 1]}…`"


def _fold_one(node: ast.expr) -> Parts:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, ast.Name):
        return (Hole(node.id),)
    if isinstance(node, ast.JoinedStr):
        return tuple(part for value in node.values for part in _fold_one(value))
    if isinstance(node, ast.FormattedValue):
        return _fold_value(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return fold(node)
    raise Unreadable(f"{shown(node)}; expected a string literal, a sum of them or an f-string")


def _fold_value(node: ast.FormattedValue) -> Parts:
    if node.format_spec is not None or node.conversion not in (-1, _STR):
        raise Unreadable(f"{shown(node)}; expected a variable without format or conversion")
    return fold(node.value)


def _placeholder(hole: Hole, fields: Mapping[str, str]) -> str:
    if hole.name not in fields:
        known = ", ".join(sorted(fields)) or "none"
        raise Unreadable(f"a text that depends on {hole.name!r}; expected fields of the proposal ({known})")
    return f"{{{fields[hole.name]}}}"
