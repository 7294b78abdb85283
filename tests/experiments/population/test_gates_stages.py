"""The graph of stages, what runs again after a fix, and what is said when a gate fails twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigurationError
from harness.experiments.population.gates import GATES, escalation, load_profile, run_gates, stages_to_rerun
from harness.experiments.population.gates.runner import Report, merged, read_report, write_report
from harness.experiments.population.gates.stages import MADE_FROM
from harness.model import Check, Level
from tests.support.gated_study import Study, study, write

PROFILE = "generic-all-ages"


@pytest.mark.parametrize(
    ("gate", "fixed", "expected"),
    [
        ("G1", "spec", tuple(MADE_FROM)),
        ("G3A", "sample", ("sample", "network", "persona", "scenario", "estimate", "simulate", "results")),
        ("G3B", "extend", tuple(MADE_FROM)[1:]),
        ("G4", "network", ("network", "scenario", "estimate", "simulate", "results")),
        ("GP", "persona", ("persona", "simulate", "results")),
        ("G5", "scenario", ("scenario", "estimate", "simulate", "results")),
        ("GE", "estimate", ("estimate",)),
        ("G6", "persona", ("persona", "simulate", "results")),
        ("GC", "simulate", ("simulate", "results")),
        ("GR", "results", ("results",)),
    ],
)
def test_only_what_is_downstream_of_the_fix_runs_again(
    gate: str, fixed: str, expected: tuple[str, ...]
) -> None:
    assert stages_to_rerun(gate, fixed) == expected


def test_what_was_mended_by_hand_is_not_made_again() -> None:
    assert stages_to_rerun("G5", "scenario", by_hand=True) == ("estimate", "simulate", "results")


@pytest.mark.parametrize(
    ("gate", "fixed", "said"),
    [
        ("G9", "spec", "Gate 'G9': there is none; expected one of G1, G2,"),
        ("G1", "specs", "Stage 'specs': there is none; expected one of spec, extend,"),
        (
            "G4",
            "persona",
            "Gate G4 follows network, which reads nothing of persona; expected a fix of spec, extend, ",
        ),
        ("G3A", "simulate", "reads nothing of simulate"),
    ],
)
def test_a_fix_that_cannot_help_is_refused(gate: str, fixed: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        stages_to_rerun(gate, fixed)


def test_each_stage_has_a_gate_and_comes_after_what_it_reads() -> None:
    assert {one.stage for one in GATES.values()} == {*MADE_FROM}
    names = list(MADE_FROM)
    assert all(names.index(source) < names.index(stage) for stage in names for source in MADE_FROM[stage])


def test_an_escalation_is_whole_and_fits_the_screen() -> None:
    checks = [
        Check("nulls", Level.FAIL, "empty for 3 of 9 agents " + "x" * 300, 3, "none", f"a{n}")
        for n in range(8)
    ]
    found = escalation("G3A", checks)
    text = found.text
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in (
        "STOPPED: gate G3A",
        "Stage: sample",
        "Blocker: ",
        "Evidence:",
        "Options:",
        "Recommendation: ",
    ):
        assert part in text
    assert found.evidence[-1] == "… and 3 more"
    assert (
        found.options[0] == "Fix sample, then run again: " + ", ".join(stages_to_rerun("G3A", "sample")) + "."
    )


def broken(number: int) -> Study:
    files = study()
    files["agents.json"]["agents"][number]["sex"] = None
    return files


def run(folder: Path, files: Study) -> Report:
    write(folder, files)
    before = read_report(folder)
    report = run_gates(folder, load_profile(PROFILE), before=before)
    write_report(report, folder)
    return report


def test_the_same_gate_failing_twice_stops_there(tmp_path: Path) -> None:
    first = run(tmp_path, broken(3))
    assert first.escalation is None
    assert first.results[-1].gate == "GR"
    second = run(tmp_path, broken(4))
    assert second.escalation is not None
    assert second.escalation.gate == "G3A"
    assert second.results[-1].gate == "G3A"
    assert read_report(tmp_path).results[-1].failures == 2  # type: ignore[union-attr]


def test_looking_again_at_the_same_files_is_no_second_failure(tmp_path: Path) -> None:
    for _ in range(3):
        assert run(tmp_path, broken(3)).escalation is None


def test_a_pass_in_between_begins_anew(tmp_path: Path) -> None:
    assert run(tmp_path, broken(3)).escalation is None
    assert run(tmp_path, study()).results[2].failures == 0
    assert run(tmp_path, broken(4)).escalation is None


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = run(tmp_path, broken(3))
    assert read_report(tmp_path) == Report(report.profile, report.schema_map, report.results)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"profile": 1}', '{"profile": "a", "schema_map": null, "gates": [1]}']
)
def test_a_report_that_cannot_be_read_is_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "gates.json").write_text(content)
    assert read_report(tmp_path) is None


def test_gates_of_stages_that_have_not_run_are_not_run(tmp_path: Path) -> None:
    files = {name: content for name, content in study().items() if name in ("population.yaml", "agents.json")}
    assert [one.gate for one in run(tmp_path, files).results] == ["G2", "G3A", "G3B"]


def test_a_file_that_is_missing_upstream_is_missed(tmp_path: Path) -> None:
    files = {name: content for name, content in study().items() if name != "network.json"}
    results = {one.gate: one.level for one in run(tmp_path, files).results}
    assert results["G4"] is Level.FAIL


def test_inputs_of_a_variant_are_found(tmp_path: Path) -> None:
    files = {
        name if name.startswith("results/") else f"inputs/{name}": content
        for name, content in study().items()
    }
    assert run(tmp_path, files).level is not Level.FAIL


def test_one_gate_alone_leaves_what_others_said(tmp_path: Path) -> None:
    before = run(tmp_path, study())
    alone = run_gates(tmp_path, load_profile(PROFILE), gates=["G4"])
    assert [one.gate for one in alone.results] == ["G4"]
    assert [one.gate for one in merged(alone, before).results] == [one.gate for one in before.results]


def test_nothing_to_check_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no file of any stage"):
        run_gates(tmp_path, load_profile(PROFILE))
