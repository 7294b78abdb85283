"""Formats of TinyTroupe's persona files, current and earlier, distinguished by their content.

| written by | holds the persona under |
| --- | --- |
| ``save_specification``, from 0.4 | ``persona``, with ``type`` |
| ``to_json``, from 0.4 | ``persona``, with ``json_serializable_class_name`` |
| ``save_spec`` and ``to_json``, to 0.3 | ``_configuration``, together with the agent's state |
| ``encode_complete_state`` of an agent | ``_persona`` or ``_configuration`` |
| ``encode_complete_state`` of a world, and a simulation's state | the same, for each of its ``agents`` |
| a simulation's cache | the same, in the states of its list of events |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CLASS = "json_serializable_class_name"
_STATE = frozenset(
    {
        "current_datetime",
        "current_location",
        "current_context",
        "current_attention",
        "current_goals",
        "current_emotions",
        "current_memory_context",
        "currently_accessible_agents",
    }
)
"""Keys of ``_configuration`` that describe the state of a simulation, not the person."""

_EVENT_PARTS = 4
"""A cached event has four parts: the previous hash, its hash, its result, and the state after it."""

_OTHER_FILES = {
    "experiments": "the artifact of an experiment",
    "agent_extractions": "an extraction",
    "content": "a text from which TinyTroupe generates people or documents",
    "environments": "a simulation without people",
    "agents": "a world without people",
}
"""Other files of TinyTroupe, by a characteristic key."""


def as_documents(data: Any) -> list[Any]:
    """A file's content as documents of the current format, one per person; unknown content stays unchanged."""
    if isinstance(data, list):
        found = _agents_of_cache(data) if any(map(_is_event, data)) else data
        return [_document(one) for one in found] if found and all(map(_is_person, found)) else [data]
    agents = data.get("agents") if isinstance(data, dict) else None
    if isinstance(agents, list) and agents and all(map(_is_person, agents)):
        return [_document(one) for one in agents]
    return [_document(data)]


def other_file(data: Any) -> str:
    """Which other file of TinyTroupe ``data`` is; empty if unknown."""
    if isinstance(data, list) and any(map(_is_event, data)):
        return "a simulation's cache without people"
    if not isinstance(data, Mapping):
        return ""
    return next((what for key, what in _OTHER_FILES.items() if key in data), "")


def _agents_of_cache(events: list[Any]) -> list[Any]:
    """The agents of the last state with any; events of parallel steps have none."""
    for event in reversed(events):
        state = event[-1] if _is_event(event) else None
        agents = state.get("agents") if isinstance(state, Mapping) else None
        if isinstance(agents, list) and agents:
            return agents
    return []


def _is_event(value: Any) -> bool:
    return isinstance(value, list) and len(value) == _EVENT_PARTS


def _is_person(value: Any) -> bool:
    return isinstance(value, Mapping) and _persona(value) is not None


def _document(data: Any) -> Any:
    persona = _persona(data) if isinstance(data, Mapping) and "type" not in data else None
    if persona is None:
        return data
    kind = data.get(CLASS)
    if isinstance(data.get("name"), str) and persona.get("name") is None:
        persona = {**persona, "name": data["name"]}
    return {"type": "Fragment" if kind == "Fragment" else "TinyPerson", "persona": persona}


def _persona(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The persona that ``data`` holds in exactly one of the known places, else ``None``."""
    configuration = data.get("_configuration")
    if isinstance(configuration, Mapping):
        configuration = {key: value for key, value in configuration.items() if key not in _STATE}
    places = [
        configuration,
        data.get("_persona"),
        data.get("persona") if {"type", CLASS} & data.keys() else None,
    ]
    found = [dict(one) for one in places if isinstance(one, Mapping)]
    return found[0] if len(found) == 1 else None
