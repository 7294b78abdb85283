"""JSON schemas, compiled once each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from harness.gateway.requests.fast_validation import Check, compile_quick
from harness.gateway.requests.identity import canonical

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Schema = Mapping[str, Any] | bool


class Checker:
    """One compiled schema. Never fetches a remote ``$ref``.

    What the quick check cannot say yes to is jsonschema's, loaded when it is first needed; then a schema that is itself
    not valid raises `jsonschema.SchemaError`.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._quick: Check = compile_quick(schema)

    @cached_property
    def _validator(self) -> Validator:
        from jsonschema.validators import Draft202012Validator, validator_for
        from referencing import Registry

        schema = self._schema
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)  # type: ignore[arg-type]  # the stubs forget that true and false are schemas
        return kind(schema, registry=Registry())

    def require_valid_schema(self) -> None:
        """Raises `jsonschema.SchemaError` when the schema itself is not valid."""
        self._validator  # noqa: B018 - making it is the check

    def is_valid(self, value: Any) -> bool:
        return self._quick(value) or self.fault(value) is None

    def fault(self, value: Any) -> str | None:
        """What is wrong with ``value`` and where, or ``None`` when it is valid."""
        if self._quick(value):
            return None
        error = next(self._validator.iter_errors(value), None)
        if error is None:
            return None
        place = ".".join(str(step) for step in error.absolute_path) or "the whole"
        return f"{place}: {error.message[:200]}"


def checker(schema: Schema) -> Checker:
    """The checker of ``schema``, from a cache."""
    return _cached(canonical(schema))


@lru_cache(maxsize=256)
def _cached(schema_text: str) -> Checker:
    return Checker(json.loads(schema_text))


def wanted_schema(response_format: Mapping[str, Any] | None) -> Schema | None:
    """The schema that a ``response_format`` of type json_schema asks for, else ``None``."""
    if not response_format or response_format.get("type") != "json_schema":
        return None
    schema: Schema = response_format.get("json_schema", {}).get("schema", {})
    return schema
