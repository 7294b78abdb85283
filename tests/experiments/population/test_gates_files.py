"""Profiles and schema maps with every fault at once; hand-broken and hostile files; the command; the speed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import ConfigurationError
from harness.experiments.population.formats.files import checked as checked_form
from harness.experiments.population.formats.files import lenient
from harness.experiments.population.formats.scenario import ScenarioSpec
from harness.experiments.population.gates import (
    GATES,
    SHIPPED,
    checks_of,
    load_profile,
    load_schema_map,
    run_gates,
)
from harness.experiments.population.gates.material import StudyFiles
from harness.experiments.population.gates.subject import GateSubject
from harness.model import Level
from tests.support.gated_study import agents, bad, checked, edges, scenario, spec, study, write


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_load(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description


def problems(tmp_path: Path, kind: str, content: Any) -> list[str]:
    path = tmp_path / f"{kind}.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_profile(str(path)) if kind == "profile" else load_schema_map(path)
    return list(caught.value.problems)


def test_a_profile_tells_every_fault_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "profile",
        {
            "name": "mine",
            "roles": ["age"],
            "bounds": {"age": {"min": 9, "max": 3}, "height": {"min": 0}},
            "hard": [{"name": "one", "then": "age >"}, {"name": "one", "then": "open('x')"}],
            "priors": [
                {"field": "age", "bins": [{"low": 0, "high": 9, "share": 0.5}, {"low": 5, "share": 0.2}]},
                {"field": "age"},
            ],
            "thresholds": {"marginal_drift": {"warn": 9, "fail": 5}, "support": {"warn": 0.1, "fail": 0.5}},
        },
    )
    text = "\n".join(found)
    for part in (
        "bounds.'age': min=9 is above max=3",
        "rule 'one': occurs 2 times",
        "condition 'age >'",
        "condition \"open('x')\"" if 'condition "open' in text else "open('x')",
        "shares add up to 0.7",
        "bins overlap",
        "expected either shares or bins",
        "roles: lacks 'height'",
        "thresholds.marginal_drift: warn=9 is above fail=5",
        "thresholds.support: warn=0.1 is below fail=0.5",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (
            "profile",
            {"name": "a", "roles": [], "speed": 3},
            "speed: unknown; expected only the keys that docs/gates.md",
        ),
        ("profile", {"roles": []}, "name: missing"),
        ("profile", {"name": "a", "thresholds": {"fewest": 0}}, "fewest=0"),
        ("profile", {"name": "a", "thresholds": {"support": {"warn": "x", "fail": 0}}}, "support.warn='x'"),
        ("profile", "name: [a", "is not YAML"),
        ("profile", "name: a\nname: b", "occurs twice"),
        ("profile", "name: .nan", "name=nan"),
        ("schema map", {"soft": [{"name": "a", "then": "b > 1", "rate": 2, "tolerance": 1}]}, "e=2"),
        ("schema map", {"exclusive": [{"name": "a", "fields": ["one"]}]}, "fields=['one']"),
        ("schema map", {"values": {"sex": {"F": "female"}}}, "values.'sex': no such role"),
        ("schema map", {"required": ["a"], "optional": ["a"]}, "'a': both required and optional"),
        ("schema map", {"hard": [{"name": "a", "then": "().__class__"}]}, "not of the language"),
        ("schema map", "- a\n- b", "expected named parts"),
        ("schema map", "a: &a [x]\nb: [*a, *a]", "alias"),
        ("schema map", "!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_broken_profile_or_schema_map_is_one_clear_error(
    kind: str, content: Any, said: str, tmp_path: Path
) -> None:
    assert said in "\n".join(problems(tmp_path, kind, content))


BROKEN: list[bytes] = [
    b"", b"{", b"[", b"null", b"0", b"[]", b"{}", b'"text"', b"[1, 2, 3]", b'{"agents": {}}', b'{"agents": [null]}',
    b'{"agents": [{}], "edges": [{}]}', b'{"meta": 3, "agents": [[]], "edges": [[]]}', b"\xff\xfe\x00", b"\x00" * 100,
    b"NaN", b'{"agents": [{"_id": 1, "age": NaN}]}', b"[" * 2_000, b"a: b: c", b"\tx", b"- - - -", b"!!python/name:os",
    b'{"meta": {}, "agents": [{"_id": {}, "age": []}], "edges": [{"source": [], "target": {}}]}',
    b'[{"agent_id": null, "final_state": {"aware": 3, "outcomes": [], "position": {}}}]',
    b'[{"timestep": "x", "exposure_rate": "y"}]', b'{"total_cost": "much", "calls": {}}',
    b'{"population_size": "x", "stopped_reason": ["x"], "cost": 1e400, "model": {}}', b"{a: *b}", b"\xef\xbb\xbf{}",
]  # fmt: skip
READ_BY = {
    "base.yaml": ["G1", "G2"],
    "population.yaml": ["G2", "G3A", "G3B"],
    "agents.json": ["G2", "G3A", "G3B", "G4", "GR"],
    "network.json": ["G4"],
    "population.persona.yaml": ["GP"],
    "scenario.yaml": ["G2", "G5", "G6", "GR"],
    "estimate.json": ["GE", "G6"],
    "results/meta.json": ["G6", "GC", "GR"],
    "results/by_timestep.json": ["G6", "GC", "GR"],
    "results/outcome_distributions.json": ["GR"],
    "results/agent_states.json": ["G6", "GC", "GR"],
    "results/timeline.jsonl": ["G6"],
    "results/simulation.db": ["G6"],
}
"""File → gates that read it, one at least of which must see that it is broken."""


@pytest.mark.parametrize("name", READ_BY)
def test_no_broken_file_brings_a_gate_down(name: str, tmp_path: Path) -> None:
    write(tmp_path, study())
    schema = load_schema_map(tmp_path / "schema.yaml")
    for content in BROKEN:
        (tmp_path / name).write_bytes(content)
        report = run_gates(tmp_path, load_profile("generic-all-ages"), schema, gates=READ_BY[name])
        assert report.level is not Level.PASS, content
        json.dumps(report.data(), allow_nan=False)


def test_a_directory_in_a_files_place_is_a_missing_file(tmp_path: Path) -> None:
    files = study()
    del files["network.json"]
    write(tmp_path, files)
    (tmp_path / "network.json").mkdir()
    assert bad(checks_of("G4", GateSubject(StudyFiles(tmp_path), load_profile("generic-all-ages")))) == {
        ("FAIL", "file")
    }


HOSTILE = [
    "\x1b[2J\x1b]0;gone\x07",
    "../../etc/passwd",
    "a\nFAIL G1: x",
    "‮txt",
    "x" * 100_000,
    "{0.__class__}",
    "%s%n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_told_harmlessly(text: str, tmp_path: Path) -> None:
    def planted(files: dict[str, Any]) -> None:
        row = files["agents.json"]["agents"][0]
        row["region"], row[text], row["_id"] = text, text, text
        files["network.json"]["edges"][0] |= {"source": text, "type": text}
        files["scenario.yaml"]["seed_exposure"]["rules"][0] |= {"channel": text, "when": text}
        files["scenario.yaml"]["outcomes"]["suggested_outcomes"][0]["name"] = text
        files["scenario.yaml"]["simulation"]["stop_conditions"] = [text]
        files["population.persona.yaml"]["intro_template"] = text
        files["results/meta.json"]["stopped_reason"] = text
        files["results/agent_states.json"][0]["final_state"]["position"] = text
        files["results/outcome_distributions.json"][text] = {text: 1.0}

    before = set(tmp_path.parent.rglob("*"))
    for gate in GATES:
        for check in checked(tmp_path / "study", gate, planted):
            for said in (check.name, check.message, check.threshold, check.about):
                assert len(said) <= 400
                assert all(sign.isprintable() for sign in said)
    assert {
        path for path in tmp_path.parent.rglob("*") if (tmp_path / "study") not in {path, *path.parents}
    } == before


def test_a_column_is_not_widened_by_one_long_text(tmp_path: Path) -> None:
    rows = agents(2_000)
    rows[0]["region"] = "n" * 1_000_000
    write(tmp_path, {"agents.json": {"agents": rows}, "population.yaml": spec(2_000)})
    table = StudyFiles(tmp_path).agents()
    assert table.column("region").values.nbytes < 2_000_000


runner = CliRunner()


def test_the_command_writes_and_tells(tmp_path: Path) -> None:
    write(tmp_path, study())
    done = runner.invoke(
        app, ["gates", str(tmp_path), "--schema-map", str(tmp_path / "schema.yaml"), "--strict"]
    )
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Gates by generic-all-ages: PASS\nPASS G1  spec: 3 of 3 checks pass\n")
    assert json.loads((tmp_path / "gates.json").read_text())["calibrated"] is True
    filed = json.loads((tmp_path / "results" / "gates.json").read_text())
    assert {"name", "level", "message", "number", "threshold", "about"} == filed[0].keys()
    assert all(len(line) <= 80 or line.startswith("Written") for line in done.output.splitlines())


def test_the_commands_exit_code_and_lines_tell_of_a_failure(tmp_path: Path) -> None:
    files = study()
    files["agents.json"]["agents"][3]["sex"] = None
    write(tmp_path, files)
    done = runner.invoke(app, ["gates", str(tmp_path)])
    assert done.exit_code == 1
    assert "FAIL nulls 'sex': empty for 1 of 200 agents (0.5 %); expected none." in done.output
    assert "Gates by generic-all-ages, uncalibrated: FAIL" in done.output
    files["agents.json"]["agents"][4]["sex"] = None
    write(tmp_path, files)
    again = runner.invoke(app, ["gates", str(tmp_path)])
    assert "STOPPED: gate G3A failed 2 times." in again.output
    assert "G4" not in again.output.split("STOPPED")[0]


def test_a_warning_is_a_failure_where_that_is_asked(tmp_path: Path) -> None:
    write(tmp_path, study())
    assert runner.invoke(app, ["gates", str(tmp_path)]).exit_code == 0
    assert runner.invoke(app, ["gates", str(tmp_path), "--strict"]).exit_code == 1


def test_the_command_gives_json(tmp_path: Path) -> None:
    write(tmp_path, study())
    done = runner.invoke(app, ["gates", str(tmp_path), "--gate", "G4", "--json"])
    assert [one["gate"] for one in json.loads(done.output)["gates"]] == ["G4"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gate", "G7"], "Gate 'G7': there is none; expected one of G1, G2"),
        (["--profile", "../x"], "Gate profile '../x': neither shipped nor a file"),
        (["--schema-map", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_is_asked_wrongly_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    write(tmp_path, study())
    done = runner.invoke(app, ["gates", str(tmp_path), *arguments])
    assert isinstance(done.exception, ConfigurationError)
    assert said in str(done.exception)
    assert not (tmp_path / "gates.json").exists()


def test_ten_thousand_agents_and_a_hundred_thousand_edges_take_about_a_second(tmp_path: Path) -> None:
    size = 10_000
    files = {
        "population.yaml": spec(size),
        "agents.json": {"meta": {"count": size}, "agents": agents(size)},
        "network.json": {"meta": {}, "edges": edges(size, 10)},
        "schema.yaml": study()["schema.yaml"],
    }
    write(tmp_path, files)
    subject = GateSubject(
        StudyFiles(tmp_path), load_profile("generic-all-ages"), load_schema_map(tmp_path / "schema.yaml")
    )
    checks_of(
        "G4", GateSubject(StudyFiles(write(tmp_path / "warm", study())), load_profile("generic-all-ages"))
    )
    begun = time.process_time()
    checks = [check for gate in ("G3A", "G3B", "G4") for check in checks_of(gate, subject)]
    assert time.process_time() - begun < 3, "about 0.5 s where nothing else runs"
    assert bad(checks) == set()


@pytest.mark.parametrize(
    ("first", "load"), [("name: commuters", load_profile), ("fields: ", load_schema_map)]
)
def test_what_the_docs_show_can_be_loaded(first: str, load: Any, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "gates.md").read_text("utf-8")
    block = next(one for one in text.split("\n\n") if one.startswith(f"    {first}"))
    path = tmp_path / "shown.yaml"
    path.write_text("\n".join(line.removeprefix("    ") for line in block.splitlines()), "utf-8")
    load(str(path)) if load is load_profile else load(path)


def test_the_docs_tell_of_every_gate() -> None:
    text = (Path(__file__).parents[3] / "docs" / "gates.md").read_text("utf-8")
    assert all(f"| {gate.name} | {gate.stage} |" in text for gate in GATES.values())
    assert all(f"`{name}`" in text for name in SHIPPED)


def test_gates_read_a_scenario_as_the_simulation_does_and_ignore_what_it_would_refuse_as_unknown() -> None:
    data = scenario() | {"timeline": []}
    data["seed_exposure"]["channels"][0]["colour"] = "red"
    data["seed_exposure"]["rules"] = []
    loose = checked_form(lenient(ScenarioSpec), data, "x")
    assert loose.seed_exposure.channels[0].name == "radio" and loose.seed_exposure.rules == []
    assert isinstance(loose, ScenarioSpec)
    with pytest.raises(ConfigurationError, match="timeline: unknown"):
        checked_form(ScenarioSpec, data, "x")
    data["spread"]["share_probability"] = 3
    with pytest.raises(ConfigurationError, match="share_probability=3"):
        checked_form(lenient(ScenarioSpec), data, "x")
