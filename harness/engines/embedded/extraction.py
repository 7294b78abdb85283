"""Extracts structured items from the rapporteur's record."""

from __future__ import annotations

from typing import Any

from harness.engines.embedded import prompts, schemas
from harness.engines.embedded.judge import RECORD_CHARS
from harness.engines.embedded.model_requests import Unusable, ask
from harness.engines.embedded.persona import Person
from harness.engines.embedded.transcript import clean
from harness.errors import ModelCallError
from harness.gateway.calls import CallSite, ModelClient
from harness.model import Extraction, Sample

MAX_ITEMS = 1_000
MAX_FIELD = 4_000
"""Characters kept of one field."""


async def extract(
    wanted: Extraction, rapporteur: Person, step: int, client: ModelClient
) -> tuple[Any, Sample]:
    """The items, as ``{root: [...]}``, and their number as a sample; ``None`` and a missing one if it failed.

    Raises `ModelCallError` only when it is fatal.
    """
    asked = prompts.extract(wanted, rapporteur.name, rapporteur.memory.recent(RECORD_CHARS))
    schema, site = schemas.extraction(wanted.root, wanted.fields), CallSite("extract", rapporteur.name, step)
    try:
        items = await ask(client, asked, schema, site, lambda data: read_items(data, wanted))
    except ModelCallError as fault:
        if fault.fatal:
            raise
        return None, Sample(wanted.metric, None, reason=f"Extraction failed: {fault}")
    return {wanted.root: items}, Sample(wanted.metric, len(items))


def read_items(data: Any, wanted: Extraction) -> list[dict[str, str]]:
    """The objects under the root, with the fields asked for.

    Raises `Unusable` without a list of objects.
    """
    items = data.get(wanted.root) if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise Unusable(f"The reply has no list under {wanted.root!r}.")
    if len(items) > MAX_ITEMS:
        raise Unusable(f"The list {wanted.root!r} has {len(items)} items; expected at most {MAX_ITEMS}.")
    if not all(isinstance(item, dict) for item in items):
        raise Unusable(f"The list {wanted.root!r} has items that are not objects.")
    return [{name: clean(item.get(name), MAX_FIELD) for name in wanted.fields} for item in items]
