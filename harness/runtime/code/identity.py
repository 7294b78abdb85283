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
import functools
import inspect
import linecache
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.console import logger
from harness.records.registry.code_store import VALUE
from harness.runtime.code.canonical import (
    DEEP,
    HIDDEN,
    KEEPS_NO_DOCSTRING,
    PLAIN,
    as_source,
    canonical,
    functions_in,
    is_key,
    sha,
    value_text,
    writes_key,
)
from harness.runtime.code.module_files import (
    STANDARD,
    file_of,
    file_sha,
    folder_of,
    home_of,
    is_bound,
    is_installed,
    is_module,
    is_ours,
    loaded_module,
    module_of,
)
from harness.runtime.code.module_source import (
    Chain,
    Import,
    ModuleSource,
    absolute,
    imported_names,
    imports_in,
)

SHORT = 16
"""Characters of a hash that identify code."""


_CODE_FILES = frozenset({".ini", ".mustache", ".py"})


log = logger()


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


_packaged: dict[str, ModuleSource] = {}
"""This package's modules by file, for all sessions of a process; they do not change after loading."""


class CodeReader:
    """Identifies code for one session. A module's source is read once."""

    def __init__(self) -> None:
        self._sources: dict[str, ModuleSource | None] = {}
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
            found = {path.relative_to(folder).as_posix(): file_sha(path) for path in files}
            text = "\n".join(f"{name} {sha}" for name, sha in found.items())
            readable = {name: f"(a file with the hash {sha[:SHORT]})" for name, sha in found.items()}
            self._folders[folder] = CodeIdentity(sha(text)[:SHORT], found, lambda: readable)
        return self._folders[folder]

    def _identify(self, thing: Any) -> CodeIdentity:
        home = home_of(thing)
        try:
            walk = _Walk(self, home)
            walk.visit(thing, "")
            return walk.identity()
        except (
            Exception
        ) as fault:  # code nested too deeply, objects that raise when looked at: the whole module counts
            log.info("The code of %s counts as a whole: %r", home, fault)
            text = "".join(linecache.getlines(file_of(home) or ""))
            return CodeIdentity(sha(f"{home} {text}")[:SHORT], {home: sha(text)[:SHORT]})

    def source(self, module: str, file: str, namespace: Mapping[str, Any]) -> ModuleSource | None:
        """The file of ``module``, analysed; ``None`` without its source."""
        if file not in self._sources:
            found: ModuleSource | None = _packaged.get(file)
            if found is None or found.namespace is not namespace:
                found = ModuleSource.read(module, file, namespace)
                if found is not None and is_ours(module):
                    _packaged[file] = found
            self._sources[file] = found
        return self._sources[file]


