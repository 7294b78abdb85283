"""Bad input: one error that names the file, the value, what was expected and the way out."""

from __future__ import annotations

import contextlib
import json
import os
import string
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.model import Persona
from harness.personas import load
from harness.personas.documents import MAX_BYTES


def problems(source: object, *fragments: str | Path, folder: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(source, fragments, folder=folder)  # type: ignore[arg-type]
    return caught.value.problems


def person(**persona: object) -> bytes:
    return json.dumps({"type": "TinyPerson", "persona": persona}).encode()


SHAPE = '{"type": "TinyPerson", "persona": {"name": "…", …}}'
FAULTS = {
    "not JSON": (
        b'{"type": "TinyPerson",\n "persona": {"name" "A"}}',
        f"is not JSON: line 2, column 21: Expecting ':' delimiter; expected {SHAPE}. Correct that line.",
    ),
    "empty": (b"", f"is not JSON: line 1, column 1: Expecting value; expected {SHAPE}. Correct that line."),
    "not an object": (b"[1]", f"holds [1]; expected an object like {SHAPE}. Wrap the persona in one."),
    "wrong type": (
        b'{"type": "TinyWorld", "persona": {"name": "A"}}',
        'type=\'TinyWorld\'; expected "type": "TinyPerson". Correct it or move the file elsewhere.',
    ),
    "no type": (
        b'{"persona": {"name": "A"}}',
        'has no type; expected "type": "TinyPerson". Correct it or move the file elsewhere.',
    ),
    "no persona": (b'{"type": "TinyPerson"}', f"lacks a persona; expected an object, as in {SHAPE}. Add it."),
    "persona a list": (
        b'{"type": "TinyPerson", "persona": []}',
        f"persona=[]; expected an object, as in {SHAPE}. Add it.",
    ),
    "no name": (person(age=3), 'the persona has no name; expected "name": "First Last". Add one.'),
    "name a number": (person(name=5), 'name=5; expected a text. Write "name": "First Last".'),
    "empty name": (person(name=" "), "name=' ' is empty; expected a text with letters. Name this person."),
    "NaN": (
        b'{"type": "TinyPerson", "persona": {"name": "A", "age": NaN}}',
        "is not strict JSON: NaN is not a valid JSON number; expected finite numbers and each key once. "
        "Correct it.",
    ),
    "overflow": (
        b'{"type": "TinyPerson", "persona": {"name": "A", "age": 1e999}}',
        "holds what JSON lacks (Out of range float values are not JSON compliant",
    ),
    "huge integer": (
        b'{"type": "TinyPerson", "persona": {"name": "A", "age": ' + b"9" * 5000 + b"}}",
        "is not strict JSON: Exceeds the limit",
    ),
    "half a character": (
        b'{"type": "TinyPerson", "persona": {"name": "\\ud800"}}',
        "holds '\\ud800', half a character; expected Unicode text. Replace it.",
    ),
    "Latin-1": (
        b'{"type": "TinyPerson",\n"persona": {"name": "Ren\xe9"}}',
        "line 2 has the byte 0xe9, which is not UTF-8; expected text in UTF-8. "
        "Save it again in that encoding.",
    ),
    "nested": (
        b'{"type": "TinyPerson", "persona": {"name": "A", "x": ' + b"[" * 40 + b"]" * 40 + b"}}",
        "nested more than 32 deep; expected a description of a person. Flatten it.",
    ),
    "nested without end": (
        b"[" * 200_000,
        f"is nested too deep; expected {SHAPE}. Flatten it.",
    ),
    "too large": (
        person(name="A", text="x" * MAX_BYTES),
        "larger than 1,048,576 bytes. Shorten it.",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_persona_file(fault: str, tmp_path: Path) -> None:
    content, expected = FAULTS[fault]
    file = tmp_path / "A.agent.json"
    file.write_bytes(content)
    (found,) = problems(tmp_path)
    assert found.startswith(f"Persona file {file}: {expected}")


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    for number, (content, _) in enumerate(FAULTS.values()):
        (tmp_path / f"{number:02}.agent.json").write_bytes(content)
    (tmp_path / "98.agent.json").write_bytes(person(name="Ada"))
    (tmp_path / "99.agent.json").write_bytes(person(name="Ada"))
    found = problems(tmp_path, "no_such_fragment")
    assert len(found) == len(FAULTS) + 2


def test_one_file_with_two_faults(tmp_path: Path) -> None:
    (tmp_path / "A.json").write_text('{"type": "Fragment", "persona": {"age": 3}}')
    assert [text.split(": ", 1)[1].split(";")[0] for text in problems(tmp_path)] == [
        "type='Fragment'",
        "the persona has no name",
    ]


def test_a_repeated_name_names_both_files(tmp_path: Path) -> None:
    for file in ("a.agent.json", "b.agent.json"):
        (tmp_path / file).write_bytes(person(name="Ada"))
    assert problems(tmp_path) == (
        f"Persona name 'Ada': in {tmp_path / 'a.agent.json'} and again in {tmp_path / 'b.agent.json'}; "
        "expected every name once in a population. Rename one or remove it.",
    )


def test_names_that_look_alike_are_repeated(tmp_path: Path) -> None:
    for file, name in (("a.json", "Ren\u00e9"), ("b.json", "Rene\u0301"), ("c.json", "Ren\u00e9 ")):
        (tmp_path / file).write_bytes(person(name=name))
    assert len(problems(tmp_path)) == 2


def test_an_unknown_population_is_told_its_neighbours() -> None:
    assert problems("usa_genral") == (
        "Population 'usa_genral': not found among the packaged ones; expected one of difficult_people, "
        "political_compass, usa_general. Did you mean 'usa_general'? Or give a path, with a '/' in it.",
    )


def test_an_unknown_population_of_a_folder(tmp_path: Path) -> None:
    (found,) = problems("usa_general", folder=tmp_path)
    assert found.startswith(f"Population 'usa_general': not found in {tmp_path}; expected one of (none).")
    assert "Packaged, without that folder: difficult_people, political_compass, usa_general." in found


@pytest.mark.parametrize(
    "name", ["", ".", "..", "fragments", "a\0b", "x" * 5000, "nowhere/", "/no/such", "a\0/b"]
)
def test_a_name_never_escapes_as_another_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert problems(name)[0].startswith("Population ")


def test_a_missing_directory(tmp_path: Path) -> None:
    (found,) = problems(tmp_path / "none")
    assert found.startswith(
        f"Population {tmp_path / 'none'}: cannot be listed (No such file or directory); expected"
    )
    assert "or use a packaged one: difficult_people, political_compass, usa_general." in found


def test_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    (found,) = problems(tmp_path)
    assert found.startswith(
        f"Population {tmp_path}: no persona files in it (1 other entries); expected *.agent.json."
    )


def test_no_personas_declared() -> None:
    assert problems([]) == (
        "Population: no personas; expected at least one. Declare some, or name a population.",
    )


def test_faulty_declared_personas() -> None:
    people = [
        Persona("", {}),
        Persona("A", MappingProxyType({"x": float("nan")})),
        Persona("B", {"name": "C"}),
        Persona("D", {"x": {1, 2}}),
    ]
    empty, nan, other, unknown = problems(people)
    assert empty == "Persona '' (declared): name='' is empty; expected a text with letters. Name this person."
    assert nan.startswith("Persona 'A' (declared): holds what JSON lacks (Out of range float values")
    assert other == ("Persona 'B' (declared): its specification has name='C'; expected 'B'. Use one name.")
    assert unknown.startswith("Persona 'D' (declared): holds what JSON lacks (Object of type set")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "A.agent.json")
    (found,) = problems(tmp_path)
    assert "is not a regular file; expected a text file. Move it elsewhere." in found


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    file = tmp_path / "A.agent.json"
    file.touch(mode=0)
    (found,) = problems(tmp_path)
    assert found == (
        f"Persona file {file}: cannot be read (Permission denied); expected a readable file. "
        "Check path and permissions."
    )


def test_a_dangling_link_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "A.agent.json").symlink_to(tmp_path / "gone")
    (found,) = problems(tmp_path)
    assert "A.agent.json: cannot be read (No such file or directory)" in found


def test_faulty_fragments(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_bytes(person(name="A"))
    found = problems("usa_general", "difficult_persn", wrong, tmp_path / "none.json")
    assert found[0].startswith(
        "Fragment 'difficult_persn': not found among the packaged ones; expected one of "
    )
    assert "Did you mean 'difficult_person'?" in found[0]
    assert found[1].startswith(f'Fragment file {wrong}: type=\'TinyPerson\'; expected "type": "Fragment".')
    assert found[2].startswith(
        f"Fragment file {tmp_path / 'none.json'}: cannot be read (No such file or directory)"
    )


def test_a_fragment_that_does_not_fit(tmp_path: Path) -> None:
    fragment = tmp_path / "old.fragment.json"
    fragment.write_text('{"type": "Fragment", "persona": {"age": 90, "a": {"b": "c"}}}')
    people = [Persona("Ada", {"age": 40, "a": {"b": ["c"]}}), Persona("Bo", {"age": 90})]
    assert problems(people, fragment) == (
        f"Fragment file {fragment}: does not fit 'Ada' (declared): age is 40 in the persona and 90 in the "
        "fragment; expected the same value, two lists or two objects. Take it out of one of the two.",
        f"Fragment file {fragment}: does not fit 'Ada' (declared): a.b is ['c'] in the persona and 'c' in "
        "the fragment; expected the same value, two lists or two objects. Take it out of one of the two.",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a"]), inner, max_size=2)
    ),
    max_leaves=8,
)
DOCUMENT = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["TinyPerson", "Fragment"]) | JSON, "persona": JSON}
).map(lambda document: json.dumps(document).encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(persona=st.binary() | DOCUMENT, fragment=st.binary() | DOCUMENT)
def test_any_bytes_load_or_are_refused(tmp_path: Path, persona: bytes, fragment: bytes) -> None:
    (tmp_path / "A.agent.json").write_bytes(persona)
    (tmp_path / "x.fragment.json").write_bytes(fragment)
    for fragments in ((), (tmp_path / "x.fragment.json",)):
        with contextlib.suppress(ConfigurationError):
            assert load(tmp_path, fragments).personas[0].name.strip()
