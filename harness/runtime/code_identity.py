"""The identity of a function: a hash over its source and over everything of the same project that it uses.

Comments, docstrings, layout, line endings and the folder do not count; a changed constant, helper or prompt does. Names
are followed through the modules of the project: definitions, assignments and imports, also those inside functions.
Installed packages and the standard library are followed no further than their names. Values that were computed at
import (from a file, the environment) count too, unless the code changes them while it runs.

What cannot be seen: files that a function reads when it is called, and names that are looked up as text.
"""

from __future__ import annotations

import ast
import builtins
import copy
import enum
import functools
import hashlib
import importlib.util
import inspect
import linecache
import re
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from harness.console import logger
from harness.records.code_store import VALUE

SHORT = 16
"""Characters of a hash that identify code."""
OURS = "harness"
STANDARD = "(the standard library)"
_CODE_FILES = frozenset({".ini", ".mustache", ".py"})
_DEEP = 8
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))
_MUTATORS = frozenset(
    {
        "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem",
        "popleft", "remove", "reverse", "setdefault", "sort", "update", "write",
    }
)  # fmt: skip
_MAKERS = frozenset({"__init__", "__new__", "__post_init__"})
_READS_DOCSTRINGS = frozenset({"__doc__", "getdoc", "getsource", "model_json_schema", "schema_json"})
_KEEPS_NO_DOCSTRING = frozenset(
    {
        "ABC", "Enum", "Exception", "Generic", "HarnessError", "IntEnum", "NamedTuple", "Protocol", "RuntimeError",
        "StrEnum", "TypedDict", "ValueError", "abstractmethod", "cache", "cached_property", "classmethod",
        "contextmanager", "dataclass", "fixture", "lru_cache", "object", "overload", "override", "property",
        "staticmethod", "wraps",
    }
)  # fmt: skip
"""Bases and decorators that make nothing of a docstring; others may put it into a prompt."""

_SECRET_NAME = re.compile(r"(?i)(^|_)(key|token|secret|passw(or)?d|credentials?)$")
_SECRET_TEXT = re.compile(r"[A-Za-z0-9_+/=.-]{20,}")
"""In one word: keys and their like. Prompts have spaces."""
HIDDEN = "(hidden)"

log = logger()

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Import = ast.Import | ast.ImportFrom
_Chain = tuple[str, ...]


@dataclass(frozen=True)
class CodeIdentity:
    """``sha256`` (its first `SHORT` characters) over all ``definitions``: name → its code as canonical text.

    ``readable`` gives the same definitions as source text, for a person.
    """

    sha256: str
    definitions: Mapping[str, str]
    _sources: Callable[[], Mapping[str, str]] = field(repr=False, compare=False, default=dict)

    @cached_property
    def readable(self) -> Mapping[str, str]:
        return self._sources()


