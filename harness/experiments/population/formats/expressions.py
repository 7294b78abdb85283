"""Formulas and conditions over attributes, worked out for a whole population at once, without ``eval``.

The language is a small part of Python's expressions: names, numbers, texts, ``true`` and ``false``, arithmetic,
comparisons, ``in`` with a list, ``and``, ``or``, ``not``, ``a if c else b`` and the functions of `FUNCTIONS`. Both
branches of a choice are worked out; what is not finite in the one not taken does no harm.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.errors import ConfigurationError

MAX_LENGTH = 2_000
"""Characters of an expression."""
MAX_NODES = 400
"""Parts of an expression: names, numbers, operations."""

Array = np.ndarray[Any, Any]
Columns = Mapping[str, Array]

CONSTANTS = {"true": True, "false": False}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "bool": lambda one: np.asarray(one).astype(bool),
    "ceil": np.ceil,
    "exp": np.exp,
    "float": lambda one: np.asarray(one, dtype=float),
    "floor": np.floor,
    "int": np.trunc,
    "log": np.log,
    "max": lambda *several: _folded(np.maximum, several),
    "min": lambda *several: _folded(np.minimum, several),
    "round": lambda one, digits=0: np.round(one, int(digits)),
    "sqrt": np.sqrt,
}
ARGUMENTS: Mapping[str, tuple[int, int]] = {"max": (1, MAX_NODES), "min": (1, MAX_NODES), "round": (1, 2)}
"""How many a function takes, where it is not one."""
_BINARY: Mapping[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[..., Any]] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_UNARY: Mapping[type[ast.unaryop], Callable[..., Any]] = {
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Not: lambda one: np.logical_not(_truth(one)),
}


class ExpressionError(ValueError):
    """What is wrong with an expression; the text says it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; ``names`` are the attributes that it reads."""

    text: str
    names: frozenset[str]
    _body: ast.expr = field(compare=False, repr=False)

    def values(self, columns: Columns, size: int) -> Array:
        """One value for each of ``size`` agents. Raises `ConfigurationError`."""
        try:
            with np.errstate(all="ignore"):
                found = np.broadcast_to(np.asarray(_value(self._body, columns)), (size,))
        except (ExpressionError, TypeError, ValueError, OverflowError) as error:
            raise ConfigurationError(f"{self.text!r:.200}: {_plainly(error)}.") from None
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise ConfigurationError(
                f"{self.text!r:.200}: not a finite number for {int((~np.isfinite(found)).sum()):,} of {size:,}; "
                "expected one for every agent. Guard it with 'a if condition else b'."
            )
        return found

    def mask(self, columns: Columns, size: int) -> Array:
        """For whom it holds. Raises `ConfigurationError` where it is not a condition."""
        found = self.values(columns, size)
        if found.dtype.kind not in "bif":
            raise ConfigurationError(f"{self.text!r:.200}: gives texts; expected a condition.")
        return found.astype(bool)


def parse(text: str) -> Expression:
    """Check ``text``. Raises `ExpressionError`."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"{len(text):,} characters; expected at most {MAX_LENGTH:,}")
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"is not an expression ({getattr(error, 'msg', None) or 'too deep'})") from None
    if sum(1 for _ in ast.walk(body)) > MAX_NODES:
        raise ExpressionError(f"has more than {MAX_NODES} parts")
    names: set[str] = set()
    _check(body, names)
    return Expression(text.strip(), frozenset(names), body)


def _check(node: ast.expr, names: set[str]) -> None:
    for part in _parts(node, names):
        _check(part, names)


