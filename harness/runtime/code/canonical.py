"""Code and plain values as canonical text: without what changes no behaviour, and with keys hidden."""

from __future__ import annotations

import ast
import copy
import enum
import functools
import hashlib
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any

from harness.model.frozen import FrozenDict, FrozenList

DEEP = 8


PLAIN = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))


READS_DOCSTRINGS = frozenset({"__doc__", "getdoc", "getsource", "model_json_schema", "schema_json"})


KEEPS_NO_DOCSTRING = frozenset(
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

_LEFT_OUT = frozenset({"ctx", "kind", "type_comment"})
_WITH_DOCSTRING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@functools.lru_cache(maxsize=4096)  # the next session of this process meets the same nodes of this package
def canonical(node: ast.AST | str, idle: frozenset[str] | None) -> str:
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


def _dump(node: ast.AST, pieces: list[str], idle: frozenset[str] | None) -> None:
    pieces.append(f"{type(node).__name__}(")
    for name in node._fields:
        value = getattr(node, name, None)
        if name in _LEFT_OUT or (value is None and not isinstance(node, ast.Constant)):
            continue
        if isinstance(value, list):
            if not value:
                continue
            pieces.append(f"{name}=")
            is_idle = name == "body" and idle is not None and _has_idle_docstring(node, idle)
            for one in value[1:] if is_idle else value:
                if isinstance(one, ast.AST):
                    _dump(one, pieces, idle)
                else:
                    pieces.append(repr(one))
                pieces.append(",")
        elif isinstance(value, ast.AST):
            pieces.append(f"{name}=")
            _dump(value, pieces, idle)
        else:
            pieces.append(f"{name}={value!r}")
    pieces.append(")")


def _has_idle_docstring(node: ast.AST, idle: frozenset[str]) -> bool:
    """Whether ``node`` has a docstring that nothing but a reader of the source looks at."""
    if not isinstance(node, _WITH_DOCSTRING) or ast.get_docstring(node, False) is None:
        return False
    bases = node.bases if isinstance(node, ast.ClassDef) else ()
    return all(_last_name(one) in idle for one in node.decorator_list) and all(
        _last_name(one) in KEEPS_NO_DOCSTRING for one in bases
    )


def _last_name(node: ast.AST) -> str:
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_key(name: str, value: Any) -> bool:
    """Whether a value is a key by its name and its look: another one changes nothing that a model is asked."""
    return isinstance(value, str) and bool(_SECRET_NAME.search(name) and _SECRET_TEXT.fullmatch(value))


def writes_key(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Constant):
        return False
    return any(is_key(name, statement.value.value) for name in _target_names(statement))


def _target_names(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [_last_name(one) for one in targets]


class _KeyHider(ast.NodeTransformer):
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


def as_source(node: ast.AST | str) -> str:
    try:
        return node if isinstance(node, str) else ast.unparse(_KeyHider().visit(copy.deepcopy(node)))
    except (RecursionError, ValueError):
        return "(code that is nested too deeply to show)"


def functions_in(value: Any, depth: int = 0) -> Iterator[Any]:
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
            yield from functions_in(part, depth + 1)


def value_text(value: Any, folder: str | None, depth: int = 0) -> str | None:
    """Plain data as text, with the project's own folder left out; ``None`` for anything else."""
    if isinstance(value, PurePath):
        return repr(value.name)  # where a file lies does not count; its content belongs to the settings
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return repr(_placed(value, folder))
    if type(value) in PLAIN:
        return repr(value)
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if depth > DEEP:
        return None
    if isinstance(value, Mapping):
        pairs = [
            (value_text(k, folder, depth + 1), value_text(v, folder, depth + 1)) for k, v in value.items()
        ]
        texts = [None if one is None or other is None else f"{one}: {other}" for one, other in pairs]
    elif isinstance(value, list | tuple | set | frozenset):
        texts = [value_text(one, folder, depth + 1) for one in value]
    elif is_dataclass(value) and not isinstance(value, type):
        texts = [value_text(getattr(value, one.name, None), folder, depth + 1) or "" for one in fields(value)]
    else:
        return None
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    ordered = sorted(known) if isinstance(value, set | frozenset) else known
    plain: dict[type, type] = {FrozenDict: dict, FrozenList: list}  # as when declarations held these
    return f"{plain.get(type(value), type(value)).__name__}({', '.join(ordered)})"


def _placed(text: str, folder: str | None) -> str:
    if folder is None or len(folder) < 2:
        return text
    if text and (folder == text or folder.startswith(f"{text.rstrip('/')}/")) and text.startswith("/"):
        return "<folder>"
    return text.replace(folder, "<folder>")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
