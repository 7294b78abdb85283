"""Find the statements of a notebook that would run in a given mode and group, without running any.

Only tests of names and of the active group are evaluated; a branch with any other test counts as taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.experiments.table1.literals import Unreadable, constant

_GROUP = "get_active_experiment"
_BODIES = ("body", "orelse", "finalbody", "handlers")
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class NotebookStatement:
    """A statement and its cell. A compound statement is only its head; the statements of its body follow."""

    cell: int
    node: ast.AST
    tests: tuple[tuple[ast.expr, bool], ...] = ()

    def expressions(self) -> Iterator[ast.AST]:
        """Every node of the statement (for a compound one, of its head) in source order."""
        for name, value in ast.iter_fields(self.node):
            if name not in _BODIES:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from _walk(child)


def statements(cell: int, tree: ast.Module) -> Iterator[NotebookStatement]:
    """All statements of a cell in source order, each with its enclosing tests."""
    yield from _flatten(cell, tree.body, ())


def live(
    found: Iterable[NotebookStatement], group: str | None = None, **known: bool
) -> tuple[NotebookStatement, ...]:
    """The statements that would run while ``group`` is active and the names in ``known`` have those values.

    Names that are set to constants are known from there on.
    """
    names: dict[str, object] = {} if group is None else {_GROUP: group}
    names |= known
    running = []
    for statement in found:
        if all(truth(test, names) in (branch, None) for test, branch in statement.tests):
            running.append(statement)
            _remember(statement.node, names, known)
    return tuple(running)


def truth(test: ast.expr, names: Mapping[str, object]) -> bool | None:
    """The value of a test, or ``None`` if it depends on an unknown."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = truth(test.operand, names)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        return _connected([truth(value, names) for value in test.values], isinstance(test.op, ast.Or))
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compared(test.ops[0], _known(test.left, names), _known(test.comparators[0], names))
    value = _known(test, names)
    return None if value is _UNKNOWN else bool(value)


def _connected(values: list[bool | None], decisive: bool) -> bool | None:
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _compared(operator: ast.cmpop, left: object, right: object) -> bool | None:
    if left is _UNKNOWN or right is _UNKNOWN:
        return None
    if isinstance(operator, ast.Eq | ast.Is):
        return left == right
    if isinstance(operator, ast.NotEq | ast.IsNot):
        return left != right
    if isinstance(operator, ast.In) and isinstance(right, tuple):
        return left in right
    return None


def _known(node: ast.expr, names: Mapping[str, object]) -> object:
    if isinstance(node, ast.Name):
        return names.get(node.id, _UNKNOWN)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _GROUP:
        return names.get(_GROUP, _UNKNOWN)
    if isinstance(node, ast.List | ast.Tuple):
        values = tuple(_known(element, names) for element in node.elts)
        return _UNKNOWN if _UNKNOWN in values else values
    try:
        return constant(node)
    except Unreadable:
        return _UNKNOWN


def _remember(node: ast.AST, names: dict[str, object], fixed: Mapping[str, object]) -> None:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id not in fixed:
                names[target.id] = _known(node.value, names)


def _flatten(
    cell: int, body: Iterable[ast.AST], tests: tuple[tuple[ast.expr, bool], ...]
) -> Iterator[NotebookStatement]:
    for node in body:
        yield NotebookStatement(cell, node, tests)
        if isinstance(node, ast.If):
            yield from _flatten(cell, node.body, (*tests, (node.test, True)))
            yield from _flatten(cell, node.orelse, (*tests, (node.test, False)))
        else:
            for name in _BODIES:
                # A lambda and a conditional expression have a body too, but no list of statements.
                inner = getattr(node, name, None)
                yield from _flatten(cell, inner if isinstance(inner, list) else (), tests)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)