def _parts(node: ast.expr, names: set[str]) -> list[ast.expr]:
    """The parts of ``node``. Raises `ExpressionError` if it is not in the language."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            return []
        case ast.Name(id=name):
            names.update({name} - CONSTANTS.keys())
            return []
        case ast.BoolOp(values=values):
            return values
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            return [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others):
            return [left, *_compared(ops, others)]
        case ast.IfExp(test=test, body=body, orelse=other):
            return [test, body, other]
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]) if name in FUNCTIONS:
            _check_number(name, len(given))
            return given
        case ast.Call(func=ast.Name(id=name)):
            raise ExpressionError(f"calls {name!r:.40}; expected one of {', '.join(sorted(FUNCTIONS))}")
    raise ExpressionError(f"has {ast.unparse(node)!r:.60}, which is not of the language of expressions")


def _check_number(name: str, given: int) -> None:
    least, most = ARGUMENTS.get(name, (1, 1))
    if not least <= given <= most:
        wanted = least if least == most else f"{least} or {most}" if most == least + 1 else f"{least} or more"
        raise ExpressionError(f"gives {name} {given} values; {name} takes {wanted}")


def _compared(ops: list[ast.cmpop], others: list[ast.expr]) -> list[ast.expr]:
    parts = []
    for op, other in zip(ops, others, strict=True):
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(other, ast.List | ast.Tuple | ast.Set):
                raise ExpressionError("'in' needs a list in brackets")
            parts += other.elts
        elif type(op) in _COMPARE:
            parts.append(other)
        else:
            raise ExpressionError("compares with 'is'; expected == or !=")
    return parts


def _value(node: ast.expr, columns: Columns) -> Any:
    match node:
        case ast.Constant(value=value):
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        case ast.Name(id=name):
            return CONSTANTS[name] if name in CONSTANTS else _column(name, columns)
        case ast.BoolOp(op=op, values=values):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return _folded(join, [_truth(_value(one, columns)) for one in values])
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, columns))
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_number(left, columns), _number(right, columns))
        case ast.Compare():
            return _comparison(node, columns)
        case ast.IfExp(test=test, body=body, orelse=other):
            return np.where(_truth(_value(test, columns)), _value(body, columns), _value(other, columns))
        case ast.Call(func=ast.Name(id=name), args=given):
            return FUNCTIONS[name](*(_number(one, columns) for one in given))
    raise ExpressionError("is not of the language of expressions")  # never: `parse` has checked it


def _comparison(node: ast.Compare, columns: Columns) -> Any:
    left, found = _value(node.left, columns), []
    for op, other in zip(node.ops, node.comparators, strict=True):
        if isinstance(other, ast.List | ast.Tuple | ast.Set):
            among = _among(left, [_value(one, columns) for one in other.elts])
            found.append(np.logical_not(among) if isinstance(op, ast.NotIn) else among)
            continue
        right = _value(other, columns)
        _same_kind(left, right)
        found.append(_COMPARE[type(op)](left, right))
        left = right
    return _folded(np.logical_and, found)


def _among(value: Any, others: list[Any]) -> Any:
    for other in others:
        _same_kind(value, other)
    return _folded(np.logical_or, [np.equal(value, other) for other in others]) if others else False


def _same_kind(left: Any, right: Any) -> None:
    if (np.asarray(left).dtype.kind == "U") != (np.asarray(right).dtype.kind == "U"):
        raise ExpressionError("compares a text with a number")


def _column(name: str, columns: Columns) -> Array:
    if name not in columns:
        raise ExpressionError(f"reads {name!r}, which is not there")
    return columns[name]


def _number(node: ast.expr, columns: Columns) -> Any:
    value = np.asarray(_value(node, columns))
    if value.dtype.kind not in "bif":
        raise ExpressionError(f"calculates with the text {ast.unparse(node)!r:.60}")
    return value.astype(float)


def _truth(value: Any) -> Any:
    found = np.asarray(value)
    if found.dtype.kind not in "bif":
        raise ExpressionError("takes a text for a condition")
    return found.astype(bool)


def _folded(function: Callable[[Any, Any], Any], several: Any) -> Any:
    first, *others = several
    for other in others:
        first = function(first, other)
    return first


def _plainly(error: Exception) -> str:
    return (
        str(error) if isinstance(error, ExpressionError) else "cannot be worked out: kinds of values differ"
    )
