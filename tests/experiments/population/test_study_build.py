"""``harness study build``: stages and gates in order, what runs again after a change, and where it stops."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from harness.batches.batch_plan import start_study
from harness.batches.study_layout import Study
from harness.cli import main
from harness.experiments.population.build import pipeline
from harness.experiments.population.build.build import alone, build_problems
from harness.experiments.population.gates import stages_to_rerun
from tests.support.builds import TOLD, Bench, copied, kept, unwritable, whole

STAGES = ("spec", "extend", "sample", "network", "persona", "scenario", "estimate")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, smaller and without its schema map, built once."""
    folder = tmp_path_factory.mktemp("built")
    start_study(Study(folder / "runs", "town"))
    pipeline.write_example(Study(folder / "runs", "town"))
    (folder / "runs" / "town" / "pipeline.yaml").write_text("seed: 42\nsize: 200\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["harness", "study", "build", "town"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return folder


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """With a study that has nothing yet."""
    bench = Bench(tmp_path, monkeypatch, capsys)
    assert bench.run("init", "town").code == 0
    return bench


@pytest.fixture
def town(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bench:
    """With the example, built."""
    copied(built / "runs", tmp_path / "runs")
    return Bench(tmp_path, monkeypatch, capsys)


def ran(out: str) -> list[str]:
    """The stages that were made now, by the lines that say so."""
    return [stage for stage in STAGES if f"\n{stage}: made now" in f"\n{out}"]


def levels(study: Path) -> dict[str, str]:
    return {one["gate"]: one["level"] for one in json.loads((study / "gates.json").read_bytes())["gates"]}


def test_the_example_is_built_whole_and_passes_its_gates(empty: Bench) -> None:
    assert empty.run("init", "town", "--example").code == 0
    said = empty.build()
    assert (said.code, said.err) == (0, "")
    assert ran(said.out) == list(STAGES)
    assert all((empty.study() / name).is_file() for name in pipeline.FILES.values())
    assert levels(empty.study()) == dict.fromkeys(("G1", "G2", "G3A", "G3B", "G4", "G5", "GE"), "PASS") | {
        "GP": "WARN"  # life_stage repeats age, and is not told
    }
    assert "persona   made now        hand                    GP WARN" in said.out
    assert "0 model calls" in said.out
    assert said.out.endswith("Next: harness study sweep town --confidence 5\n")
    assert max(map(len, said.out.splitlines())) <= 80
    assert (
        "spec      as it was               hand                  G1 PASS" in empty.run("status", "town").out
    )
    assert "agree" in empty.run("audit", "town").out


def test_said_again_it_changes_nothing(town: Bench) -> None:
    before = whole(town.study())
    said = town.build()
    assert (said.code, ran(said.out)) == (0, [])
    assert whole(town.study()) == before


def test_only_what_is_downstream_of_a_changed_config_runs(town: Bench) -> None:
    persona = town.study() / "population.persona.yaml"
    times, before = persona.stat().st_mtime_ns, kept(town.study())
    town.edit("specs/network-config/network.yaml", "avg_degree: 12", "avg_degree: 8")
    assert "network   to be made again" in town.run("status", "town").out
    said = town.build()
    assert ran(said.out) == [one for one in stages_to_rerun("G4", "network") if one in STAGES]
    assert persona.stat().st_mtime_ns == times
    after = kept(town.study())
    assert {name for name in after if after[name] != before[name]} == {
        "network.json", "estimate.json", "gates.json", ".stages.json"
    }  # fmt: skip


def test_what_is_put_back_is_made_as_it_was(town: Bench) -> None:
    before = whole(town.study())
    town.edit("specs/network-config/network.yaml", "avg_degree: 12", "avg_degree: 8")
    town.build()
    town.edit("specs/network-config/network.yaml", "avg_degree: 8", "avg_degree: 12")
    assert town.build().code == 0
    assert whole(town.study()) == before


def test_a_file_mended_by_hand_is_kept_and_what_is_downstream_runs(town: Bench) -> None:
    agents = town.study() / "agents.json"
    data = json.loads(agents.read_bytes())
    data["agents"][0]["income"] = 2345.0
    mended = json.dumps(data)
    agents.write_text(mended)
    assert "sample    mended by hand" in town.run("status", "town").out
    assert "agents.json" in town.run("audit", "town").out
    said = town.build()
    assert said.code == 0
    assert "sample: mended by hand" in said.out
    assert ran(said.out) == [one for one in stages_to_rerun("G3A", "sample", by_hand=True) if one in STAGES]
    assert agents.read_text() == mended
    again = town.build()
    assert (ran(again.out), "sample    as it was       hand, mended" in again.out) == ([], True)
    assert "agree" in town.run("audit", "town").out


def test_a_mended_file_whose_inputs_change_too_is_refused_with_the_ways_out(town: Bench) -> None:
    town.edit("network.json", '"weight":', '"weight": ')
    town.edit("specs/network-config/network.yaml", "avg_degree: 12", "avg_degree: 8")
    before = whole(town.study())
    said = town.build()
    assert said.code == 4
    assert "network.json was edited by hand" in said.err
    assert "specs/network-config/network.yaml: SHA-256" in said.err
    assert "delete runs/town/network.json" in said.err
    assert whole(town.study()) == before
    (town.study() / "network.json").unlink()
    assert ran(town.build().out) == ["network", "scenario", "estimate"]


def test_what_was_mended_once_is_not_overwritten_later(town: Bench) -> None:
    town.edit("network.json", '"weight":', '"weight": ')
    assert town.build().code == 0
    mended = (town.study() / "network.json").read_bytes()
    said = town.build("--seed", "43")  # agents are drawn anew, and the network was made from the old ones
    assert said.code == 4
    assert "network.json was edited by hand" in said.err
    assert (town.study() / "network.json").read_bytes() == mended


def test_a_file_that_no_build_made_is_not_overwritten(empty: Bench) -> None:
    empty.run("init", "town", "--example")
    (empty.study() / "agents.json").write_text("mine")
    said = empty.build()
    assert said.code == 4
    assert "agents.json is there, and no build made it" in said.err
    assert (empty.study() / "agents.json").read_text() == "mine"
    assert not (empty.study() / "base.yaml").exists()


def test_a_gate_that_fails_twice_is_escalated_until_it_passes(town: Bench) -> None:
    network = "specs/network-config/network.yaml"
    town.edit(network, "avg_degree: 12", "avg_degree: 0.2")
    first = town.build()
    assert first.code == 1
    assert "STOPPED after network: gate G4 FAILs." in first.out
    assert build_problems(Study(Path("runs"), "town")) == [
        "Stage scenario: to be made again.",
        "Stage estimate: to be made again.",
        "Gate G4 after network: FAIL.",
    ]
    assert f"  - change runs/town/{network}\n      then: network, scenario, estimate\n" in first.out
    assert "  - mend runs/town/network.json by hand\n      then: scenario, estimate\n" in first.out
    assert max(map(len, first.out.splitlines())) <= 80
    assert (
        town.build().out.count("STOPPED after network: gate G4 FAILs.") == 1
    )  # looking twice is no second one
    town.edit(network, "avg_degree: 0.2", "avg_degree: 0.3")
    second = town.build()
    assert second.code == 1
    parts = (
        "STOPPED: gate G4 failed 2 times.",
        "Stage: network",
        "Blocker:",
        "Evidence:",
        "Options:",
        "Recommendation:",
    )
    assert all(f"\n{part}" in second.out for part in parts)
    before = whole(town.study())
    third = town.build()
    assert (third.code, ran(third.out), whole(town.study())) == (1, [], before)
    assert third.out[third.out.index("STOPPED") :] == second.out[second.out.index("STOPPED") :]
    town.edit(network, "avg_degree: 0.3", "avg_degree: 9")
    last = town.build()
    assert (last.code, ran(last.out)) == (0, ["network", "scenario", "estimate"])
    failures = {
        one["gate"]: one["failures"]
        for one in json.loads((town.study() / "gates.json").read_bytes())["gates"]
    }
    assert failures["G4"] == 0
    assert build_problems(Study(Path("runs"), "town")) == []


def test_an_outcome_that_leaks_is_found_once_it_is_known_and_remembered(town: Bench) -> None:
    """G2 looks at the scenario, which comes later: what it said in full is not cleared by a look at less."""
    town.edit("specs/scenario/scenario.yaml", "name: will_vote", "name: river_walks")
    first = town.build()
    assert first.code == 1
    assert "gate G2 FAILs" in first.out
    assert len(ran(first.out)) == 2  # scenario, estimate
    assert town.build().out.count("gate G2 FAILs") == 1
    town.edit("specs/scenario/scenario.yaml", "name: river_walks", "name: commute_km")
    assert "STOPPED: gate G2 failed 2 times." in town.build().out
    town.edit("specs/scenario/scenario.yaml", "name: commute_km", "name: will_vote")
    assert town.build().code == 0


def test_a_model_writes_and_is_paid_once(empty: Bench) -> None:
    first = empty.build(*TOLD)
    assert first.code == 0, first.out
    paid = empty.calls
    assert f"{paid} model calls; nothing paid" in first.out
    assert "REHEARSAL: spec, extend, persona, scenario generated offline." in first.out
    records = json.loads((empty.study() / ".stages.json").read_bytes())["stages"]
    assert {stage: (one["by"], one["rehearsal"]) for stage, one in records.items()} == {
        stage: ("model", True) if stage in ("spec", "extend", "persona", "scenario") else ("rule", False)
        for stage in STAGES
    }
    before = kept(empty.study())
    assert ran(empty.build().out) == []
    for stage in ("spec", "persona", "scenario"):
        (empty.study() / pipeline.FILES[stage]).unlink()
    again = empty.build()
    assert (empty.calls, kept(empty.study())) == (paid, before)
    assert "0 model calls" in again.out
    assert "spent: 0 model calls" in (empty.study() / ".build" / "heartbeat.txt").read_text()
    assert empty.build("--seed", "1").code in (0, 1)
    assert empty.calls > paid  # another seed asks anew


def test_options_are_remembered(town: Bench) -> None:
    assert ran(town.build("--threshold", "2", "--chunk-size", "7", "--max-cost", "3").out) == ["estimate"]
    plan = pipeline.read(Study(Path("runs"), "town"))
    assert plan == pipeline.Pipeline(seed=42, size=200, threshold=2, chunk_size=7)
    assert "max_cost" not in (town.study() / "pipeline.yaml").read_text()
    assert ran(town.build("--threshold", "4").out) == ["estimate"]
    outside = town.folder / "map.yaml"
    outside.write_text("fields: {age: age}\n")
    assert town.build("--schema-map", "map.yaml", "--gate-profile", "adults-only").code == 0
    plan = pipeline.read(Study(Path("runs"), "town"))
    assert plan is not None
    assert (plan.schema_map, plan.gate_profile) == (str(outside), "adults-only")
    assert town.build("--schema-map", "runs/town/specs/pop/schema-map.yaml").code in (0, 1)
    plan = pipeline.read(Study(Path("runs"), "town"))
    assert plan is not None
    assert plan.schema_map == pipeline.SCHEMA_MAP


def test_size_stands_in_place_of_what_specs_by_hand_say(town: Bench) -> None:
    assert "sample: made now (150 agents)" in town.build("--size", "150").out


def test_own_prices_are_the_estimates(town: Bench) -> None:
    prices = town.folder / "prices.json"
    prices.write_text(json.dumps({"rehearsal": {"input": 1, "output": 1}}))
    said = town.build("--prices", str(prices))
    assert said.code == 0, said.err
    assert ran(said.out) == ["estimate"]
    assert "calls expected, $" in said.out
    assert ran(town.build().out) == []


def test_two_builds_at_once(town: Bench) -> None:
    with alone(Study(Path("runs"), "town")):
        said = town.build()
    assert said.code == 4
    assert "Study town is being built by another live session (process" in said.err
    assert "heartbeat.txt" in said.err


def test_a_folder_that_cannot_be_written(town: Bench) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind root")
    town.edit("specs/network-config/network.yaml", "avg_degree: 12", "avg_degree: 8")
    with unwritable(town.study()):
        said = town.build()
    assert said.code in (1, 4)
    assert said.err.count("ERROR") == 1
    assert "--studies-dir" in said.err
