"""Batches that simulate the study's own scenario: from a sweep to a promoted baseline, killed, changed and failing."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from harness.batches.study_layout import Study
from harness.cli import main
from harness.experiments.population.gates.subject import GateSubject, failed
from harness.model import Check
from tests.support.sessions import LIGHT
from tests.support.studies import contents
from tests.support.towns import NAME, begin, command, simulated

pytestmark = pytest.mark.slow

SWEEP = ("sweep", NAME, "--axis", "threshold", "1", "3", "--confidence", "2", "--seed", "7")

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study without batches, for tests to copy."""
    return begin(tmp_path_factory.mktemp("begun")).root


@pytest.fixture
def study(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(begun, tmp_path / "runs")
    return Study(tmp_path / "runs", NAME)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Say:
    """``harness study`` in this process: its exit code, what it printed and what it complained of."""

    def said(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["harness", "study", *words])
        try:
            main()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
        return code, *capfd.readouterr()

    return said


def batch_of(study: Study) -> Path:
    (found,) = (study.folder / "batches").iterdir()
    return found


def test_from_a_sweep_over_seeds_and_an_axis_to_a_promoted_baseline(study: Study, say: Say) -> None:
    code, told, _ = say(*SWEEP)
    assert code == 0 and "REHEARSAL" in told and told.count("  success  1 of 1 trials, ") == 4
    batch = batch_of(study)
    inputs = {"agents.json", "network.json", "population.persona.yaml", "population.yaml", "scenario.yaml"}
    for variant in sorted((batch / "variants").iterdir()):
        assert {one.name for one in (variant / "inputs").iterdir()} == inputs | {"settings.json"}
        results = {one.name for one in (variant / "results").iterdir()}
        assert results >= {"meta.json", "by_timestep.json", "outcome_distributions.json", "agent_states.json"}
        assert results >= {"timeline.jsonl", "simulation.db", "segments.json", "gates.json", "files.json"}
        meta = json.loads((variant / "results" / "meta.json").read_bytes())
        assert f"-s{meta['seed']}" in variant.name and f"-{meta['multi_touch_threshold']}-" in variant.name
        assert meta["cost"]["calls"]["reason"] == meta["cost"]["calls"]["classify"] > 0
        assert (variant / "inputs" / "agents.json").samefile(
            batch / "variants" / "vr-threshold-1-s7" / "inputs" / "agents.json"
        )
    assert not (batch / "variants/vr-threshold-1-s7/inputs/agents.json").samefile(
        study.folder / "agents.json"
    )
    assert "threshold 1" in say("compare", NAME)[1]
    code, told, complaint = say("finish", NAME)
    assert code == 0, complaint
    assert told.count("gates WARN") == 4  # uncalibrated: there is no schema map
    report = (batch / "report.md").read_text()
    assert "aware by district; n counts agents, over 4 variants, 240 in all:" in report
    assert "stance_for: the share that holds 'for'." in report.replace("\\_", "_")
    assert say("promote", NAME)[0] == 0
    assert study.latest.read_text() == f"{batch.name}\n"
    assert say("audit", NAME)[1] == "Registry, manifests and disk agree.\n"
    before = contents(study.folder)
    code, told, _ = say("run", NAME)
    assert code == 0 and "4 of 4 variants were already finished" in told
    assert contents(study.folder) == before


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a batch comes to that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = begin(folder)
    assert command(folder, *SWEEP, PYTHONHASHSEED="1").returncode == 0
    return simulated(study.folder)


@pytest.mark.parametrize("moment", [1, 110, 240])
def test_a_killed_batch_goes_on_to_the_same_files(
    study: Study, tmp_path: Path, undisturbed: dict[str, object], moment: int
) -> None:
    """At the first call, amid the simulations, and near their end (some 260 calls)."""
    assert command(tmp_path, *SWEEP, KILL_AT=str(moment), PYTHONHASHSEED="2").returncode == -9
    went_on = command(tmp_path, "run", NAME)
    assert went_on.returncode == 0, went_on.stdout + went_on.stderr
    found = simulated(study.folder)
    assert {name for name in found | undisturbed if found.get(name) != undisturbed.get(name)} == set()
    assert any(name.endswith("simulation.db") for name in found)


def test_a_batch_has_its_inputs_for_itself(study: Study, say: Say) -> None:
    assert say(*SWEEP, "--plan-only")[0] == 0
    agents = study.folder / "agents.json"
    agents.write_text(agents.read_text().replace('"district": "farms"', '"district": "station"'))
    assert say("run", NAME)[0] == 0
    code, _, complaint = say(*SWEEP)
    assert code == 4 and "The scenario differs from scn-v01 in" in complaint
    assert "inputs_sha256.Agents" in complaint and "--scenario-rev scn-v02" in complaint
    assert say(*SWEEP, "--scenario-rev", "scn-v02", "--plan-only")[0] == 0


def test_inputs_that_were_changed_are_refused(study: Study, say: Say) -> None:
    assert say(*SWEEP, "--plan-only")[0] == 0
    path = batch_of(study) / "variants/vr-threshold-1-s7/inputs/scenario.yaml"
    path.write_text(path.read_text().replace("share_probability: 0.25", "share_probability: 0.9"))
    code, _, complaint = say("run", NAME)
    assert code == 4 and "inputs_sha256.Scenario" in complaint and "Restore it" in complaint
    assert not list(batch_of(study).glob("variants/*/results/*"))


def test_inputs_that_were_changed_afterwards_are_audited(study: Study, say: Say) -> None:
    assert say(*SWEEP)[0] == 0
    path = batch_of(study) / "variants/vr-threshold-1-s7/inputs/scenario.yaml"
    path.write_text(path.read_text().replace("share_probability: 0.25", "share_probability: 0.9"))
    code, told, _ = say("audit", NAME)
    assert code == 1 and "vr-threshold-1-s7: inputs/scenario.yaml was changed" in told


def test_a_result_that_was_changed_fails_its_gate_at_the_end(study: Study, say: Say) -> None:
    assert say(*SWEEP)[0] == 0
    path = batch_of(study) / "variants/vr-threshold-3-s8/results/outcome_distributions.json"
    path.write_text(path.read_text().replace("stance", "stances"))
    files = path.with_name("files.json")
    hashes = json.loads(files.read_bytes())
    hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    files.write_text(json.dumps(hashes))
    say("finish", NAME)
    code, _, complaint = say("promote", NAME)
    assert code == 4 and "vr-threshold-3-s8: gate GR outcomes FAILs" in complaint
    assert not study.latest.exists()


def test_a_gate_that_fails_before_keeps_a_batch_from_being_declared(study: Study, say: Say) -> None:
    path = study.folder / "network.json"
    network = json.loads(path.read_bytes())
    network["edges"] = network["edges"][:3]
    path.write_text(json.dumps(network))
    code, _, complaint = say(*SWEEP)
    assert (
        code == 4 and "Gate G4 after network FAILs" in complaint and "harness study build town" in complaint
    )
    assert not list((study.folder / "batches").iterdir())


def test_the_same_gate_failing_twice_stops_and_says_why(
    study: Study, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(subject: GateSubject) -> Iterator[Check]:
        subject.material.json("results/meta.json")
        yield failed("dynamics", "planted by a test")

    monkeypatch.setattr("harness.experiments.population.gates.checks.simulate.check", planted)
    code, told, _ = say("sweep", NAME, "--axis", "rate", "6000", "7000", "8000")
    assert code == 1
    rows = study.rows.read_text().splitlines()[1:]
    assert len(rows) == 2 and all("gates FAIL" in row for row in rows)  # the third was not begun
    for part in ("STOPPED: gate G6 failed 2 times.", "Stage: simulate", "Blocker:", "planted by a test"):
        assert part in told
    assert "Options:" in told and "Recommendation:" in told
    assert max(map(len, told.splitlines())) < 250
    monkeypatch.undo()
    monkeypatch.chdir(study.root.parent)
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
    code, told, _ = say("run", NAME)  # a person looked, and says to go on
    assert "vr-rate-8000-s0  success" in told and "gates WARN" in told
    assert code == 1 and say("run", NAME)[0] == 1  # two of the three still FAIL


MISTAKES = [
    (("--count", "2"), "count 2: a variant of a study is one simulation", None),
    (("--gate-profile", "strict.yaml"), "is not under runs/town/specs", None),
    (("--schema-map", "../map.yaml"), "is not under runs/town/specs", None),
    (("--gate-profile", "loose"), "neither shipped nor a file", None),
    (("--exp", "race", "--path", "runs/town/scenario.yaml"), "expected that or no name", None),
    (("--metric", "mood"), "population has no such metric; expected one of aware", None),
    ((), "No --exp, and", ("scenario.yaml", "")),
    ((), "meta.agents_file='people.json'; a study's is 'agents.json'", ("agents_file", "people.json")),
    (("--axis", "share-probability", "2"), "share_probability=2.0; expected 0 to 1", None),
    (("--axis", "simulator", "magic"), "simulator='magic'; expected one of own, extropy", None),
]


@pytest.mark.parametrize(("words", "expected", "change"), MISTAKES)
def test_one_error_for_each_mistake_and_nothing_touched(
    study: Study, say: Say, words: tuple[str, ...], expected: str, change: tuple[str, str] | None
) -> None:
    path = study.folder / "scenario.yaml"
    if change == ("scenario.yaml", ""):
        path.unlink()
    elif change is not None:
        data = yaml.safe_load(path.read_bytes())
        (study.folder / "agents.json").rename(study.folder / change[1])
        data["meta"] |= {change[0]: change[1]}
        path.write_text(yaml.safe_dump(data))
    axis = () if "--axis" in words else ("--axis", "threshold", "2")
    before = contents(study.folder)
    code, _, complaint = say("sweep", NAME, *axis, *words)
    assert code == 4 and expected in complaint and complaint.count("ERROR") == 1
    assert contents(study.folder) == before