class CodeReader:
    """Identifies code for one session. A module's source is read once."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source | None] = {}
        self._folders: dict[Path, CodeIdentity] = {}
        self._known: dict[Any, tuple[Any, CodeIdentity]] = {}

    def identify(self, thing: Any) -> CodeIdentity:
        """The identity of a function, method, class or callable object."""
        key = _cache_key(thing)
        if key not in self._known:
            self._known[key] = (
                thing,
                self._identify(thing),
            )  # the thing too: while it lives, nothing else has its id
        return self._known[key][1]

    def identify_folder(self, folder: Path) -> CodeIdentity:
        """The identity of a folder of code and prompts, by the bytes of its files."""
        if folder not in self._folders:
            files = sorted(
                path for path in folder.rglob("*") if path.suffix in _CODE_FILES and path.is_file()
            )
            found = {path.relative_to(folder).as_posix(): _file_sha(path) for path in files}
            text = "\n".join(f"{name} {sha}" for name, sha in found.items())
            readable = {name: f"(a file with the hash {sha[:SHORT]})" for name, sha in found.items()}
            self._folders[folder] = CodeIdentity(_sha(text)[:SHORT], found, lambda: readable)
        return self._folders[folder]

    def _identify(self, thing: Any) -> CodeIdentity:
        home = _home_of(thing)
        try:
            walk = _Walk(self, home)
            walk.visit(thing, "")
            return walk.identity()
        except (
            Exception
        ) as fault:  # code nested too deeply, objects that raise when looked at: the whole module counts
            log.info("The code of %s counts as a whole: %r", home, fault)
            text = "".join(linecache.getlines(_file_of(home) or ""))
            return CodeIdentity(_sha(f"{home} {text}")[:SHORT], {home: _sha(text)[:SHORT]})

    def source(self, module: str, file: str, namespace: Mapping[str, Any]) -> _Source | None:
        """What is known of ``file``, of which ``module`` was made; ``None`` where its source cannot be had."""
        if file not in self._sources:
            self._sources[file] = _Source.read(module, file, namespace)
        return self._sources[file]


class _Source:
    """One module's statements by the names that they bind or change."""

    def __init__(self, name: str, file: str, tree: ast.Module, namespace: Mapping[str, Any]) -> None:
        self.name, self.file, self.tree, self.namespace = name, file, tree, namespace
        self.statements = [one for one in tree.body if not _is_aside(one)]

    @classmethod
    def read(cls, name: str, file: str, namespace: Mapping[str, Any]) -> _Source | None:
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
        imported = {name for statement in self.statements for name in _imports(statement)}
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
            node for node in self._nodes if isinstance(node, _Function) and _name(node) not in _MAKERS
        ]
        inner = {id(one): one for node in functions for one in ast.walk(node)}
        return frozenset(name for node in inner.values() for name in _changed(node))

    @cached_property
    def _nodes(self) -> Sequence[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def reads_docstrings(self) -> bool:
        return any(
            (isinstance(node, ast.Attribute) and node.attr in _READS_DOCSTRINGS)
            or (isinstance(node, ast.Name) and node.id in _READS_DOCSTRINGS)
            for node in self._nodes
        )

    @property
    def package(self) -> str:
        package = self.namespace.get("__package__")
        return package if isinstance(package, str) else self.name.rpartition(".")[0]

    def function(self, code: types.CodeType) -> _Function | None:
        """The node that ``code`` was compiled from."""
        found = [
            node
            for node in self._nodes
            if isinstance(node, _Function)
            and _first_line(node) == code.co_firstlineno
            and _name(node) == code.co_name
        ]
        if len(found) > 1:
            found = [node for node in found if _spans(node, code)] or found
        return found[0] if found else None


class _Walk:
    """Everything that one function reaches. ``home`` is the name of its module."""

    def __init__(self, reader: CodeReader, home: str) -> None:
        self._reader, self._home = reader, home
        self._parts: dict[tuple[str, str], list[ast.AST | str]] = {}
        self._values: dict[tuple[str, str], list[Any]] = {}
        self._seen: set[tuple[str, str, _Chain]] = set()
        self._visited: dict[int, Any] = {}
        self._used: dict[str, _Source] = {}
        self._loading: set[tuple[str, str]] = {("", home)}
        self._waiting: list[Callable[[], None]] = []
        self._objects: list[tuple[str, Any, str, int]] = []

    def identity(self) -> CodeIdentity:
        loaded = self._walk()
        changed = frozenset[str]().union(*(one.changed_at_run_time for one in self._used.values()))
        if any(one.reads_docstrings for one in self._used.values()):
            idle = None
        else:
            own = {label for (_, label), nodes in self._parts.items() if isinstance(nodes[0], ast.AST)}
            idle = _KEEPS_NO_DOCSTRING | own  # own decorators are looked at themselves
        found: list[tuple[str, str, str]] = []
        for (module, label), nodes in self._parts.items():
            found.append((module, label, "\n".join(_canonical(one, idle) for one in nodes)))
        values: dict[str, str] = {}
        for (module, label), several in self._values.items():
            ignored = module not in loaded or _name_in(label) in changed
            texts = [] if ignored else [self._text(module, label, value) for value in several]
            if text := "\n".join(sorted(one for one in texts if one is not None)):
                found.append((module, f"{VALUE}{label}", text))
                values[self._label(module, f"{VALUE}{label}")] = (
                    f"(a value with the hash {_sha(text)[:SHORT]})"
                )
        marks = sorted(f"{self._label(module, label)} {_sha(text)}" for module, label, text in found)
        definitions = {self._label(module, label): _sha(text)[:SHORT] for module, label, text in found}
        parts = dict(self._parts)

        def readable() -> Mapping[str, str]:
            sources = {
                self._label(module, label): "\n".join(map(_readable, nodes))
                for (module, label), nodes in parts.items()
            }
            return {**values, **sources}

        return CodeIdentity(_sha("\n".join(marks))[:SHORT], definitions, readable)

    def _walk(self) -> set[str]:
        """Follow everything; the modules that are loaded for certain. Only in those are objects looked at."""
        while True:
            while self._waiting:
                self._waiting.pop()()
            loaded = self._loaded_at_import()
            ready = [one for one in self._objects if one[0] in loaded]
            if not ready:
                return loaded
            self._objects = [one for one in self._objects if one[0] not in loaded]
            for _, thing, label, depth in ready:
                self.visit(thing, label, depth)

    def _loaded_at_import(self) -> set[str]:
        """Modules that are loaded for certain; what only a function imports may be, or may not be yet."""
        found, waiting = set[str](), [""]
        while waiting:
            one = waiting.pop()
            new = {module for importer, module in self._loading if importer == one} - found
            found |= new
            waiting += new
        return found

    def _label(self, module: str, name: str) -> str:
        """Without the module where it is the function's own, so that neither folder nor file name counts."""
        if module == self._home:
            return name
        kind = VALUE if name.startswith(VALUE) else ""
        return f"{kind}{module.rpartition('.')[2]}.{name.removeprefix(VALUE)}"

    # Objects

    def visit(self, thing: Any, label: str, depth: int = 0) -> None:
        """Whatever ``thing`` is: a function with what it reaches, an object with its class and its state."""
        if id(thing) in self._visited or depth > _DEEP:
            return
        self._visited[id(thing)] = thing
        if isinstance(thing, functools.partial):
            self.visit(thing.func, label, depth + 1)
            self._value(self._home, f"{label}arguments", (thing.args, dict(thing.keywords)), depth)
        elif isinstance(thing, types.MethodType):
            self.visit(thing.__self__, label, depth + 1)
            self.visit(thing.__func__, label, depth + 1)
        elif isinstance(thing, types.FunctionType):
            self._visit_function(thing, depth)
        elif isinstance(thing, type):
            self._visit_class(thing)
        elif isinstance(thing, types.ModuleType):
            self._reach_module(thing.__name__, (), "")
        elif isinstance(thing, types.BuiltinFunctionType | types.MethodDescriptorType) or not hasattr(
            thing, "__dict__"
        ):
            self._foreign(thing, label)
            self._state(thing, label, depth)
        else:
            self._visit_class(type(thing))
            self._state(thing, label, depth)
        wrapped = inspect.getattr_static(thing, "__wrapped__", None)
        if wrapped is not None:
            self.visit(wrapped, label, depth + 1)

    def _foreign(self, thing: Any, label: str) -> None:
        """Of what is not the project's own: the name."""
        kind = thing if hasattr(thing, "__qualname__") else type(thing)
        name = f"{_module_of(kind)}.{kind.__qualname__}"
        self._parts.setdefault((self._home, f"{label}{name}"), [name])

    def _state(self, thing: Any, label: str, depth: int) -> None:
        """What an object holds; one with a text of its own counts by that, as it does among a run's settings."""
        module, kind = _module_of(type(thing)), type(thing).__name__
        own_text = "__str__" in vars(type(thing))
        if own_text:
            self._value(module, f"{label}{kind}", str(thing), depth)
        names = [one.name for one in fields(thing)] if is_dataclass(thing) else getattr(thing, "__dict__", ())
        for name in sorted(name for name in names if hasattr(thing, name)):
            value = getattr(thing, name)
            if own_text:
                self._objects += [(module, one, "", depth + 1) for one in _functions_in(value)]
            else:
                self._value(module, f"{label}{kind}.{name}", value, depth)

    def _visit_class(self, kind: type) -> None:
        module = kind.__module__
        if not self._is_own(module, _file_of(module)):
            return self._foreign(kind, "")
        self._loading.add(("", module))
        outermost = kind.__qualname__.partition(".")[0]
        source = self._loaded(module)
        if source is not None and outermost in source.binders:
            return self.reach(source, outermost, ())
        try:
            text = inspect.getsource(kind)
            part: ast.AST | str = ast.parse(inspect.cleandoc(f"\n{text}"))
        except (OSError, TypeError, SyntaxError):
            part = kind.__qualname__
        self._parts.setdefault((module, kind.__qualname__), [part])
        for name, one in vars(kind).items():
            one = getattr(one, "__func__", one)
            if isinstance(one, types.FunctionType):
                self.visit(one, name)
        return None

    def _visit_function(self, function: types.FunctionType, depth: int) -> None:
        module, code = function.__module__ or "", function.__code__
        if not self._is_own(module, code.co_filename):
            return self._foreign(function, "")
        self._loading.add(("", module))
        source = self._reader.source(module, code.co_filename, function.__globals__)
        node = None if source is None else source.function(code)
        label = code.co_qualname  # a wrapper may bear the name of what it wraps
        if source is None or node is None:
            self._part(module, label, _bytecode(code))
            for name in _names_in(code):
                self._by_value(module, function.__globals__, name)
        else:
            self._used[source.name] = source
            self._part(module, label, node)
            self._follow(source, [node], function.__code__.co_freevars)
        cells = zip(code.co_freevars, function.__closure__ or (), strict=False)
        for name, cell in cells:
            try:
                self._value(module, f"{label}.{name}", cell.cell_contents, depth)
            except ValueError:
                continue  # not filled yet
        if function.__defaults__ or function.__kwdefaults__:
            self._value(module, f"{label} defaults", (function.__defaults__, function.__kwdefaults__), depth)
        return None

    def _part(self, module: str, label: str, part: ast.AST | str) -> None:
        parts = self._parts.setdefault((module, label), [])
        if part not in parts:
            parts.append(part)

    # Names

    def _follow(self, source: _Source, nodes: Sequence[ast.AST], local: Sequence[str] = ()) -> None:
        loads = _Loads(local)
        for node in nodes:
            loads.visit(node)
        for name, chain in loads.names:
            where = loads.imports.get(name)
            if where is None:
                self.reach(source, name, chain)
            else:
                self._reach_import(source, name, where, chain, local=True)

    def reach(self, source: _Source, name: str, chain: _Chain) -> None:
        """Everything that binds ``name`` in ``source``, or changes it at import, and what that uses in turn."""
        if (source.file, name, chain) in self._seen:
            return
        self._seen.add((source.file, name, chain))
        self._used[source.name] = source
        statements = source.binders.get(name, ())
        for statement in statements:
            found = [
                where for one in _imports_in(statement) if (where := _imports(one).get(name)) is not None
            ]
            for where in found:
                self._reach_import(source, name, where, chain)
            if not isinstance(statement, _Import):
                self._add(source, name, statement)
        if not statements and not self._reach_star(source, name, chain):
            self._by_value(source.name, source.namespace, name)
        elif name in source.namespace and any(not isinstance(one, _Import) for one in statements):
            self._value(source.name, name, source.namespace[name], 1)

    def _add(self, source: _Source, name: str, statement: ast.stmt) -> None:
        parts = self._parts.setdefault((source.name, name), [])
        if _writes_key(statement):
            self._parts[source.name, name] = [f"{name} = {HIDDEN}"]
        elif statement not in parts:
            parts.append(statement)
            self._waiting.append(lambda: self._follow(source, [statement]))

    def _reach_star(self, source: _Source, name: str, chain: _Chain) -> bool:
        for other in self._starred(source):
            if name in other.binders:
                self._loading.add((source.name, other.name))
                self.reach(other, name, chain)
                return True
        return False

    def _starred(self, source: _Source) -> list[_Source]:
        """The modules of which ``source`` imports everything, directly or through one of them."""
        found: list[_Source] = []
        waiting = [source]
        while waiting:
            one = waiting.pop()
            for star in one.stars:
                module = _absolute(one, "." * star.level + (star.module or ""))
                other = self._loaded(module) if self._is_own(module, _file_of(module)) else None
                if other is not None and other not in found:
                    found.append(other)
                    waiting.append(other)
        return found

    def _by_value(self, module: str, namespace: Mapping[str, Any], name: str) -> None:
        """What no statement that we can read binds: a notebook's other cells, code that was executed as text."""
        if name in namespace and not hasattr(builtins, name):
            value = namespace[name]
            if isinstance(
                value,
                type | types.FunctionType | types.MethodType | types.ModuleType | functools.partial,
            ):
                self._objects.append((module, value, f"{name}.", 0))
            else:
                self._value(module, name, value, 1)

    def _reach_import(
        self,
        source: _Source,
        bound: str,
        where: tuple[str, str | None],
        chain: _Chain,
        *,
        local: bool = False,
    ) -> None:
        module, name = _absolute(source, where[0]), where[1]
        by = None if local else source.name
        if not self._is_own(module, _file_of(module)):
            text = f"import {module}" if name is None else f"from {module} import {name}"
            self._parts.setdefault((source.name, bound), [text])
        elif name is None:
            self._reach_module(module, chain, by)
        elif _is_module(f"{module}.{name}") and not _is_bound(module, name):
            self._reach_module(f"{module}.{name}", chain, by)
        else:
            self._reach_module(module, (name, *chain), by)

    def _reach_module(self, module: str, chain: _Chain, by: str | None) -> None:
        """The attribute of a module that ``chain`` begins with, else the whole module. ``by`` imports it at its top."""
        while chain and not _is_bound(module, chain[0]) and _is_module(f"{module}.{chain[0]}"):
            module, chain = f"{module}.{chain[0]}", chain[1:]
        if not self._is_own(module, _file_of(module)) or (source := self._loaded(module)) is None:
            return
        if by is not None:
            self._loading.add((by, module))
        if chain:
            self.reach(source, chain[0], chain[1:])
            return
        for name in sorted(source.binders):
            self.reach(source, name, ())

    def _loaded(self, module: str) -> _Source | None:
        file = _file_of(module)
        if file is None:
            return None
        loaded = sys.modules.get(module)
        is_package = file.endswith("__init__.py")
        package = module if is_package else module.rpartition(".")[0]
        return self._reader.source(module, file, {"__package__": package} if loaded is None else vars(loaded))

    def _is_own(self, module: str, file: str | None) -> bool:
        """Whether code belongs to the project of the function; packages are projects of their own."""
        if self._scope is None:
            return (
                not _is_ours(module)
                and not _is_installed(file)
                and (file is not None or module == self._home)
            )
        return f"{module}.".startswith(f"{self._scope}.")

    @cached_property
    def _scope(self) -> str | None:
        """The package that a function is part of; ``None`` for code that is not installed."""
        parts = self._home.split(".")
        if _is_ours(self._home):
            return ".".join(parts[:3])
        file = _file_of(self._home)
        if not _is_installed(file):
            return None
        return parts[0] if {"site-packages", "dist-packages"} & {*Path(file or "").parts} else STANDARD

    # Values

    def _value(self, module: str, label: str, value: Any, depth: int) -> None:
        self._values.setdefault((module, label), []).append(value)
        self._objects += [(module, one, "", depth + 1) for one in _functions_in(value)]

    def _text(self, module: str, label: str, value: Any) -> str | None:
        return None if _is_key(_name_in(label), value) else _value_text(value, _folder_of(module))


class _Loads(ast.NodeVisitor):
    """The names that a node takes from outside, with the attributes read of them; ``imports`` are those inside it."""

    def __init__(self, local: Sequence[str] = ()) -> None:
        self.names: dict[tuple[str, _Chain], None] = {}
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

    def _note(self, name: str, chain: _Chain) -> None:
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
        self.imports.update(_imports(node))

    visit_ImportFrom = visit_Import


def _imports(statement: ast.AST) -> dict[str, tuple[str, str | None]]:
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


def _imports_in(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """The statement itself, or those in a ``try`` or ``if`` at the top of a module."""
    if isinstance(statement, _Import):
        yield statement
    elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield from (one for one in ast.walk(statement) if isinstance(one, _Import))


def _absolute(source: _Source, module: str) -> str:
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
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            found |= {one.target.id for one in ast.walk(node) if isinstance(one, ast.NamedExpr)}
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, _Import):
            found |= _imports(node).keys() if imports else set()
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            found |= {node.name} if node.name else set()
        elif isinstance(node, ast.MatchMapping):
            found |= {node.rest} if node.rest else set()
        elif isinstance(node, ast.Global | ast.Nonlocal):
            outer.update(node.names)
        waiting += ast.iter_child_nodes(node)
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
    """The names whose objects a statement may change: ``T[k] = v``, ``T.x = v``, ``T.add(v)``, ``shuffle(T)``."""
    if isinstance(
        statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
    ):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(statement):
        found |= {name for name in (_base(target) for target in _targets(node)) if name}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value
            names = [_base(called.func)] if isinstance(called.func, ast.Attribute) else []
            parts = (*called.args, *(keyword.value for keyword in called.keywords))
            names += [one.id for part in parts for one in ast.walk(part) if isinstance(one, ast.Name)]
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
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []


def _base(node: ast.AST) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _attributes(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        if isinstance(node, ast.Attribute):
            yield node.attr
        node = node.value


def _is_aside(statement: ast.stmt) -> bool:
    """What only a type checker, or only a script's own start, runs."""
    if not isinstance(statement, ast.If):
        return False
    names = {one.id for one in ast.walk(statement.test) if isinstance(one, ast.Name)}
    names |= {one.attr for one in ast.walk(statement.test) if isinstance(one, ast.Attribute)}
    return bool(names & {"TYPE_CHECKING", "__name__"})


def _first_line(node: _Function) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min(one.lineno for one in (node, *decorators))


def _name(node: _Function) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _spans(node: _Function, code: types.CodeType) -> bool:
    """Whether all of ``code`` lies within ``node``: two lambdas may stand in one line."""
    body = node.body if isinstance(node, ast.Lambda) else node
    begin, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    return all(
        begin <= (line, column) and (last_line, last_column) <= end
        for line, last_line, column, last_column in code.co_positions()
        if line is not None and last_line is not None and column is not None and last_column is not None
        if column != last_column  # instructions without a place of their own
    )


def _bytecode(code: types.CodeType) -> str:
    """What there is of a function without source."""
    constants = [_bytecode(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts]
    return f"bytecode {code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"


def _names_in(code: types.CodeType) -> list[str]:
    inner = [name for one in code.co_consts if isinstance(one, types.CodeType) for name in _names_in(one)]
    return [*code.co_names, *inner]


def _name_in(label: str) -> str:
    return label.rpartition(".")[2]


def _cache_key(thing: Any) -> Any:
    """Equal for what is the same code with the same plain values, such as a lambda that a fixture makes each time."""
    if isinstance(thing, types.FunctionType) and not vars(thing):
        try:
            held = [cell.cell_contents for cell in thing.__closure__ or ()]
        except ValueError:
            return id(thing)
        values = (*held, *(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values())
        if all(type(one) in _PLAIN for one in values):
            return thing.__code__, tuple((type(one), one) for one in values)
    return id(thing)


# Where code stands


def _home_of(thing: Any) -> str:
    while isinstance(thing, functools.partial):
        thing = thing.func
    if isinstance(thing, types.MethodType):
        thing = type(thing.__self__) if not isinstance(thing.__self__, type) else thing.__self__
    return _module_of(thing if isinstance(thing, type | types.FunctionType) else type(thing))


def _module_of(thing: Any) -> str:
    return getattr(thing, "__module__", None) or ""


def _file_of(module: str) -> str | None:
    """The file that a module was, or would be, read from; its folder for a package without one."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return _located(module)
    file = getattr(loaded, "__file__", None)
    if isinstance(file, str):
        return file
    places = list(getattr(loaded, "__path__", ()))
    return str(places[0]) if places else None


def _located(module: str) -> str | None:
    """Found without loading it or a package around it."""
    top, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not parts:
        return spec.origin if spec is not None and spec.has_location else None
    for place in spec.submodule_search_locations or ():
        for path in (Path(place, *parts).with_suffix(".py"), Path(place, *parts, "__init__.py")):
            if path.is_file():
                return str(path)
    return None


def _folder_of(module: str) -> str | None:
    file = _file_of(module)
    return None if file is None else str(Path(file).parent)


def _is_module(name: str) -> bool:
    return name in sys.modules or _located(name) is not None


def _is_bound(module: str, name: str) -> bool:
    """Whether a loaded module has something else than a module under that name."""
    value = getattr(sys.modules.get(module), name, None)
    return value is not None and not isinstance(value, types.ModuleType)


def _is_ours(module: str) -> bool:
    return module == OURS or module.startswith(f"{OURS}.")


@functools.cache
def _is_installed(file: str | None) -> bool:
    """Whether a file is the standard library's or an installed package's. Interactive code has no file."""
    if file is None or file.startswith("<"):
        return file is not None and file.startswith("<frozen")
    path = Path(file)
    if {"site-packages", "dist-packages"} & {*path.parts}:
        return True
    return any(path.is_relative_to(place) for place in _LIBRARIES)


_LIBRARIES = tuple(
    place
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
    if (place := sysconfig.get_paths().get(name)) is not None
)


# Text


def _canonical(node: ast.AST | str, idle: frozenset[str] | None) -> str:
    """The same for the same code, in any layout and by any version of Python.

    Docstrings count where ``idle`` is ``None``, or where a decorator or base is none of these names.
    """
    if isinstance(node, str):
        return node
    pieces: list[str] = []
    try:
        _dump(node, pieces, idle)
    except RecursionError:  # what was dumped until then, and the rest by its size alone
        pieces.append(f"and {sum(1 for _ in ast.walk(node))} nodes in all")
    return "".join(pieces)


def _dump(node: Any, pieces: list[str], idle: frozenset[str] | None) -> None:
    if isinstance(node, list):
        for one in node:
            _dump(one, pieces, idle)
            pieces.append(",")
        return
    if not isinstance(node, ast.AST):
        pieces.append(repr(node))
        return
    pieces.append(type(node).__name__)
    pieces.append("(")
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None and not isinstance(node, ast.Constant):
            continue
        if value == [] or name in ("ctx", "kind", "type_comment"):
            continue
        if name == "body" and idle is not None and _has_idle_docstring(node, idle):
            value = node.body[1:]  # type: ignore[attr-defined]
        pieces.append(f"{name}=")
        _dump(value, pieces, idle)
    pieces.append(")")


def _has_idle_docstring(node: ast.AST, idle: frozenset[str]) -> bool:
    """Whether ``node`` has a docstring that nothing but a reader of the source looks at."""
    if (
        not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        or ast.get_docstring(node, False) is None
    ):
        return False
    bases = node.bases if isinstance(node, ast.ClassDef) else ()
    return all(_last_name(one) in idle for one in node.decorator_list) and all(
        _last_name(one) in _KEEPS_NO_DOCSTRING for one in bases
    )


def _last_name(node: ast.AST) -> str:
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_key(name: str, value: Any) -> bool:
    """Whether a value is a key by its name and its look: another one changes nothing that a model is asked."""
    return isinstance(value, str) and bool(_SECRET_NAME.search(name) and _SECRET_TEXT.fullmatch(value))


def _writes_key(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Constant):
        return False
    return any(_is_key(name, statement.value.value) for name in _target_names(statement))


def _target_names(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [_last_name(one) for one in targets]


class _Hiding(ast.NodeTransformer):
    """Takes what looks like a key out of source that is kept."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        is_key = isinstance(node.value, str) and _SECRET_TEXT.fullmatch(node.value)
        return ast.Constant(HIDDEN) if is_key else node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg and _SECRET_NAME.search(node.arg) and isinstance(node.value, ast.Constant):
            return ast.keyword(node.arg, ast.Constant(HIDDEN))
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if isinstance(node.value, ast.Constant) and any(map(_SECRET_NAME.search, _target_names(node))):
            return ast.Assign(node.targets, ast.Constant(HIDDEN), lineno=0)
        return self.generic_visit(node)


def _readable(node: ast.AST | str) -> str:
    try:
        return node if isinstance(node, str) else ast.unparse(_Hiding().visit(copy.deepcopy(node)))
    except (RecursionError, ValueError):
        return "(code that is nested too deeply to show)"


def _functions_in(value: Any, depth: int = 0) -> Iterator[Any]:
    """The functions, and objects that act as some, in plain containers."""
    if isinstance(value, type | types.FunctionType | types.MethodType | functools.partial):
        yield value
    elif depth < 4:
        if isinstance(value, Mapping):
            parts: Any = list(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            parts = list(value)
        elif is_dataclass(value) and not isinstance(value, type):
            parts = [getattr(value, one.name, None) for one in fields(value)]
            yield type(value)
        else:
            return
        for part in parts:
            yield from _functions_in(part, depth + 1)


def _value_text(value: Any, folder: str | None, depth: int = 0) -> str | None:
    """Plain data as text, with the project's own folder left out; ``None`` for anything else."""
    if isinstance(value, PurePath):
        return repr(value.name)  # where a file lies does not count; its content belongs to the settings
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return repr(_placed(value, folder))
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if depth > _DEEP:
        return None
    if isinstance(value, Mapping):
        pairs = [
            (_value_text(k, folder, depth + 1), _value_text(v, folder, depth + 1)) for k, v in value.items()
        ]
        texts = [None if one is None or other is None else f"{one}: {other}" for one, other in pairs]
    elif isinstance(value, list | tuple | set | frozenset):
        texts = [_value_text(one, folder, depth + 1) for one in value]
    elif is_dataclass(value) and not isinstance(value, type):
        texts = [
            _value_text(getattr(value, one.name, None), folder, depth + 1) or "" for one in fields(value)
        ]
    else:
        return None
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    ordered = sorted(known) if isinstance(value, set | frozenset) else known
    return f"{type(value).__name__}({', '.join(ordered)})"


def _placed(text: str, folder: str | None) -> str:
    if folder is None or len(folder) < 2:
        return text
    if text and (folder == text or folder.startswith(f"{text.rstrip('/')}/")) and text.startswith("/"):
        return "<folder>"
    return text.replace(folder, "<folder>")


def _file_sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
