"""The words that personas hear, and what is extracted from theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from harness.model.declaration import (
    MAPPING,
    NAME,
    TEXT,
    Each,
    Fields,
    Kind,
    declaration,
    field_faults,
    flat,
    instance,
    normalise,
    shown,
)

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A name in braces, which is filled in."""
_REPLACEABLE = ("introduction", "task", "consolidation")


@declaration
@dataclass(frozen=True, slots=True)
class Extraction:
    """What is extracted from the rapporteur's consolidation, as JSON: under ``root`` a list of objects.

    Fields:
        root: the only key of the JSON object.
        fields: the keys of each object.
        metric: the metric that the length of the list becomes.
        objective, situation: what the extracting model reads.
        root_hint: what the tinytroupe engine adds about ``root``.
    """

    root: str
    fields: tuple[str, ...]
    metric: str
    objective: str
    situation: str
    root_hint: str = "it is the root, the only key of the JSON object; its value is the list of all items"

    FIELDS: ClassVar[Fields] = {
        "root": NAME,
        "fields": Each(NAME, "a tuple of names, such as ('title', 'text')"),
        "metric": NAME,
        "objective": TEXT,
        "situation": TEXT,
        "root_hint": TEXT,
    }

    def __post_init__(self) -> None:
        normalise(self, tuples=["fields"])


@declaration
@dataclass(frozen=True, slots=True)
class Script:
    """The words that the personas hear. ``{placeholders}`` are filled from a proposal's fields.

    Fields:
        task: what the conversation is about.
        introduction: heard first; default None.
        proposals: what the conversations are about, one trial per panel and proposal; default one without fields.
        consolidation: how a rapporteur sums up; default None.
        extraction: what is extracted from that; default None.
        task_description: the task as the judge of a panel reads it; default ``"{task}"``.
        source: where the words came from: ``"embedded"``, ``"notebook"`` or ``"declared"`` (default).
        origin: provenance, such as path and SHA-256; default empty.

    >>> len(Script("Agree a price for {thing}.", proposals=({"thing": "a bike"}, {"thing": "a lamp"})).proposals)
    2
    """

    task: str
    _: KW_ONLY
    introduction: str | None = None
    proposals: tuple[Mapping[str, str], ...] = field(default_factory=lambda: ({},))
    consolidation: str | None = None
    extraction: Extraction | None = None
    task_description: str = "{task}"
    source: str = "declared"
    origin: Mapping[str, str] = field(default_factory=dict)

    FIELDS: ClassVar[Fields] = {
        "task": TEXT,
        "introduction": TEXT.or_none(),
        "proposals": Each(
            Kind(
                lambda value: isinstance(value, Mapping) and all(isinstance(key, str) for key in value),
                "a mapping of fields, such as {'thing': 'a bike'}",
            ),
            "a tuple of mappings, such as ({'thing': 'a bike'}, {'thing': 'a lamp'})",
        ),
        "consolidation": TEXT.or_none(),
        "extraction": instance(Extraction, "an Extraction").or_none(),
        "task_description": TEXT,
        "source": TEXT,
        "origin": MAPPING,
    }

    def __post_init__(self) -> None:
        normalise(self, tuples=["proposals"], data=["proposals", "origin"])

    def problems(self, owner: str) -> Iterable[str]:
        faults = field_faults(f"{owner}: script", self)
        yield from flat(faults)
        if isinstance(self.extraction, Extraction):
            yield from flat(field_faults(f"{owner}: script.extraction", self.extraction))
            if self.consolidation is None:
                yield (
                    f"{owner}: the script extracts {shown(self.extraction.root)} without a consolidation; "
                    "set consolidation=."
                )
        if "proposals" in faults:
            return
        if not self.proposals:
            yield f"{owner}: the script has no proposals; expected at least one."
        parts = ("introduction", "task", "consolidation", "task_description")
        for index, proposal in enumerate(self.proposals):
            for part in (one for one in parts if one not in faults):
                also = {"task"} if part == "task_description" else set[str]()
                text = getattr(self, part) or ""
                yield from placeholder_problems(f"{owner}: script.{part}", text, index, proposal, also)


def placeholder_problems(
    place: str, text: str, index: int, proposal: Mapping[str, Any], also: Iterable[str] = ()
) -> Iterable[str]:
    """What the ``text`` at ``place`` uses that proposal number ``index`` lacks, or has not as text.

    ``also`` are names that are filled from elsewhere.
    """
    used = set(PLACEHOLDER.findall(text))
    for name in sorted(used - {*proposal, *also}):
        has = ", ".join(sorted(proposal)) or "no fields"
        yield f"{place} uses {{{name}}}, which proposal {index} lacks; it has {has}."
    for name in sorted(used & set(proposal)):
        if not isinstance(proposal[name], str):
            yield f"{place} uses {{{name}}}, which is {shown(proposal[name])} in proposal {index}; expected text."


def replacement_problems(owner: str, texts: Mapping[str, Any]) -> Iterable[str]:
    for part, text in texts.items():
        if part not in _REPLACEABLE:
            yield f"{owner}: script={{{part!r}: …}}; expected one of {', '.join(_REPLACEABLE)}."
        elif not isinstance(text, str) or not text.strip():
            yield f"{owner}: script[{part!r}]={shown(text)}; expected text that is not empty."


def render(text: str, fields: Mapping[str, str]) -> str:
    """Fill the ``{placeholders}`` of ``text`` that ``fields`` names; other braces stay unchanged."""
    return PLACEHOLDER.sub(lambda found: fields.get(found[1], found[0]), text)
