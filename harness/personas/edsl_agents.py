"""Agents of EDSL as a table of people: files that it saves, and its objects. No code of theirs is run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.personas.edsl_files import read_edsl
from harness.personas.tables import PeopleTable, json_table, plain_rows
from harness.text_files import read_content

SUFFIXES = (".ep", ".gz")
"""Endings of files of EDSL besides ``.json``."""

_SHARED = ("instruction", "codebook", "traits_presentation_template")
_KNOWN = {"traits", "name", *_SHARED, "trait_categories", "edsl_version", "edsl_class_name", "id"}
_TRAIT = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def edsl_file(path: Path) -> PeopleTable | None:
    """The agents in a file of EDSL; ``None`` for JSON of another kind. Raises `ConfigurationError`."""
    if path.suffix.lower() not in SUFFIXES:
        content = read_content(path, str(path))
        if b"agent_list" not in content and b'"Agent"' not in content:
            return None
    data = read_edsl(path, str(path))
    if not _is_agents(data):
        if path.suffix.lower() not in SUFFIXES:
            return None
        raise ConfigurationError(
            f"{path}: is not a file of EDSL's agents; expected an AgentList that it saved."
        )
    return json_table(path, _rows(data, str(path)), read_content(path, str(path)))


def edsl_object(source: Any) -> PeopleTable | None:
    """The agents in an ``Agent`` or ``AgentList`` of EDSL; ``None`` for anything else."""
    if type(source).__module__.partition(".")[0] != "edsl" or not hasattr(source, "to_dict"):
        return None
    data, label = source.to_dict(), f"edsl {type(source).__name__}"
    if not _is_agents(data):
        raise ConfigurationError(f"{label}: expected an Agent or an AgentList.")
    return plain_rows(_rows(data, label), label)


def _is_agents(data: Any) -> bool:
    if not isinstance(data, Mapping):
        return False
    return isinstance(data.get("agent_list"), list) or data.get("edsl_class_name") == "Agent"


def _rows(data: Mapping[str, Any], label: str) -> list[dict[str, Any]]:
    """A row per agent: its name, its traits, and what else EDSL would put into its prompt."""
    agents: Sequence[Any] = data.get("agent_list", [data])
    shared = {name: data[name] for name in _SHARED if data.get(name)} if "agent_list" in data else {}
    rows = [
        _row({**shared, **_given(one, label, number)}, label, number) for number, one in enumerate(agents, 1)
    ]
    if any("name" in row for row in rows):
        rows = [{"name": f"agent-{number:04d}", **row} for number, row in enumerate(rows, 1)]
    return rows


def _given(agent: Any, label: str, number: int) -> dict[str, Any]:
    if not isinstance(agent, Mapping) or not isinstance(agent.get("traits"), Mapping):
        raise ConfigurationError(
            f"{label}, agent {number}: has no traits; expected an agent as EDSL saves it."
        )
    if unknown := sorted(agent.keys() - _KNOWN):
        raise ConfigurationError(
            f"{label}, agent {number}: {unknown[0][:60]!r} has no counterpart; expected an agent with traits, name, "
            f"{', '.join(_SHARED)} alone. Leave it out of the agent, or declare the persona here."
        )
    return {name: value for name, value in agent.items() if value}


def _row(agent: Mapping[str, Any], label: str, number: int) -> dict[str, Any]:
    traits = {str(name): value for name, value in agent.get("traits", {}).items()}
    named = {"name": agent["name"]} if "name" in agent else {}
    row = {**named, **traits, **named}
    if template := agent.get("traits_presentation_template"):
        row["description"] = _filled(str(template), traits, f"{label}, agent {number}")
    return row | {name: agent[name] for name in ("instruction", "codebook") if name in agent}


def _filled(template: str, traits: Mapping[str, Any], place: str) -> str:
    """A template whose names of traits are filled in; it is never evaluated."""
    rest = _TRAIT.sub("", template)
    unknown = [name for name in _TRAIT.findall(template) if name not in traits]
    if unknown or "{{" in rest or "{%" in rest:
        raise ConfigurationError(
            f"{place}: traits_presentation_template={template!r:.80} is more than text with traits in braces; "
            "expected {{trait}} alone. Leave it out, and load the agents with description=."
        )
    return _TRAIT.sub(lambda found: str(traits[found[1]]), template)
