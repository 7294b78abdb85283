"""Merging fragments into personas: the rules, the invariants, and the real package's own result."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.personas
from harness.personas import load
from harness.personas.fragments import merge

PACKAGED = Path(harness.personas.__file__).with_name("packaged")

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "a new key": ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    "null takes the value": ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    "objects merge": ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
    "lists join": ({"a": ["x"]}, {"a": ["y"]}, {"a": ["x", "y"]}),
    "equal items stay once": ({"a": ["x", "x", "y"]}, {"a": ["y", "z"]}, {"a": ["x", "y", "z"]}),
    "equal objects in lists": ({"a": [{"n": 1}]}, {"a": [{"n": 1}, {"n": 2}]}, {"a": [{"n": 1}, {"n": 2}]}),
    "an untouched list": ({"a": ["x", "x"]}, {"b": 1}, {"a": ["x", "x"], "b": 1}),
    "an added list": ({}, {"a": ["x", "x"]}, {"a": ["x", "x"]}),
    "equal values": ({"a": 1}, {"a": 1}, {"a": 1}),
}
CONFLICTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "different texts": ({"a": "x"}, {"a": "y"}),
    "text and list": ({"a": "x"}, {"a": ["x"]}),
    "null in the fragment": ({"a": "x"}, {"a": None}),
    "deep": ({"a": {"b": 1}}, {"a": {"b": 2}}),
    "an empty text is a value": ({"a": ""}, {"a": "x"}),
    "zero is a value": ({"a": 0}, {"a": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    persona, fragment, expected = CASES[case]
    assert merge(persona, fragment) == (expected, [])


@pytest.mark.parametrize("case", CONFLICTS)
def test_conflicts(case: str) -> None:
    persona, fragment = CONFLICTS[case]
    merged, conflicts = merge(persona, fragment)
    assert len(conflicts) == 1
    assert merged == persona


def test_all_conflicts_are_named() -> None:
    _, conflicts = merge({"a": {"b": 1}, "c": "x"}, {"a": {"b": 2}, "c": 3})
    assert conflicts == [
        "a.b is 1 in the persona and 2 in the fragment",
        "c is 'x' in the persona and 3 in the fragment",
    ]


VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from("xyz"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_the_originals_are_left_alone_and_nothing_is_shared(persona: Any, fragment: Any) -> None:
    before = copy.deepcopy((persona, fragment))
    merged, _ = merge(persona, fragment)
    for value in merged.values():
        if isinstance(value, list):
            value.append("scribble")
        elif isinstance(value, dict):
            value["scribble"] = 1
    assert (persona, fragment) == before


@given(OBJECTS, OBJECTS)
def test_merging_again_changes_nothing_more(persona: Any, fragment: Any) -> None:
    once, conflicts = merge(persona, fragment)
    twice, _ = merge(once, fragment)
    thrice, _ = merge(twice, fragment)
    assert twice == thrice
    assert conflicts or list(persona) == list(once)[: len(persona)]


def test_everyone_gets_the_fragment() -> None:
    plain, difficult = load("difficult_people"), load("difficult_people", ["difficult_person"])
    for before, after in zip(plain.personas, difficult.personas, strict=True):
        own, merged = before.specification["beliefs"], after.specification["beliefs"]
        assert merged[: len(own)] == own
        assert len(merged) == len(own) + 3


NOT_IMPORTABLE = 77
REAL = f"""
import json, sys
try:
    from tinytroupe.agent import TinyPerson
except ImportError:
    sys.exit({NOT_IMPORTABLE})
fragment, *files = sys.argv[1:]
for file in files:
    person = TinyPerson.load_specification(file)
    before = json.dumps(person._persona)
    person.import_fragment(fragment)
    print("MERGED", json.dumps([json.loads(before), person._persona]))
"""


@pytest.mark.tinytroupe
def test_the_real_package_gives_the_same(tmp_path: Path) -> None:
    checkout = os.environ.get("TINYTROUPE_REPO_DIR")
    if not checkout:
        pytest.skip("TINYTROUPE_REPO_DIR is not set")
    fragment = PACKAGED / "fragments" / "difficult_person.agent.fragment.json"
    files = sorted((PACKAGED / "difficult_people").iterdir())
    done = subprocess.run(
        [sys.executable, "-c", REAL, str(fragment), *map(str, files)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": checkout, "OPENAI_API_KEY": "none"},
        capture_output=True,
        text=True,
    )
    if done.returncode == NOT_IMPORTABLE:
        pytest.skip(f"the TinyTroupe of {checkout} cannot be imported here")
    assert done.returncode == 0, done.stderr
    theirs = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("MERGED")]
    addition = json.loads(fragment.read_text("utf-8"))["persona"]
    ours = load("difficult_people", ["difficult_person"]).personas
    for (before, after), persona in zip(theirs, ours, strict=True):
        assert merge(before, addition) == (after, [])
        assert persona.specification.items() <= after.items()
