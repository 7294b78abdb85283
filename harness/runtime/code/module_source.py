"""The statements of a project's module by the names that they bind, change and use."""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from harness.runtime.code.canonical import READS_DOCSTRINGS

_MUTATORS = frozenset(
    {
        "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem",
        "popleft", "remove", "reverse", "setdefault", "sort", "update", "write",
    }
)  # fmt: skip


_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

Import = ast.Import | ast.ImportFrom

# Tuples made once: every node of a module is compared with these, and a union would be built at each comparison.
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CAPTURES = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_OUTER_NAMES = (ast.Global, ast.Nonlocal)
_IMPORTS = (ast.Import, ast.ImportFrom)
_SEVERAL_TARGETS = (ast.Assign, ast.Delete)
_ONE_TARGET = (ast.AugAssign, ast.AnnAssign)
_PARTS_OF_VALUES = (ast.Attribute, ast.Subscript, ast.Starred)


Chain = tuple[str, ...]

MAKERS = frozenset({"__init__", "__new__", "__post_init__"})


class ModuleSource:
    """One module's statements by the names that they bind or change."""

    def __init__(self, name: str, file: str, tree: ast.Module, namespace: Mapping[str, Any]) -> None:
        self.name, self.file, self.tree, self.namespace = name, file, tree, namespace
        self.statements = [one for one in tree.body if not _is_aside(one)]
        self._loads: dict[tuple[ast.AST, tuple[str, ...]], Loads] = {}

    @classmethod
    def read(cls, name: str, file: str, namespace: Mapping[str, Any]) -> ModuleSource | None:
        if not file.startswith("<"):
            linecache.checkcache(file)
        text = "".join(linecache.getlines(file, dict(namespace)))
        try:
            return cls(name, file, ast.parse(text), namespace) if text else None
        except (SyntaxError, ValueError, RecursionError):
            return None

    @cached_property
    def binders(self) -> Mapping[str, Sequence[ast.stmt]]:
        bound = [_bound([statement]) for statement in self.statements]
        imported = {name for statement in self.statements for name in imported_names(statement)}
        objects = frozenset[str]().union(*bound) - imported
        found: dict[str, list[ast.stmt]] = {}
        for statement, names in zip(self.statements, bound, strict=True):
            for name in names | (_touched(statement) & objects):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def stars(self) -> Sequence[ast.ImportFrom]:
        return [
            one for one in self.statements if isinstance(one, ast.ImportFrom) and one.names[0].name == "*"
        ]

    @cached_property
    def changed_at_run_time(self) -> frozenset[str]:
        """Names, and names of attributes, that functions of this module change."""
        functions = [
            node for node in self._nodes if isinstance(node, _FUNCTIONS) and _name(node) not in MAKERS
        ]
        inner = {id(one): one for node in functions for one in walk(node)}
        return frozenset(name for node in inner.values() for name in _changed(node))

    @cached_property
    def _nodes(self) -> Sequence[ast.AST]:
        return walk(self.tree)

    @cached_property
    def _functions(self) -> Mapping[tuple[int, str], list[_Function]]:
        """Functions by first line and name."""
        found: dict[tuple[int, str], list[_Function]] = {}
        for node in self._nodes:
            if isinstance(node, _FUNCTIONS):
                found.setdefault((_first_line(node), _name(node)), []).append(node)
        return found

    @cached_property
    def reads_docstrings(self) -> bool:
        return any(
            (isinstance(node, ast.Attribute) and node.attr in READS_DOCSTRINGS)
            or (isinstance(node, ast.Name) and node.id in READS_DOCSTRINGS)
            for node in self._nodes
        )

    @property
    def package(self) -> str:
        package = self.namespace.get("__package__")
        return package if isinstance(package, str) else self.name.rpartition(".")[0]

    def function(self, code: types.CodeType) -> _Function | None:
        """The node that ``code`` was compiled from."""
        found = self._functions.get((code.co_firstlineno, code.co_name), [])
        if len(found) > 1:
            found = [node for node in found if _spans(node, code)] or found
        return found[0] if found else None

    def loads(self, node: ast.AST, local: tuple[str, ...]) -> Loads:
        """What ``node``, one of this module's, takes from outside; ``local`` are free variables of a closure."""
        if (node, local) not in self._loads:
            self._loads[node, local] = Loads(local)
            self._loads[node, local].visit(node)
        return self._loads[node, local]


