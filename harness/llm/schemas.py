"""JSON schemas, compiled once each."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.llm.identity import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema.protocols import Validator


def validator(schema: Mapping[str, Any] | bool) -> Validator:
    """The compiled validator of ``schema``, from a cache. Never fetches a remote ``$ref``.

    Raises `jsonschema.SchemaError` when ``schema`` is not a valid JSON schema.
    """
    return _compiled(canonical(schema))


@lru_cache(maxsize=256)
def _compiled(schema_text: str) -> Validator:
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    schema = json.loads(schema_text)
    kind = validator_for(schema, default=Draft202012Validator)
    kind.check_schema(schema)
    return kind(schema, registry=Registry())


def wanted_schema(response_format: Mapping[str, Any] | None) -> Mapping[str, Any] | bool | None:
    """The schema that a ``response_format`` of type json_schema asks for, else ``None``."""
    if not response_format or response_format.get("type") != "json_schema":
        return None
    schema: Mapping[str, Any] | bool = response_format.get("json_schema", {}).get("schema", {})
    return schema