class _Walk:
    """Everything that one function reaches. ``home`` is the name of its module."""

    def __init__(self, reader: CodeReader, home: str) -> None:
        self._reader, self._home = reader, home
        self._parts: dict[tuple[str, str], list[ast.AST | str]] = {}
        self._values: dict[tuple[str, str], list[Any]] = {}
        self._seen: set[tuple[str, str, Chain]] = set()
        self._visited: dict[int, Any] = {}
        self._used: dict[str, ModuleSource] = {}
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
            idle = KEEPS_NO_DOCSTRING | own  # own decorators are looked at themselves
        found: list[tuple[str, str, str]] = []
        for (module, label), nodes in self._parts.items():
            found.append((module, label, "\n".join(canonical(one, idle) for one in nodes)))
        values: dict[str, str] = {}
        for (module, label), several in self._values.items():
            ignored = module not in loaded or _name_in(label) in changed
            texts = [] if ignored else [self._text(module, label, value) for value in several]
            if text := "\n".join(sorted(one for one in texts if one is not None)):
                found.append((module, f"{VALUE}{label}", text))
                values[self._label(module, f"{VALUE}{label}")] = (
                    f"(a value with the hash {sha(text)[:SHORT]})"
                )
        marks = sorted(f"{self._label(module, label)} {sha(text)}" for module, label, text in found)
        definitions = {self._label(module, label): sha(text)[:SHORT] for module, label, text in found}
        parts = dict(self._parts)

        def readable() -> Mapping[str, str]:
            sources = {
                self._label(module, label): "\n".join(map(as_source, nodes))
                for (module, label), nodes in parts.items()
            }
            return {**values, **sources}

        return CodeIdentity(sha("\n".join(marks))[:SHORT], definitions, readable)

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
        """Hash ``thing``: a function with everything that it uses, an object with its class and state."""
        if id(thing) in self._visited or depth > DEEP:
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
        name = f"{module_of(kind)}.{kind.__qualname__}"
        self._parts.setdefault((self._home, f"{label}{name}"), [name])

    def _state(self, thing: Any, label: str, depth: int) -> None:
        """An object's state, or its own ``str`` if it has one, as in a run's settings."""
        module, kind = module_of(type(thing)), type(thing).__name__
        own_text = "__str__" in vars(type(thing))
        if own_text:
            self._value(module, f"{label}{kind}", str(thing), depth)
        names = [one.name for one in fields(thing)] if is_dataclass(thing) else getattr(thing, "__dict__", ())
        for name in sorted(name for name in names if hasattr(thing, name)):
            value = getattr(thing, name)
            if own_text:
                self._objects += [(module, one, "", depth + 1) for one in functions_in(value)]
            else:
                self._value(module, f"{label}{kind}.{name}", value, depth)

    def _visit_class(self, kind: type) -> None:
        module = kind.__module__
        if not self._is_own(module, file_of(module)):
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
            self._follow(source, node, function.__code__.co_freevars)
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

    def _follow(self, source: ModuleSource, node: ast.AST, local: tuple[str, ...] = ()) -> None:
        loads = source.loads(node, local)
        for name, chain in loads.names:
            where = loads.imports.get(name)
            if where is None:
                self.reach(source, name, chain)
            else:
                self._reach_import(source, name, where, chain, local=True)

    def reach(self, source: ModuleSource, name: str, chain: Chain) -> None:
        """Everything that binds ``name`` in ``source``, or changes it at import, and what that uses in turn."""
        if (source.file, name, chain) in self._seen:
            return
        self._seen.add((source.file, name, chain))
        self._used[source.name] = source
        statements = source.binders.get(name, ())
        for statement in statements:
            found = [
                where for one in imports_in(statement) if (where := imported_names(one).get(name)) is not None
            ]
            for where in found:
                self._reach_import(source, name, where, chain)
            if not isinstance(statement, Import):
                self._add(source, name, statement)
        if not statements and not self._reach_star(source, name, chain):
            self._by_value(source.name, source.namespace, name)
        elif name in source.namespace and any(not isinstance(one, Import) for one in statements):
            self._value(source.name, name, source.namespace[name], 1)

    def _add(self, source: ModuleSource, name: str, statement: ast.stmt) -> None:
        parts = self._parts.setdefault((source.name, name), [])
        if writes_key(statement):
            self._parts[source.name, name] = [f"{name} = {HIDDEN}"]
        elif statement not in parts:
            parts.append(statement)
            self._waiting.append(lambda: self._follow(source, statement))

    def _reach_star(self, source: ModuleSource, name: str, chain: Chain) -> bool:
        for other in self._starred(source):
            if name in other.binders:
                self._loading.add((source.name, other.name))
                self.reach(other, name, chain)
                return True
        return False

    def _starred(self, source: ModuleSource) -> list[ModuleSource]:
        """The modules of which ``source`` imports everything, directly or through one of them."""
        found: list[ModuleSource] = []
        waiting = [source]
        while waiting:
            one = waiting.pop()
            for star in one.stars:
                module = absolute(one, "." * star.level + (star.module or ""))
                other = self._loaded(module) if self._is_own(module, file_of(module)) else None
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
        source: ModuleSource,
        bound: str,
        where: tuple[str, str | None],
        chain: Chain,
        *,
        local: bool = False,
    ) -> None:
        module, name = absolute(source, where[0]), where[1]
        by = None if local else source.name
        if not self._is_own(module, file_of(module)):
            text = f"import {module}" if name is None else f"from {module} import {name}"
            self._parts.setdefault((source.name, bound), [text])
        elif name is None:
            self._reach_module(module, chain, by)
        elif is_module(f"{module}.{name}") and not is_bound(module, name):
            self._reach_module(f"{module}.{name}", chain, by)
        else:
            self._reach_module(module, (name, *chain), by)

    def _reach_module(self, module: str, chain: Chain, by: str | None) -> None:
        """The attribute of a module that ``chain`` begins with, else the whole module. ``by`` imports it at its top."""
        while chain and not is_bound(module, chain[0]) and is_module(f"{module}.{chain[0]}"):
            module, chain = f"{module}.{chain[0]}", chain[1:]
        if not self._is_own(module, file_of(module)) or (source := self._loaded(module)) is None:
            return
        if by is not None:
            self._loading.add((by, module))
        if chain:
            self.reach(source, chain[0], chain[1:])
            return
        for name in sorted(source.binders):
            self.reach(source, name, ())

    def _loaded(self, module: str) -> ModuleSource | None:
        file = file_of(module)
        if file is None:
            return None
        loaded = loaded_module(module)
        is_package = file.endswith("__init__.py")
        package = module if is_package else module.rpartition(".")[0]
        return self._reader.source(module, file, _unloaded(package) if loaded is None else vars(loaded))

    def _is_own(self, module: str, file: str | None) -> bool:
        """Whether code belongs to the project of the function; each package is a separate project."""
        if self._scope is None:
            return (
                not is_ours(module) and not is_installed(file) and (file is not None or module == self._home)
            )
        return f"{module}.".startswith(f"{self._scope}.")

    @cached_property
    def _scope(self) -> str | None:
        """The package that a function is part of; ``None`` for code that is not installed."""
        parts = self._home.split(".")
        if is_ours(self._home):
            return ".".join(parts[:3])
        file = file_of(self._home)
        if not is_installed(file):
            return None
        return parts[0] if {"site-packages", "dist-packages"} & {*Path(file or "").parts} else STANDARD

    # Values

    def _value(self, module: str, label: str, value: Any, depth: int) -> None:
        self._values.setdefault((module, label), []).append(value)
        self._objects += [(module, one, "", depth + 1) for one in functions_in(value)]

    def _text(self, module: str, label: str, value: Any) -> str | None:
        return None if is_key(_name_in(label), value) else value_text(value, folder_of(module))


@functools.cache
def _unloaded(package: str) -> Mapping[str, Any]:
    """The file of a module in ``package`` that is not loaded."""
    return {"__package__": package}


def _bytecode(code: types.CodeType) -> str:
    """The bytecode of a function without source."""
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
        if all(type(one) in PLAIN for one in values):
            return thing.__code__, tuple((type(one), one) for one in values)
    return id(thing)
