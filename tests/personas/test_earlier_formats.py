"""Persona files as each version of TinyTroupe wrote them, with people of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.personas import load
from harness.personas.formats import as_documents

VERA = {
    "name": "Vera Quist",
    "age": 52,
    "nationality": "Swedish",
    "occupation": "Locksmith",
    "routines": [{"routine": "You open the shop at seven."}],
    "current_project": "restoring a clock",
}
STATE = {
    "current_datetime": "noon",
    "current_location": None,
    "current_context": [],
    "current_attention": None,
    "current_goals": ["sell a lock"],
    "current_emotions": "calm",
    "current_memory_context": None,
    "currently_accessible_agents": [{"agent": "Olle", "relation": "a friend"}],
}
CLASS = {"json_serializable_class_name": "TinyPerson"}
MEMORY = {"json_serializable_class_name": "EpisodicMemory", "memory": []}
OLD_AGENT = {
    "name": "Vera Quist",
    "_configuration": VERA | STATE,
    "_mental_faculties": [],
    "episodic_memory": MEMORY,
    "current_messages": [],
    "_accessible_agents": ["Olle"],
}
AGENT = {"name": "Vera Quist", "_persona": VERA, "_mental_state": {"goals": []}, "_mental_faculties": []}
OLLE = {"name": "Olle Hage", "_persona": {"name": "Olle Hage", "age": 31}}

ONE: Mapping[str, Any] = {
    "save_spec, to 0.3": {
        **CLASS,
        "name": "Vera Quist",
        "_mental_faculties": [],
        "_configuration": VERA | STATE,
    },
    "save_spec with memory": {
        **CLASS,
        "name": "Vera Quist",
        "_configuration": VERA | STATE,
        "episodic_memory": MEMORY,
    },
    "a class of one's own": {
        "json_serializable_class_name": "Buyer",
        "name": "Vera Quist",
        "_configuration": VERA,
    },
    "save_specification, from 0.4": {"type": "TinyPerson", "persona": VERA, "mental_faculties": []},
    "with its mental state": {"type": "TinyPerson", "persona": VERA, "mental_state": {"goals": []}},
    "save_specification, 0.6": {"type": "TinyPerson", "persona": VERA, "current_episode_event_count": 3},
    "to_json, from 0.4": {**CLASS, "persona": VERA, "mental_state": {}, "episodic_memory": MEMORY},
    "an encoded agent, to 0.3": OLD_AGENT,
    "an encoded agent, from 0.4": AGENT,
    "a world of one": {"name": "A shop", "agents": [AGENT], "current_datetime": "2024-05-01T10:00:00"},
}


def write(folder: Path, content: Any, name: str = "one.agent.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("form", ONE)
def test_a_person_is_read_from_each_format_without_the_state_of_a_simulation(
    form: str, tmp_path: Path
) -> None:
    for place in (tmp_path, write(tmp_path, ONE[form])):
        (person,) = load(place).personas
        assert (person.name, person.specification) == ("Vera Quist", VERA)


def test_equal_people_have_one_hash_whatever_the_format(tmp_path: Path) -> None:
    hashes = {load(write(tmp_path, content)).sha256 for content in ONE.values()}
    assert len(hashes) == 1


def test_a_name_that_only_the_agent_has_is_the_personas(tmp_path: Path) -> None:
    for configuration in ({"age": 3}, {"name": None, "age": 3}):
        (person,) = load(
            write(tmp_path, {**CLASS, "name": "Vera Quist", "_configuration": configuration})
        ).personas
        assert (person.name, person.specification) == ("Vera Quist", {"name": "Vera Quist", "age": 3})


@pytest.mark.parametrize(
    "content",
    [
        {"name": "A shop", "agents": [AGENT, OLLE], "current_datetime": None},
        {"agents": [OLD_AGENT, OLLE], "environments": [{"name": "A shop"}], "factories": []},
        [
            ["h0", "e1", None, {"agents": []}],
            ["h1", "e2", {"a": 1}, {"agents": [AGENT, OLLE]}],
            {"e3": {"x": 1}},
        ],
        [["h0", "e1", None, {"agents": [OLLE]}], ["h1", "e2", None, {"agents": [OLD_AGENT, OLLE]}]],
        [AGENT, {"type": "TinyPerson", "persona": OLLE["_persona"]}],
    ],
    ids=["world", "simulation", "cache", "the last state of a cache", "a list"],
)
def test_a_simulation_is_a_population_in_its_order(content: Any, tmp_path: Path) -> None:
    assert [person.name for person in load(write(tmp_path, content)).personas] == ["Vera Quist", "Olle Hage"]


def test_fragments_fit_people_of_earlier_formats(tmp_path: Path) -> None:
    path = write(tmp_path, ONE["save_spec, to 0.3"])
    fragment = write(
        tmp_path, {"type": "Fragment", "persona": {"beliefs": ["locks matter"]}}, "b.fragment.json"
    )
    (person,) = load(path, [fragment]).personas
    assert person.specification == {**VERA, "beliefs": ["locks matter"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"title": "People", "keys": 3},
            r"an unknown format, with the keys \['keys', 'title'\].*save_spec",
        ),
        ({**CLASS, "_configuration": VERA, "_persona": VERA}, "an unknown format"),
        ({"experiments": {}, "active_experiment": None}, "is the artifact of an experiment"),
        ({"agent_extractions": {}, "world_extraction": {}}, "is an extraction"),
        (
            {"title": "t", "description": "d", "content": [], "source": "s"},
            "is a text from which TinyTroupe generates people",
        ),
        ({"agents": [], "environments": [], "factories": []}, "is a simulation without people"),
        ({"name": "w", "agents": [{"name": "x"}]}, "is a world without people"),
        ([["h", "e", None, {"agents": []}]], "holds a simulation's cache without people"),
        ({**CLASS, "_configuration": {"age": 3}}, "the persona has no name"),
        ({"name": "w", "agents": [AGENT, {"_persona": {"age": 1}}]}, "person 2: the persona has no name"),
    ],
)
def test_what_is_not_a_person_is_named(content: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        load(write(tmp_path, content))
    assert all("one.agent.json" in problem for problem in caught.value.problems)


def test_a_person_is_not_a_fragment(tmp_path: Path) -> None:
    path = write(tmp_path, ONE["save_spec, to 0.3"])
    with pytest.raises(ConfigurationError, match='type=\'TinyPerson\'; expected "type": "Fragment"'):
        load(path, [path])


def test_memories_beside_a_persona_do_not_count_as_its_size(tmp_path: Path) -> None:
    memory = {**MEMORY, "memory": ["x" * 2_000_000]}
    assert load(write(tmp_path, {**OLD_AGENT, "episodic_memory": memory})).personas[0].specification == VERA


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "persona", "_persona", "_configuration", "agents", "name", *CLASS]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_data_gives_documents(data: Any) -> None:
    assert as_documents(data)
