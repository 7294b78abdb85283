"""A random value for any JSON schema: the rehearsal model's answer to a request of unknown kind.

Why no library: hypothesis-jsonschema draws by a test's randomness, and a rehearsal needs the same answer every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from harness.gateway.rehearsal.phrases import sentence

Schema = Mapping[str, Any] | bool
_DEEPEST = 12
"""From this depth on, only what is required is made, so that a schema that refers to itself ends."""
_TRIES = 20
MOST_ITEMS, MOST_CHARACTERS, MOST_VALUES = 1_000, 100_000, 10_000
"""The largest array or object, text and answer that is drawn."""

_LARGEST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_SMALLEST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_FORMATS = {
    "date": "2025-06-02",
    "time": "12:00:00Z",
    "date-time": "2025-06-02T12:00:00Z",
    "email": "rehearsal@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.org",
}


def sample(schema: Schema, rng: Random, is_valid: Callable[[Any], bool]) -> Any:
    """A value that ``is_valid`` accepts, if one of 20 drawn is; else the last drawn.

    Keywords that only forbid (``not``, ``pattern``, ``if``, …) are met by drawing again, which may fail.
    Raises `TooLargeError`.
    """
    sampler = _Sampler(schema, rng)
    value = sampler.draw(schema, 0)
    for _ in range(_TRIES - 1):
        if is_valid(value):
            break
        value = sampler.draw(schema, 0)
    return value


class TooLargeError(ValueError):
    """The schema asks for more than anyone reads; a schema may come from code that is not ours."""

    def __init__(self) -> None:
        super().__init__(
            f"the schema asks for more than {MOST_ITEMS:,} items or properties, {MOST_CHARACTERS:,} characters, or "
            f"{MOST_VALUES:,} values in all"
        )


class _Sampler:
    def __init__(self, root: Schema, rng: Random) -> None:
        self._root = root
        self._rng = rng
        self._drawn = 0

    def draw(self, schema: Schema, depth: int) -> Any:
        self._drawn += 1
        if self._drawn > MOST_VALUES * _TRIES:  # the tries of one answer together
            raise TooLargeError
        plain = self._plain(schema, depth)
        if "const" in plain:
            return plain["const"]
        if "enum" in plain:
            return self._rng.choice(list(plain["enum"]))
        return self._of_type(self._type(plain, depth), plain, depth)

    def _plain(self, schema: Schema, depth: int, seen: int = 0) -> dict[str, Any]:
        """``schema`` with references, all of ``allOf`` and one branch of each choice folded in."""
        if isinstance(schema, bool) or seen > 50:
            return {}
        plain = {
            name: value for name, value in schema.items() if name not in ("$ref", "allOf", "anyOf", "oneOf")
        }
        parts: list[Schema] = [self._resolve(schema["$ref"])] if "$ref" in schema else []
        parts += schema.get("allOf", [])
        parts += [self._branch(schema[name], depth) for name in ("anyOf", "oneOf") if schema.get(name)]
        for part in parts:
            plain = _merged(plain, self._plain(part, depth, seen + 1))
        return plain

    def _branch(self, branches: Sequence[Schema], depth: int) -> Schema:
        simple = [each for each in branches if isinstance(each, bool) or not _refers(each)]
        possible = [
            each for each in (simple if depth >= _DEEPEST and simple else branches) if each is not False
        ]
        return self._rng.choice(possible or list(branches))

    def _resolve(self, reference: str) -> Schema:
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            target = target[int(step)] if isinstance(target, list) else target.get(step, {})
        return target if isinstance(target, dict | bool) else {}

    def _type(self, plain: Mapping[str, Any], depth: int) -> str:
        declared = plain.get("type")
        if isinstance(declared, str):
            return declared
        if isinstance(declared, list) and declared:
            simple = [kind for kind in declared if kind not in ("object", "array")]
            return str(self._rng.choice(simple if depth >= _DEEPEST and simple else declared))
        return next((kind for kind, marks in _MARKS.items() if marks & plain.keys()), "string")

    def _of_type(self, kind: str, plain: Mapping[str, Any], depth: int) -> Any:
        if kind == "object":
            return self._object(plain, depth)
        if kind == "array":
            return self._array(plain, depth)
        if kind in ("integer", "number"):
            return self._number(plain, whole=kind == "integer")
        if kind == "boolean":
            return self._rng.random() < 0.5
        return None if kind == "null" else self._string(plain)

    def _object(self, plain: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Schema] = plain.get("properties", {})
        rest: Schema = plain.get("additionalProperties", True)
        _check_size(plain.get("minProperties", 0), MOST_ITEMS)
        names = self._names(plain, properties, depth)
        names += [f"item_{number}" for number in range(plain.get("minProperties", 0) - len(names))]
        return {name: self.draw(properties.get(name, rest), depth + 1) for name in names}

    def _names(self, plain: Mapping[str, Any], properties: Mapping[str, Schema], depth: int) -> list[str]:
        """What is required, then what may be there, up to the number allowed and at least as many as asked."""
        required = list(dict.fromkeys(plain.get("required", [])))
        others = [name for name in properties if name not in required]
        wanted = [name for name in others if self._wanted(properties[name], depth)]
        spare = [name for name in others if name not in wanted]
        missing = max(0, plain.get("minProperties", 0) - len(required) - len(wanted))
        names = required + wanted + spare[:missing]
        return names[: max(len(required), plain.get("maxProperties", len(names)))]

    def _wanted(self, schema: Schema, depth: int) -> bool:
        return schema is not False and depth < _DEEPEST and (not _refers(schema) or self._rng.random() < 0.5)

    def _array(self, plain: Mapping[str, Any], depth: int) -> list[Any]:
        first: Sequence[Schema] = plain.get("prefixItems", [])
        rest: Schema = plain.get("items", True)
        least = _check_size(plain.get("minItems", 0), MOST_ITEMS)
        most = int(plain.get("maxItems", max(least, len(first)) + 3))
        most = min(most, len(first)) if rest is False else most
        length = least if depth >= _DEEPEST else self._rng.randint(least, max(least, min(most, least + 6)))
        items: list[Any] = []
        for number in range(length):
            schema = first[number] if number < len(first) else rest
            items.append(self._unlike(schema, items if plain.get("uniqueItems") else [], depth))
        return items

    def _unlike(self, schema: Schema, others: Sequence[Any], depth: int) -> Any:
        value = self.draw(schema, depth + 1)
        for _ in range(_TRIES):
            if value not in others:
                break
            value = self.draw(schema, depth + 1)
        return value

    def _number(self, plain: Mapping[str, Any], *, whole: bool) -> float:
        step = plain.get("multipleOf") or (1 if whole else 0)
        low, high = _bounds(plain, whole=whole)
        if not step:
            value = min(max(self._rng.uniform(low, high), low), high)
            return round(value, 3) if low <= round(value, 3) <= high else value
        first, last = math.ceil(low / step), math.floor(high / step)
        return self._rng.randint(first, max(first, last)) * step

    def _string(self, plain: Mapping[str, Any]) -> str:
        text = _FORMATS.get(plain.get("format", "")) or sentence(self._rng)
        least, most = _check_size(plain.get("minLength", 0), MOST_CHARACTERS), plain.get("maxLength")
        while len(text) < least:
            text += " " + sentence(self._rng)
        return text if most is None else text[: int(most)]


def _check_size(size: float, most: int) -> int:
    if size > most:
        raise TooLargeError
    return int(size)


_MARKS = {
    "object": {"properties", "required", "additionalProperties", "minProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}


def _bounds(plain: Mapping[str, Any], *, whole: bool) -> tuple[float, float]:
    """The smallest and the largest number allowed; where only one is given, nine apart."""
    low = _first(max, plain.get("minimum"), _beyond(plain.get("exclusiveMinimum"), math.inf, whole=whole))
    high = _first(min, plain.get("maximum"), _beyond(plain.get("exclusiveMaximum"), -math.inf, whole=whole))
    if low is None:
        low = 0 if high is None or high >= 0 else high - 9
    return low, max(low, low + 9 if high is None else high)


def _beyond(bound: float | None, towards: float, *, whole: bool) -> float | None:
    """The next number after ``bound``, which is itself excluded."""
    if bound is None or not whole:
        return None if bound is None else math.nextafter(bound, towards)
    return math.floor(bound) + 1 if towards > 0 else math.ceil(bound) - 1


def _first(choose: Callable[..., float], *values: float | None) -> float | None:
    present = [value for value in values if value is not None]
    return choose(present) if present else None


def _refers(schema: Schema) -> bool:
    """Whether a reference stands anywhere in ``schema``, so that it may lead back to itself."""
    return "'$ref'" in str(schema)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What must hold when both hold."""
    both = {**one, **other}
    for name in one.keys() & other.keys():
        both[name] = _both(name, one[name], other[name])
    return both


def _both(name: str, one: Any, other: Any) -> Any:
    if name in _LARGEST:
        return max(one, other)
    if name in _SMALLEST:
        return min(one, other)
    if name == "required":
        return list(dict.fromkeys([*one, *other]))
    if name == "enum":
        return [value for value in one if value in other]
    if name == "type":
        return _common_types(one, other)
    if name == "properties":
        return {
            **one,
            **other,
            **{key: {"allOf": [one[key], other[key]]} for key in one.keys() & other.keys()},
        }
    if name in ("items", "additionalProperties") and one != other:
        return {"allOf": [one, other]}
    return other


def _common_types(one: Any, other: Any) -> Any:
    ours, theirs = ({each} if isinstance(each, str) else set(each) for each in (one, other))
    if ("number" in ours and "integer" in theirs) or ("number" in theirs and "integer" in ours):
        return "integer"
    return sorted(ours & theirs) or other
