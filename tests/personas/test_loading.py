"""Loading populations from names, folders, files and declarations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ConfigurationError
from harness.model import Persona
from harness.personas import Population, load, packaged

PAPER = Path(__file__).resolve().parents[3] / "shared" / "data" / "tinytroupe-june-2025"


def put(path: Path, name: str = "Ada Moss", **persona: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "TinyPerson", "persona": {"name": name, **persona}}))
    return path


def put_fragment(path: Path, **persona: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "Fragment", "persona": persona}))
    return path


def names(population: Population) -> list[str]:
    return [persona.name for persona in population.personas]


def test_a_directory_is_read_in_the_order_of_its_file_names(tmp_path: Path) -> None:
    for file, name in (("b", "Bo"), ("a", "Al"), ("É", "Eve"), ("Z", "Zed"), ("z", "zed")):
        put(tmp_path / f"{file}.agent.json", name)
    assert names(load(tmp_path)) == ["Zed", "Al", "Bo", "zed", "Eve"]


def test_decomposed_and_composed_accents_sort_alike(tmp_path: Path) -> None:
    composed, decomposed = tmp_path / "composed", tmp_path / "decomposed"
    for folder, accented in ((composed, "\u00e9"), (decomposed, "e\u0301")):
        put(folder / f"{accented}.agent.json", "Eve")
        put(folder / "f.agent.json", "Flo")
    assert names(load(composed)) == names(load(decomposed)) == ["Flo", "Eve"]


def test_hidden_files_fragments_and_other_files_are_not_personas(tmp_path: Path) -> None:
    put(tmp_path / "Ada.agent.json")
    put(tmp_path / "plain.json", "Bo")
    put(tmp_path / "._Ada.agent.json", "ghost")
    put_fragment(tmp_path / "x.agent.fragment.json")
    (tmp_path / "README.md").write_text("not a persona")
    assert names(load(tmp_path)) == ["Ada Moss", "Bo"]


def test_one_file_and_a_path_as_text(tmp_path: Path) -> None:
    file = put(tmp_path / "Ada.agent.json", age=40)
    for source in (file, str(file)):
        population = load(source)
        assert population.source == str(file)
        assert population.personas == (Persona("Ada Moss", {"name": "Ada Moss", "age": 40}, str(file)),)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    file = put(tmp_path / "Ada.agent.json")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert names(load(file)) == ["Ada Moss"]


def test_declared_personas_are_taken_as_they_are() -> None:
    population = load([Persona("Ada", {"age": 3, "likes": ("tea",)}), Persona("Bo", {"name": "Bo"})])
    assert population.source == "declared"
    assert [dict(one.specification) for one in population.personas] == [
        {"name": "Ada", "age": 3, "likes": ["tea"]},
        {"name": "Bo"},
    ]


def test_a_folder_replaces_the_packaged_names(tmp_path: Path) -> None:
    put(tmp_path / "population" / "usa_general" / "Ada.agent.json", beliefs=["a"])
    put_fragment(tmp_path / "fragments" / "short.fragment.json", beliefs=["b"])
    population = load("usa_general", ["short"], folder=tmp_path)
    assert population.personas[0].specification["beliefs"] == ["a", "b"]
    with pytest.raises(ConfigurationError, match=r"Fragment 'difficult_person': not found in"):
        load("usa_general", ["difficult_person"], folder=tmp_path)


def test_the_hash_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    here = load(put(tmp_path / "one" / "a.json", age=3))
    there = load(put(tmp_path / "two" / "b.json", age=3))
    other = load(put(tmp_path / "one" / "c.json", age=4))
    fragment = put_fragment(tmp_path / "x.fragment.json", mood="grim")
    assert here.sha256 == there.sha256
    assert len({here.sha256, other.sha256, load(tmp_path / "one" / "a.json", [fragment]).sha256}) == 3


def test_the_packaged_source_is_the_same_on_every_machine() -> None:
    population = load("usa_general")
    assert population.source == "packaged:usa_general"
    assert population.personas[0].source == "packaged:usa_general/Anh Tuyet Bui.agent.json"


@pytest.mark.skipif(not PAPER.is_dir(), reason=f"the published data are not at {PAPER}")
@pytest.mark.parametrize("name", ["difficult_people", "political_compass", "usa_general"])
def test_the_papers_own_files(name: str) -> None:
    population = load(name, ["difficult_person"], folder=PAPER)
    plain = load(name, folder=PAPER)
    assert len(population.personas) == 20
    assert names(population) == sorted(names(population))
    assert population.sha256 != plain.sha256
    for persona in population.personas:
        assert len(persona.specification["beliefs"]) > 4


@pytest.mark.skipif(not PAPER.is_dir(), reason=f"the published data are not at {PAPER}")
def test_no_packaged_person_has_a_name_of_the_papers() -> None:
    def everyone(folder: Path | None) -> set[str]:
        return {name for source in packaged() for name in names(load(source, folder=folder))}

    assert not everyone(PAPER) & everyone(None)


def test_importing_the_package_is_cheap() -> None:
    heavy = "{'pydantic', 'openai', 'scipy', 'jsonschema', 'difflib', 'importlib.resources'}"
    code = f"import sys, harness.personas; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