def children(node: ast.AST) -> list[ast.AST]:
    """As `ast.iter_child_nodes`, in a third of the time."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            found.append(value)
        elif isinstance(value, list):
            found += [one for one in value if isinstance(one, ast.AST)]
    return found


def walk(node: ast.AST) -> list[ast.AST]:
    """As `ast.walk`, in a third of the time."""
    found = [node]
    for one in found:  # grows meanwhile
        found += children(one)
    return found


class Loads(ast.NodeVisitor):
    """The names that a node takes from outside, with the attributes read of them; ``imports`` are those inside it."""

    def __init__(self, local: Sequence[str]) -> None:
        self.names: dict[tuple[str, Chain], None] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}
        self._scopes: list[tuple[frozenset[str], bool]] = [(frozenset(local), False)]

    def visit_Name(self, node: ast.Name) -> None:
        self._note(node.id, ())

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            chain.insert(0, base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            self._note(base.id, tuple(chain))
        else:
            self.visit(base)

    def _note(self, name: str, chain: Chain) -> None:
        last = len(self._scopes) - 1
        if not any(
            name in names and (not is_class or n == last) for n, (names, is_class) in enumerate(self._scopes)
        ):
            self.names[name, chain] = None

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for one in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(one)
        self._inside(_arguments(node.args) | _bound(node.body, imports=False), node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for one in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(one)
        self._inside(_arguments(node.args) | _bound([node.body]), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for one in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(one)
        self._inside(_bound(node.body, imports=False), node.body, is_class=True)

    def _comprehension(self, node: Any) -> None:
        self._inside(
            frozenset().union(*(_bound([one.target]) for one in node.generators)), ast.iter_child_nodes(node)
        )

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _inside(self, names: frozenset[str], nodes: Any, *, is_class: bool = False) -> None:
        self._scopes.append((names, is_class))
        for node in nodes:
            self.visit(node)
        self._scopes.pop()

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imports.update(imported_names(node))

    visit_ImportFrom = visit_Import


def imported_names(statement: ast.AST) -> dict[str, tuple[str, str | None]]:
    """Bound name → module and the name in it, of an import; relative ones have their dots in front."""
    if isinstance(statement, ast.Import):
        return {
            one.asname or one.name.partition(".")[0]: (
                one.name if one.asname else one.name.partition(".")[0],
                None,
            )
            for one in statement.names
        }
    if isinstance(statement, ast.ImportFrom):
        module = "." * statement.level + (statement.module or "")
        return {one.asname or one.name: (module, one.name) for one in statement.names}
    return {}


def imports_in(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """The statement itself, or those in a ``try`` or ``if`` at the top of a module."""
    if isinstance(statement, _IMPORTS):
        yield statement
    elif not isinstance(statement, _DEFINITIONS):
        yield from (one for one in walk(statement) if isinstance(one, _IMPORTS))


def absolute(source: ModuleSource, module: str) -> str:
    """A module's name without dots in front."""
    name = module.lstrip(".")
    level = len(module) - len(name)
    if not level:
        return name
    package = source.package.split(".")
    return ".".join([*package[: len(package) - level + 1], *([name] if name else [])])


def _bound(nodes: Sequence[ast.AST], *, imports: bool = True) -> frozenset[str]:
    """The names that ``nodes`` bind in their own scope."""
    found: set[str] = set()
    outer: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _DEFINITIONS):
            found.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, _COMPREHENSIONS):
            found |= {one.target.id for one in walk(node) if isinstance(one, ast.NamedExpr)}
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, _IMPORTS):
            found |= imported_names(node).keys() if imports else set()
        elif isinstance(node, _CAPTURES):
            found |= {node.name} if node.name else set()
        elif isinstance(node, ast.MatchMapping):
            found |= {node.rest} if node.rest else set()
        elif isinstance(node, _OUTER_NAMES):
            outer.update(node.names)
        waiting += children(node)
    return frozenset(found - outer)


def _arguments(arguments: ast.arguments) -> frozenset[str]:
    every = (
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    )
    return frozenset(one.arg for one in every if one is not None)


def _touched(statement: ast.stmt) -> frozenset[str]:
    """The names whose objects a statement may change: ``T[k] = v``, ``T.x = v``, ``T.add(v)``, ``shuffle(T)``.

    A method as a decorator, ``@T.tool``, may keep what it decorates.
    """
    if isinstance(statement, _DEFINITIONS):
        makers = [one.func if isinstance(one, ast.Call) else one for one in statement.decorator_list]
        return frozenset(
            name for one in makers if isinstance(one, ast.Attribute) and (name := _base(one)) is not None
        )
    if isinstance(statement, _IMPORTS):
        return frozenset()
    found: set[str] = set()
    for node in walk(statement):
        found |= {name for name in (_base(target) for target in _targets(node)) if name}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value
            names = [_base(called.func)] if isinstance(called.func, ast.Attribute) else []
            parts = (*called.args, *(keyword.value for keyword in called.keywords))
            names += [one.id for part in parts for one in walk(part) if isinstance(one, ast.Name)]
            found |= {name for name in names if name}
    return frozenset(found)


def _changed(node: ast.AST) -> set[str]:
    """The names, and names of attributes, that a node in a function changes."""
    if isinstance(node, ast.Global):
        return set(node.names)
    found = [one for one in _targets(node) if not isinstance(one, ast.Name)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
        found.append(node.func.value)
    return {name for one in found for name in (_base(one), *_attributes(one)) if name}


def _targets(node: ast.AST) -> Sequence[ast.expr]:
    if isinstance(node, _SEVERAL_TARGETS):
        return node.targets
    return [node.target] if isinstance(node, _ONE_TARGET) else []


def _base(node: ast.AST) -> str | None:
    while isinstance(node, _PARTS_OF_VALUES):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _attributes(node: ast.AST) -> Iterator[str]:
    while isinstance(node, _PARTS_OF_VALUES):
        if isinstance(node, ast.Attribute):
            yield node.attr
        node = node.value


def _is_aside(statement: ast.stmt) -> bool:
    """What only a type checker, or only a script's own start, runs."""
    if not isinstance(statement, ast.If):
        return False
    names = {one.id for one in walk(statement.test) if isinstance(one, ast.Name)}
    names |= {one.attr for one in walk(statement.test) if isinstance(one, ast.Attribute)}
    return bool(names & {"TYPE_CHECKING", "__name__"})


def _first_line(node: _Function) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min(one.lineno for one in (node, *decorators))


def _name(node: _Function) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _spans(node: _Function, code: types.CodeType) -> bool:
    """Whether all of ``code`` lies within ``node``: a line may have two lambdas."""
    body = node.body if isinstance(node, ast.Lambda) else node
    begin, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    return all(
        begin <= (line, column) and (last_line, last_column) <= end
        for line, last_line, column, last_column in code.co_positions()
        if line is not None and last_line is not None and column is not None and last_column is not None
        if column != last_column  # instructions without a position
    )
