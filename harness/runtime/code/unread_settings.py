"""Settings that the code of a play cannot read, found before its first call."""

from __future__ import annotations

import ast
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from harness.errors import did_you_mean
from harness.records.registry.code_store import VALUE
from harness.runtime.code.identity import CodeIdentity

HIDDEN_FROM = 20
"""Characters from which a word in kept source may be hidden, as it looks like a key."""
_LOOKS_INTO = frozenset({"asdict", "astuple", "getattr", "replace", "vars"})
"""Functions that read attributes without naming them."""


def unreadable(play: Any, code: CodeIdentity, field: str, settings: Mapping[str, Any]) -> str | None:
    """That ``play`` reads some of ``settings``, the plan's ``field``, under no circumstances; ``None`` if it may.

    That is so where no string in its code is the setting's name, every use of the field names its key, and the plan
    goes nowhere else. Whatever cannot be followed may read everything.
    """
    if not settings or not isinstance(play, types.FunctionType):
        return None  # before its source is put together
    text = "\n".join(code.readable.values())
    absent = [key for key in settings if repr(key) not in text and len(key) < HIDDEN_FROM]
    if not absent:
        return None
    try:
        trees = [ast.parse(one) for name, one in code.readable.items() if not name.startswith(VALUE)]
    except (SyntaxError, ValueError, RecursionError):
        return None
    keys = _keys_read(trees, field)
    if keys is None or _leaves(trees, play):
        return None
    near = did_you_mean(absent[0], keys)
    reads = f"it reads {', '.join(map(repr, sorted(keys)))}" if keys else f"it does not use plan.{field}"
    return (
        f"settings={ {key: settings[key] for key in absent}!r:.120}; the play does not read "
        f"{', '.join(map(repr, absent))}, so that no model would see it: {reads}.{near}"
    )


def _keys_read(trees: Sequence[ast.AST], field: str) -> Collection[str] | None:
    """The keys of ``field`` that code names; ``None`` where it may read others."""
    keys: set[str] = set()
    for node, parents in _nodes(trees):
        if isinstance(node, ast.Name | ast.Attribute) and _name(node) in _LOOKS_INTO:
            return None
        if isinstance(node, ast.Attribute) and node.attr == field:
            key = _key(node, parents)
            if key is None:
                return None
            keys.add(key)
    return keys


def _key(node: ast.Attribute, parents: Sequence[ast.AST]) -> str | None:
    """The key in ``….field["key"]`` and ``….field.get("key")``."""
    parent = parents[-1]
    found: ast.AST | None = None
    if isinstance(parent, ast.Subscript) and parent.value is node:
        found = parent.slice
    elif (
        isinstance(parent, ast.Attribute)
        and parent.attr == "get"
        and isinstance(call := parents[-2], ast.Call)
    ):
        found = next(iter(call.args), None)
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else None


def _leaves(trees: Sequence[ast.AST], play: types.FunctionType) -> bool:
    """Whether the play's first parameter is used in another way than for its attributes."""
    name = play.__code__.co_varnames[:1]
    own = [
        node
        for node, _ in _nodes(trees)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == play.__name__
    ]
    if len(own) != 1 or own[0].decorator_list or not name:
        return True
    return any(
        isinstance(node, ast.Name) and node.id == name[0] and not isinstance(parents[-1], ast.Attribute)
        for node, parents in _nodes(own)
    )


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _nodes(
    trees: Sequence[ast.AST], parents: tuple[ast.AST, ...] = ()
) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    for tree in trees:
        yield tree, parents
        yield from _nodes(list(ast.iter_child_nodes(tree)), (*parents, tree))
