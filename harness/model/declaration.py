"""How declarations are checked: one table per class, of what each field may hold, and one wording of the faults."""

from __future__ import annotations

import functools
import inspect
import math
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from numbers import Integral, Real
from typing import Any, TypeVar

from harness.errors import ConfigurationError, expected_one_of
from harness.model.frozen import frozen_data
from harness.model.text import json_fault, text_faults

T = TypeVar("T")

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 60
_repr.maxlevel, _repr.maxdict, _repr.maxlist, _repr.maxtuple = 2, 3, 3, 3


def shown(value: object) -> str:
    """A value as messages show it: its ``repr``, bounded."""
    return "nan" if isinstance(value, float) and math.isnan(value) else _repr.repr(value)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field may hold: a test, and the words for what passes it.

    ``bounds`` are the words for a value that passes ``is_number`` and lies outside.
    """

    accepts: Callable[[Any], bool]
    words: str
    bounds: str = ""
    is_number: Callable[[Any], bool] = lambda _: False

    def or_none(self) -> Kind:
        """The same, or ``None``."""
        return Kind(
            lambda value: value is None or self.accepts(value),
            f"{self.words}, or None",
            self.bounds,
            self.is_number,
        )

    def expected(self, value: object) -> str:
        """What to write in place of ``value``, which is none of it."""
        return self.bounds if self.bounds and self.is_number(value) else self.words


def whole_number(least: int | None = None, most: int | None = None) -> Kind:
    """An integer within bounds; a bool is not a number."""
    return _numeric(
        "a whole number",
        lambda value: isinstance(value, Integral) and not isinstance(value, bool),
        least,
        most,
    )


def number(least: float | None = None, most: float | None = None) -> Kind:
    """A finite number within bounds; a bool is not a number."""
    return _numeric(
        "a finite number",
        lambda value: isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value),
        least,
        most,
    )


def instance(of: type | tuple[type, ...], words: str) -> Kind:
    """An instance of a class; ``words`` name it with an example."""
    return Kind(lambda value: isinstance(value, of), words)


def choice(*names: str) -> Kind:
    """One of a few words."""
    return Kind(lambda value: isinstance(value, str) and value in names, " or ".join(map(repr, names)))


TEXT = instance(str, "text")
NAME = Kind(lambda value: isinstance(value, str) and bool(value.strip()), "a name: text that is not empty")
FLAG = instance(bool, "True or False")
FUNCTION = Kind(lambda value: callable(value) and not isinstance(value, type), "a function")
MAPPING = instance(Mapping, "a mapping")


@dataclass(frozen=True, slots=True)
class Each:
    """A field that holds several items of one kind; ``words`` name the whole with an example."""

    item: Kind
    words: str

    def faults(self, place: str, value: Any) -> Iterator[str]:
        if not isinstance(value, tuple):
            yield f"{place}={shown(value)}; expected {self.words}."
            return
        for index, one in enumerate(value):
            if not self.item.accepts(one):
                yield f"{place}[{index}]={shown(one)}; expected {self.item.words}."


Fields = Mapping[str, Kind | Each]
"""What the fields of a declaration may hold, by name."""


def flat(faults: Mapping[str, list[str]]) -> Iterator[str]:
    """The faults of all fields, one after another."""
    return (fault for several in faults.values() for fault in several)


def field_faults(owner: str, declared: Any) -> dict[str, list[str]]:
    """The faulty fields of ``declared`` with their faults, one sentence each; ``owner`` begins every sentence."""
    found: dict[str, list[str]] = {}
    for name, kind in declared.FIELDS.items():
        value, place = getattr(declared, name), f"{owner}: {name}"
        if isinstance(kind, Each):
            faults = list(kind.faults(place, value))
        else:
            faults = (
                [] if kind.accepts(value) else [f"{place}={shown(value)}; expected {kind.expected(value)}."]
            )
        if faults:
            found[name] = faults
    return found


def data_faults(owner: str, name: str, value: Mapping[Any, Any]) -> Iterator[str]:
    """What JSON cannot hold in a mapping of plain data. Text that UTF-8 lacks is left to `text_faults`."""
    fault = json_fault(value, name)
    if fault is not None and not any(text_faults(value)):
        yield (
            f"{owner}: {fault}; expected plain data: text, finite numbers, True, False, None, lists, and mappings "
            "whose keys are text."
        )


def is_plainly_synchronous(function: object) -> bool:
    """Whether ``function`` is an ordinary ``def`` that nothing suggests to return an awaitable.

    A wrapper (with a closure or ``__wrapped__``), a lambda and a callable object may, which shows when it is called.
    """
    return inspect.isgeneratorfunction(function) or (
        inspect.isfunction(function)
        and not inspect.iscoroutinefunction(function)
        and function.__name__ != "<lambda>"
        and function.__closure__ is None
        and not hasattr(function, "__wrapped__")
    )


def as_tuple(value: Any) -> Any:
    """A sequence as a tuple; anything else, a kind of tuple included, unchanged, for its check to accept or refuse."""
    if isinstance(value, tuple):
        return value
    unordered = (str, bytes, Mapping, set, frozenset)
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, unordered) else value


def normalise(declared: object, *, tuples: Iterable[str] = (), data: Iterable[str] = ()) -> None:
    """Make fields of a frozen dataclass immutable: ``tuples`` hold items, ``data`` mappings of plain data."""
    for name in tuples:
        object.__setattr__(declared, name, as_tuple(getattr(declared, name)))
    for name in data:
        object.__setattr__(declared, name, frozen_data(getattr(declared, name)))


def declaration(cls: type[T]) -> type[T]:
    """Let a dataclass name wrong arguments: an unknown keyword with the nearest real one, and what is missing.

    Keyword-only fields are so for type checkers and readers. At run time they are accepted by position too, in the
    order of the fields, because experiments written for version 0.1.0 may give them so.
    """
    construct = cls.__init__
    known = [one for one in fields(cls) if one.init]  # type: ignore[arg-type]
    known.sort(key=lambda one: one.kw_only is True)  # an inherited one comes first in the order of the fields
    names = [one.name for one in known]
    required = [one.name for one in known if one.default is one.default_factory is MISSING]

    @functools.wraps(construct)
    def check_arguments(self: T, *values: Any, **named: Any) -> None:
        given = {**dict(zip(names, values, strict=False)), **named}
        faults = [
            f"{cls.__name__}: unknown argument {name!r}; {expected_one_of(name, names)}"
            for name in named
            if name not in names
        ]
        faults += [
            f"{cls.__name__}: {name} is given twice, by position and by name; expected it once."
            for name in names[: len(values)]
            if name in named
        ]
        missing = [name for name in required if name not in given]
        if missing:
            faults.append(f"{cls.__name__}: {', '.join(missing)} missing; expected a value for each.")
        if len(values) > len(names):
            faults.append(f"{cls.__name__}: {len(values)} arguments; expected at most {len(names)}.")
        if faults:
            raise ConfigurationError(*faults)
        construct(self, **given)

    cls.__init__ = check_arguments  # type: ignore[assignment,method-assign]
    return cls


def _numeric(words: str, is_number: Callable[[Any], bool], least: float | None, most: float | None) -> Kind:
    bounds = "" if least is None else f"{least} or more" if most is None else f"{least} to {most}"

    def accepts(value: Any) -> bool:
        return is_number(value) and (least is None or value >= least) and (most is None or value <= most)

    return Kind(accepts, f"{words}, {bounds}" if bounds else words, bounds, is_number)
