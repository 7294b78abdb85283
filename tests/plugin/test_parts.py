"""The parts of an experiment as fixtures: overriding one changes just that, in what is asked and in the record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.sessions import CALLS_PER_TRIAL, SMALL, Lab

OVERRIDES: dict[str, tuple[str, str, Any]] = {
    "correction": (
        "def correction(correction): return Correction(quality_threshold=8)",
        "correction",
        {"enabled": True, "quality_threshold": 8, "max_attempts": 2, "regeneration": True},
    ),
    "interventions": (
        "def interventions(): return (Intervention('shake', 'I should say something new.'),)",
        "interventions",
        [{"name": "shake", "functional": None, "textual": None, "effect": "I should say something new."}],
    ),
    "population": (
        "def population(): return (Persona('Cy', {'age': 30}), Persona('Di', {'age': 31}), Persona('Ed', {}))",
        "population",
        3,
    ),
    "group": (
        "def group(group): return Group(group.name, correction=Correction(quality_threshold=2))",
        "correction",
        {"enabled": True, "quality_threshold": 2, "max_attempts": 2, "regeneration": True},
    ),
    "rep": ("def rep(rep): return rep + 4", "rep", 5),
    "experiment": (
        "def experiment(experiment):\n"
        "    import dataclasses\n"
        "    script = dataclasses.replace(experiment.script, proposals=({'thing': 'a boat'},))\n"
        "    return dataclasses.replace(experiment, script=script)",
        "script",
        [{"thing": "a boat"}],
    ),
}


def seen(metadata: dict[str, Any], key: str) -> Any:
    value = metadata[key]
    if key == "population":
        return value["people"]
    return value["words"]["proposals"] if key == "script" else value


@pytest.mark.parametrize("place", ["module", "conftest"])
@pytest.mark.parametrize("name", OVERRIDES)
def test_overriding_one_part_changes_just_that(lab: Lab, name: str, place: str) -> None:
    lab.run()
    plain = {line["group"]: line for line in lab.lines(kind="run_metadata")}
    for path in lab.results.iterdir():
        if path.is_file():
            path.unlink()
    definition, key, expected = OVERRIDES[name]
    fixture = f"\n@pytest.fixture\n{definition}\n"
    if place == "module":
        lab.write(SMALL + fixture)
    else:
        lab.pytester.makeconftest("import pytest\nfrom harness import *\n" + fixture)
    lab.run().assert_outcomes(passed=2)
    found = {line["group"]: line for line in lab.lines(kind="run_metadata")}
    for group, line in found.items():
        assert seen(line, key) == expected
        for other in ("correction", "interventions", "population", "rep", "script", "engine"):
            if other != key:
                assert line[other] == plain[group][other], other


def test_an_override_for_one_group_leaves_the_other(lab: Lab) -> None:
    lab.write(
        SMALL
        + "\n@pytest.fixture\ndef correction(group):\n"
        + "    return Correction(quality_threshold=3) if group.name == 'Treatment' else None\n"
    )
    lab.run().assert_outcomes(passed=2)
    enabled = {line["group"]: line["correction"]["enabled"] for line in lab.lines(kind="run_metadata")}
    assert enabled == {"Control": False, "Treatment": True}
    assert len(lab.artifacts) == 1


def test_an_overridden_population_takes_part(lab: Lab) -> None:
    lab.write(SMALL + "\n@pytest.fixture\ndef population(): return (Persona('Cy', {}), Persona('Di', {}))\n")
    lab.run()
    people = {sample["person"] for line in lab.lines(kind="trial_result") for sample in line["samples"]}
    assert people == {"Cy", "Di"}


@pytest.mark.parametrize("value", ["'people'", "Path('people')", "'./people'"])
def test_a_population_may_be_a_folder(lab: Lab, value: str) -> None:
    if value == "'people'":
        value = "str(Path('people').resolve())"
    folder = lab.path / "people"
    folder.mkdir()
    for name in ("Fay", "Gil"):
        persona = {"type": "TinyPerson", "persona": {"name": name, "age": 40}}
        (folder / f"{name}.agent.json").write_text(json.dumps(persona))
    lab.write(f"from pathlib import Path\n{SMALL}\n@pytest.fixture\ndef population(): return {value}\n")
    lab.run().assert_outcomes(passed=2)
    assert {line["population"]["people"] for line in lab.lines(kind="run_metadata")} == {2}


def test_the_engine_is_a_fixture_too(lab: Lab) -> None:
    lab.write(SMALL + "\n@pytest.fixture\ndef engine(): return 'tinytrope'\n")
    result = lab.run()
    assert result.ret != 0
    assert "not installed; expected one of embedded, tinytroupe" in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert lab.watched.calls == []


def test_the_writer_pool_writes_into_the_cells_own_file(lab: Lab) -> None:
    lab.write(
        SMALL.replace(
            "def test_small(cell):\n    cell.run()",
            "def test_small(cell, writer_pool, experiment, group, rep):\n    cell.run()\n"
            "    writer_pool.get(experiment.name, group.name, rep).write({'type': 'note', 'text': 'mine'})",
        )
    )
    lab.run().assert_outcomes(passed=2)
    for group in ("Control", "Treatment"):
        assert [line["type"] for line in lab.lines(group)] == [
            "run_metadata", "trial_result", "trial_result", "note",
        ]  # fmt: skip
    assert lab.meta()["partial"] is False


def test_a_test_sees_the_outcome_of_its_cell(lab: Lab) -> None:
    lab.write(
        SMALL.replace(
            "    cell.run()",
            "    assert len(cell.plan.trials) == 2\n    outcome = cell.run()\n"
            "    assert len(outcome.values('Courtesy')) == 4 and outcome.finished and outcome.seconds > 0",
        )
    )
    lab.run().assert_outcomes(passed=2)


def test_parts_outside_an_experiment_session_say_what_to_do(lab: Lab) -> None:
    lab.write("def test_it(writer_pool): pass")
    result = lab.run("-m", "experiment or not experiment")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*uses the fixture 'writer_pool' outside an experiment session; mark the test*"]
    )


TEARDOWNS = {
    "yield": "@pytest.fixture\ndef aid():\n    note('up')\n    yield\n    note('down')\n",
    "finalizer": "@pytest.fixture\ndef aid(request):\n    note('up')\n    request.addfinalizer(lambda: note('down'))\n",
    "on the item": (
        "@pytest.fixture\ndef aid(request):\n    note('up')\n    request.node.addfinalizer(lambda: note('down'))\n"
    ),
    "monkeypatch": "@pytest.fixture\ndef aid(monkeypatch):\n    monkeypatch.setenv('MINE', '1')\n    note('up')\n",
    "tmp_path": "@pytest.fixture\ndef aid(tmp_path):\n    note('up')\n    (tmp_path / 'file').write_text('x')\n",
    "context of a class": "@pytest.fixture(autouse=True)\ndef aid():\n    note('up')\n    yield\n    note('down')\n",
}
NOTE = (
    "import pathlib\n"
    "def note(text):\n    with pathlib.Path('notes').open('a') as file: file.write(text + '\\n')\n"
)


@pytest.mark.parametrize("kind", TEARDOWNS)
def test_a_case_with_a_teardown_runs_at_its_own_turn(lab: Lab, kind: str) -> None:
    own_turn = SMALL.replace("def test_small(cell):", "def test_small(cell, aid):\n    note('run')")
    design, marker, test = own_turn.partition("@pytest.mark.experiment")
    lab.write("".join([design, NOTE, TEARDOWNS[kind], marker, test]))
    result = lab.run()
    result.assert_outcomes(passed=2)
    assert lab.meta()["partial"] is False
    notes = (lab.path / "notes").read_text().split()
    assert notes[-3:] == (["up", "run", "down"] if "down" in notes else notes[-3:])
    assert notes.count("run") == 2
    assert notes.count("up") == notes.count("down") or "down" not in notes


def test_a_case_with_a_written_teardown_is_set_up_once_and_said_to_run_alone(lab: Lab) -> None:
    lab.write(
        SMALL.replace("def test_small(cell):", "def test_small(cell, aid):") + NOTE + TEARDOWNS["yield"]
    )
    result = lab.run()
    assert (lab.path / "notes").read_text().split() == ["up", "down"] * 2
    result.stdout.fnmatch_lines(["*2 cases ran one at a time: fixture 'aid' has a teardown.*"])


def test_wider_fixtures_are_set_up_once_for_the_whole_session(lab: Lab) -> None:
    lab.write(
        SMALL.replace("def test_small(cell):", "def test_small(cell, wide):")
        + NOTE
        + "@pytest.fixture(scope='session')\ndef wide():\n    note('up')\n    return 1\n"
    )
    lab.run("--mode=long").assert_outcomes(passed=6)
    assert (lab.path / "notes").read_text().split() in (
        ["up"],
        ["up", "up"],
    )  # ahead, and at the cases' turns


@pytest.mark.parametrize(
    ("mark", "outcome"),
    [
        ("@pytest.mark.skip(reason='no')", {"skipped": 2}),
        ("@pytest.mark.skipif(True, reason='no')", {"skipped": 2}),
        ("@pytest.mark.xfail(run=False)", {"xfailed": 2}),
    ],
)
def test_a_marker_that_skips_sends_nothing(lab: Lab, mark: str, outcome: dict[str, int]) -> None:
    lab.write(SMALL.replace("@pytest.mark.experiment", f"{mark}\n@pytest.mark.experiment"))
    lab.run().assert_outcomes(**outcome)
    assert lab.watched.calls == []


@pytest.mark.parametrize(
    "skipper",
    [
        pytest.param("def pytest_runtest_setup(item):\n    pytest.skip('not today')", id="hook"),
        pytest.param(
            "@pytest.fixture(autouse=True)\ndef gate():\n    pytest.skip('not today')", id="fixture"
        ),
    ],
)
def test_a_skip_in_set_up_sends_nothing(lab: Lab, skipper: str) -> None:
    lab.pytester.makeconftest(f"import pytest\n{skipper}\n")
    lab.run().assert_outcomes(skipped=2)
    assert lab.watched.calls == []


def test_one_skipped_arm_leaves_the_other(lab: Lab) -> None:
    lab.pytester.makeconftest(
        "import pytest\n@pytest.fixture(autouse=True)\n"
        "def gate(group):\n    if group.name == 'Control': pytest.skip('not today')\n"
    )
    lab.run().assert_outcomes(skipped=1, passed=1)
    assert {trial.split("/")[1] for trial in lab.watched.calls} == {"Treatment"}
    assert lab.artifact()["finished_experiments"] == ["Treatment"]


def test_an_error_in_a_fixture_is_reported_as_pytest_does(lab: Lab) -> None:
    lab.write(SMALL + "\n@pytest.fixture\ndef correction(): raise RuntimeError('broken fixture')\n")
    result = lab.run()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*RuntimeError: broken fixture*"])
    assert lab.watched.calls == []


def test_xfail_does_not_hide_what_was_recorded(lab: Lab) -> None:
    lab.write(SMALL.replace("@pytest.mark.experiment", "@pytest.mark.xfail\n@pytest.mark.experiment"))
    lab.run().assert_outcomes(xpassed=2)
    assert lab.meta()["partial"] is False


def test_an_arm_set_up_in_two_ways_in_one_session_is_refused(lab: Lab) -> None:
    strict = "    @pytest.fixture\n    def correction(self): return Correction(quality_threshold={})\n"
    body = "    @pytest.mark.experiment(small)\n    def test_it(self, cell): cell.run()\n"
    lab.write(
        SMALL.split("@pytest.mark.experiment")[0]
        + "".join(f"class Test{n}:\n{strict.format(n)}{body}" for n in (3, 7))
    )
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: Group * of small has two different setups in one session:",
            "  correction.quality_threshold: 3 and 7",
            "Expected one setup per group.*",
        ]
    )
    assert lab.watched.calls == []
    lab.run("-k", "Test7").assert_outcomes(passed=2, deselected=2)


def test_fixtures_that_differ_at_their_turn_fail_the_case_and_mix_nothing(lab: Lab) -> None:
    lab.write(
        SMALL
        + "\ntimes = []\n"
        + "@pytest.fixture\ndef correction():\n    times.append(1)\n    return Correction(len(times))\n"
    )
    result = lab.run("-k", "Control")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*has two different setups in one session:*", "*quality_threshold: 1 and 2*"]
    )
    assert {line["correction"]["quality_threshold"] for line in lab.lines(kind="run_metadata")} <= {1}


def test_two_tests_of_one_experiment_share_its_trials(lab: Lab) -> None:
    lab.write(f"{SMALL}\n@pytest.mark.experiment(small)\ndef test_again(cell):\n    cell.run()\n")
    lab.run().assert_outcomes(passed=4)
    assert len(lab.watched.calls) == 4 * CALLS_PER_TRIAL
    assert lab.meta()["trials"]["attempts"] == 4


@pytest.mark.parametrize("options", [("--fresh",), ("--fresh", "--pdb"), ("--pdb",)])
def test_arms_that_enter_one_by_one_are_of_one_run(lab: Lab, options: tuple[str, ...]) -> None:
    lab.write(SMALL.replace("(cell)", "(cell, tmp_path)"))
    lab.run(*options).assert_outcomes(passed=2)
    assert lab.meta()["partial"] is False
    assert len({line["run_id"] for line in lab.lines()}) == 1
