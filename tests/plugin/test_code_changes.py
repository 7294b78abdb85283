"""Code that is edited while a run is open: metrics are computed again, anything else begins another run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import fields
from typing import Any

import pytest

import harness.stats
from harness import Group
from harness.checks import CheckRunner
from harness.errors import ConfigurationError
from harness.records import fingerprint, merge
from harness.reports.data.record_rows import gather
from tests.support.sessions import CALLS_PER_TRIAL, Lab, load

MEASURED = '''
import pytest
from harness import Correction, Experiment, Group, Intervention, Measure, Mode, Persona, Script
import scale

LEAST = 1


def remarks(said):
    """How much was said."""
    return LEAST + scale.weighed(sum(event.type == "TALK" for event in said))


def acted(person):
    return person.actions_count >= 1


small = Experiment(
    name="small",
    population=(Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"})),
    groups=(Group("Control"), Group("Treatment", interventions=(Intervention("nudge", "Be bold.", functional=acted),))),
    script=Script(task="Agree on {thing}.", proposals=({"thing": "a bicycle"}, {"thing": "a lamp"})),
    metrics=(Measure("remarks", remarks),),
    modes={"full": Mode(reps=1, steps=1)},
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
'''
SCALE = "FACTOR = 1\n\n\ndef weighed(number):\n    return FACTOR * number\n"
OWN = """
import pytest
from harness import Experiment, Group, Measure, Play, Script
from harness.gateway.calls import Request, CallSite
from harness.model import Sample, TrialResult

PROMPT = "Say a word."


async def play(plan, client):
    words = f"{PROMPT} Be {plan.settings['tone']}."
    await client.complete(Request(({"role": "user", "content": words},)), CallSite("say", "", 0))
    return TrialResult(plan.trial, (Sample("length", len(PROMPT)),))


small = Experiment(
    name="small",
    groups=(Group("Control"), Group("Treatment")),
    script=Script(task="", proposals=({"thing": "a bicycle"}, {"thing": "a lamp"})),
    metrics=(Measure("length"),),
    play=Play(play),
    settings={"tone": "kind"},
    axes=("tone",),
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""


@pytest.fixture
def begun(lab: Lab) -> Lab:
    """Control is finished, Treatment is not."""
    lab.write(MEASURED, scale=SCALE)
    lab.run("-k", "Control").assert_outcomes(passed=1)
    lab.watched.forget()
    return lab


def runs(lab: Lab) -> list[str]:
    return sorted({line["run_id"] for line in lab.lines(kind="run_metadata")})


def values(lab: Lab) -> dict[str, list[float]]:
    groups: dict[str, Any] = lab.artifact()["experiments"]
    return {name: group["results"]["remarks"] for name, group in groups.items() if group}


def checks(lab: Lab, *names: str) -> list[tuple[str, str]]:
    found: list[dict[str, Any]] = lab.meta()["instrument"]["checks"]
    return [(one["name"], one["level"]) for one in found if one["name"] in names]


EDITS = [
    ("test_small", "return LEAST +", "return 100 + 0 * LEAST +", 100),
    ("test_small", "LEAST = 1", "LEAST = 1001", 1001),
    ("scale", "FACTOR = 1", "FACTOR = 1000", 1000),
    ("test_small", 'Measure("remarks", remarks)', 'Measure("remarks", lambda said: 700)', 700),
]


@pytest.mark.parametrize(("file", "old", "new", "least"), EDITS)
def test_a_changed_metric_is_computed_again_for_all_trials_without_a_call(
    begun: Lab, file: str, old: str, new: str, least: int
) -> None:
    (before,) = values(begun).values()
    assert max(before) < least
    sources = {"test_small": MEASURED, "scale": SCALE}
    sources[file] = sources[file].replace(old, new)
    begun.write(sources["test_small"], scale=sources["scale"])
    result = begun.run()
    result.assert_outcomes(passed=2)
    assert {trial.split("/")[1] for trial in begun.watched.calls} == {"Treatment"}, (
        "Control is not played again"
    )
    (run_id,) = runs(begun)
    found = values(begun)
    assert [len(some) for some in found.values()] == [2, 2]
    assert min(map(min, found.values())) >= least, "every value is by the new code"
    result.stdout.fnmatch_lines(
        [
            f"small: resuming run {run_id} with 2 finished trials.",
            "small: metric remarks: computed again from the transcripts of 2 trials with code *; no model was called.",
            "    changed: *",
        ]
    )
    code = begun.meta()["metric_code"]["remarks"]
    assert list(code["recomputed"].values()) == [2]
    assert code["missing"] == {}
    assert checks(begun, "code", "metric code") == [("code", "PASS"), ("metric code", "PASS")]
    old_lines = [line for line in begun.lines("Control") if line["type"] == "trial_result"]
    assert [line["samples"][0]["value"] for line in old_lines] == before, "the record is not overwritten"


def test_an_edit_that_makes_no_difference_is_not_worth_a_word(begun: Lab) -> None:
    edited = MEASURED.replace("How much was said", "Words").replace("LEAST = 1\n", "LEAST = 1  # or more\n")
    begun.write(edited, scale=SCALE + "\n\ndef unused():\n    return 2\n")
    result = begun.run()
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*computed again*")
    assert len(runs(begun)) == 1
    assert list(begun.results.glob("*_measured_*")) == []


def test_a_metric_that_is_put_back_needs_nothing_computed_again(begun: Lab) -> None:
    (before,) = values(begun).values()
    begun.write(MEASURED.replace("LEAST = 1", "LEAST = 1001"), scale=SCALE)
    begun.run("-k", "Control").assert_outcomes(passed=1)
    assert min(values(begun)["Control"]) > 1000
    begun.write(MEASURED, scale=SCALE)
    begun.run("-k", "Control").assert_outcomes(passed=1)
    assert begun.watched.calls == []
    assert values(begun)["Control"] == before


def test_a_metric_that_fails_on_a_transcript_leaves_the_sample_missing(begun: Lab) -> None:
    begun.write(
        MEASURED.replace("return LEAST +", "raise ValueError('odd')\n    return LEAST +"), scale=SCALE
    )
    begun.run("-k", "Control")
    (missing, _) = begun.meta()["missing_samples"]
    assert "ValueError: odd" in missing["reason"]
    assert begun.watched.calls == []


def cut_short(lab: Lab, keep: int) -> None:
    """Leave the first lines of the file of measurements, as a killed session would."""
    (path,) = lab.results.glob("*_measured_*")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:keep]))


@pytest.mark.parametrize("keep", [1, 2])
def test_a_session_killed_while_computing_again_is_made_up_for_by_the_next(begun: Lab, keep: int) -> None:
    begun.write(MEASURED.replace("LEAST = 1", "LEAST = 1001"), scale=SCALE)
    begun.run("-k", "Control")
    cut_short(begun, keep)
    begun.run("-k", "Control").assert_outcomes(passed=1)
    assert min(values(begun)["Control"]) > 1000
    assert len(values(begun)["Control"]) == 2
    assert begun.watched.calls == []


def test_values_that_were_not_computed_again_are_missing_with_both_codes(begun: Lab) -> None:
    begun.write(MEASURED.replace("LEAST = 1", "LEAST = 1001"), scale=SCALE)
    begun.run()
    cut_short(begun, 2)
    merge(sorted(begun.results.glob("*.jsonl")), stats=harness.stats, examine=CheckRunner())
    code = begun.meta()["metric_code"]["remarks"]
    assert list(code["recomputed"].values()) == list(code["missing"].values()) == [1]
    found = values(begun)
    assert [len(some) for some in found.values()] == [1, 2]
    assert min(map(min, found.values())) > 1000, "no value by the old code"
    (missing,) = begun.meta()["missing_samples"]
    assert all(one in missing["reason"] for one in (code["code"], *code["missing"]))
    assert checks(begun, "metric code") == [("metric code", "FAIL")]
    rows = gather(sorted(begun.results.glob("*.jsonl"))).samples.to_pylist()
    assert sorted(row["value"] or 0 for row in rows)[:2] == [0, min(map(min, found.values()))]


def test_a_finished_run_is_computed_again_when_it_is_named(begun: Lab) -> None:
    begun.run().assert_outcomes(passed=2)
    (run_id,) = runs(begun)
    begun.watched.forget()
    begun.write(MEASURED.replace("LEAST = 1", "LEAST = 1001"), scale=SCALE)
    begun.run(f"--resume={run_id}").assert_outcomes(passed=2)
    assert begun.watched.calls == []
    assert min(map(min, values(begun).values())) > 1000
    begun.write(MEASURED, scale=SCALE)
    begun.run().stdout.fnmatch_lines([f"*Resume run {run_id} to compute it again*"])
    assert len(runs(begun)) == 2, "a finished run is not joined unasked"


def test_arms_measured_by_different_code_are_refused(lab: Lab) -> None:
    fixture = """

@pytest.fixture
def experiment(experiment, _harness_case):
    from dataclasses import replace
    if _harness_case.group == "Treatment":
        return replace(experiment, metrics=(Measure("remarks", lambda said: 0),))
    return experiment
"""
    lab.write(MEASURED + fixture, scale=SCALE)
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*remarks is computed by different code in different groups*"])
    assert lab.watched.calls == []


def new_run(lab: Lab, expected: Iterable[str]) -> None:
    """A session of everything begins another run and says why."""
    result = lab.run()
    result.assert_outcomes(passed=2)
    assert len(runs(lab)) == 2
    result.stdout.fnmatch_lines(["small: starting a new run. The open run * differs in:", *expected])
    for trial in set(lab.watched.calls):
        assert trial.startswith("small/")
    assert {trial.split("/")[1] for trial in lab.watched.calls} == {"Control", "Treatment"}


def test_a_changed_precondition_begins_another_run(lab: Lab) -> None:
    lab.write(MEASURED, scale=SCALE)
    lab.run("-k", "Treatment")
    lab.watched.forget()
    lab.write(MEASURED.replace("actions_count >= 1", "actions_count >= 1000"), scale=SCALE)
    new_run(
        lab,
        [
            "  group Treatment: code.nudge: * then, * now",
            "    changed: acted",
            "    -*>= 1",
            "    +*>= 1000",
        ],
    )


def test_a_fixture_that_changes_a_precondition_begins_another_run(lab: Lab) -> None:
    fixture = """

@pytest.fixture
def interventions():
    return (Intervention("nudge", "Be bold.", functional=lambda person: person.actions_count >= 1),)
"""
    lab.write(MEASURED + fixture, scale=SCALE)
    lab.run("-k", "Treatment")
    lab.write(MEASURED + fixture.replace("count >= 1)", "count >= 1000)"), scale=SCALE)
    lab.run("-k", "Treatment")
    assert len(runs(lab)) == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '"Say a word."',
            '"Say another word, or two."',
            ["  code.play: * then, * now", "    changed: PROMPT*"],
        ),
        (
            "client.complete(Request(",
            "client.complete(Request(*[], ",
            ["  code.play: * then, * now", "    changed: play"],
        ),
        ('{"tone": "kind"}', '{"tone": "sharper"}', ["  own.tone: 'kind' then, 'sharper' now"]),
        (
            '{"thing": "a lamp"}',
            '{"thing": "two lamps"}',
            ["  script: * then, * now", "    changed: proposals"],
        ),
    ],
)
def test_a_changed_play_setting_or_script_begins_another_run(
    lab: Lab, old: str, new: str, said: list[str]
) -> None:
    lab.write(OWN)
    lab.run("-k", "Control")
    lab.watched.forget()
    lab.write(OWN.replace(old, new))
    new_run(lab, said)


POPULATION = """

@pytest.fixture
def population(population):
    from dataclasses import replace
    people = tuple(replace(one, specification={**one.specification, "mood": "calm"}) for one in population.personas)
    return replace(population, personas=people)
"""
IN_PLACE = """

@pytest.fixture
def population(population):
    for one in population.personas:
        one.specification["mood"] = "calm"
    return population
"""


@pytest.mark.parametrize("fixture", [POPULATION, IN_PLACE])
def test_a_population_counts_as_its_fixture_leaves_it(lab: Lab, fixture: str) -> None:
    lab.write(MEASURED + fixture, scale=SCALE)
    lab.run("-k", "Control")
    lab.write(MEASURED + fixture.replace("calm", "angry"), scale=SCALE)
    lab.run("-k", "Control").stdout.fnmatch_lines(
        [
            "small: starting a new run. The open run * differs in:",
            "  group Control: population: * then, * now",
            "    changed: Ada, Bo",
            '    -    "mood": "calm"',
            '    +    "mood": "angry"',
        ]
    )
    hashes = {line["run_id"]: line["population"]["sha256"] for line in lab.lines(kind="run_metadata")}
    assert len(hashes) == len({*hashes.values()}) == 2


def test_people_that_a_fixture_changed_between_the_arms_are_noticed(lab: Lab) -> None:
    lab.write(MEASURED + POPULATION, scale=SCALE)
    lab.run("-k", "Control")
    lab.write(MEASURED + POPULATION.replace("calm", "angry"), scale=SCALE)
    lab.run("-k", "Treatment")
    assert len(runs(lab)) == 1
    assert checks(lab, "people") == [("people", "WARN")]


def test_people_by_arm_in_one_session_are_what_a_fixture_declares(lab: Lab) -> None:
    by_arm = POPULATION.replace("(population)", "(population, group)", 1).replace('"calm"', "group.name")
    lab.write(MEASURED + by_arm, scale=SCALE)
    lab.run().assert_outcomes(passed=2)
    assert checks(lab, "people") == []


def as_before_code_was_recorded(lab: Lab) -> None:
    """Turn what a session left into what version 0.1.0 left: no identity of code anywhere."""

    def without(line: dict[str, Any]) -> dict[str, Any]:
        if line["type"] != "run_metadata":
            return line
        line.pop("metric_code")
        settings = line["settings"]
        settings.pop("code", None)
        line["group_settings"].pop("code", None)
        settings["metrics"] = [
            {"name": one["name"], "function": "test_small.remarks"} if one.get("measured") else one
            for one in settings["metrics"]
        ]
        line["fingerprint"] = fingerprint(settings)
        return line

    for path in lab.results.glob("*.jsonl"):
        lines = [without(json.loads(text)) for text in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = lab.lines(kind="run_metadata")[0]
    groups = {first["group"]: first["group_settings"]}
    with closing(sqlite3.connect(lab.results / "runs.sqlite")) as registry, registry:
        new = (json.dumps(first["settings"]), json.dumps(groups), first["fingerprint"])
        registry.execute("update runs set settings = ?, groups = ?, fingerprint = ?", new)


@pytest.mark.parametrize("source", [MEASURED, OWN])
def test_an_open_run_without_recorded_code_is_joined_and_said_to_be_unknown(lab: Lab, source: str) -> None:
    lab.write(source, scale=SCALE)
    lab.run("-k", "Control")
    as_before_code_was_recorded(lab)
    lab.watched.forget()
    result = lab.run()
    result.assert_outcomes(passed=2)
    assert {trial.split("/")[1] for trial in lab.watched.calls} == {"Treatment"}
    (run_id,) = runs(lab)
    result.stdout.fnmatch_lines([f"small: run {run_id} was started by a version that did not record code*"])
    assert ("code", "WARN") in checks(lab, "code")
    if source == MEASURED:
        assert lab.meta()["metric_code"]["remarks"]["recomputed"] == {"unknown": 2}


@pytest.mark.parametrize("lost", [False, True])
def test_a_joined_run_has_its_code_from_then_on(lab: Lab, lost: bool) -> None:
    lab.write(OWN)
    lab.run("-k", "Control")
    as_before_code_was_recorded(lab)
    lab.run("-k", "Treatment")
    if lost:
        (lab.results / "runs.sqlite").unlink()
    lab.write(OWN.replace('"Say a word."', '"Say another word, or two."'))
    lab.run("-k", "Control")
    assert len(runs(lab)) == 2


def test_files_of_runs_by_different_code_are_not_merged(lab: Lab) -> None:
    lab.write(OWN)
    lab.run("-k", "Control")
    lab.write(OWN.replace('"Say a word."', '"Say another word, or two."'))
    lab.run()
    files = sorted(lab.results.glob("*.jsonl"))
    with pytest.raises(ConfigurationError, match=r"code\.play"):
        merge(files, stats=harness.stats)
    merge(files, lab.path / "mixed.json", stats=harness.stats, examine=CheckRunner(), force=True)
    meta = load(lab.path / "mixed.meta.json")
    assert "code.play" in meta["mixed"]["settings"]
    assert "code" in [one["name"] for one in meta["instrument"]["checks"] if one["level"] == "FAIL"]


def test_workers_compute_metrics_again_too(lab: Lab) -> None:
    pytest.importorskip("xdist")
    for least, only in ((1, ["-k", "Control"]), (5001, [])):
        lab.write(MEASURED.replace("LEAST = 1", f"LEAST = {least}"), scale=SCALE)
        session = lab.start("-n2", "-p", "xdist", "--model=rehearsal", *only)
        output, _ = session.communicate()
        assert session.returncode == 0, output
    assert "computed again from the transcripts of 2 trials" in output
    found = values(lab)
    assert [len(some) for some in found.values()] == [2, 2]
    assert min(map(min, found.values())) > 5000


def test_calls_of_a_joined_run_are_as_many_as_ever(begun: Lab) -> None:
    begun.run()
    assert set(begun.watched.per_trial.values()) == {CALLS_PER_TRIAL - 2}, "no proposition is scored here"


ARMS = {
    "correction": ("correction=Correction(quality_threshold=6)", "correction=Correction(quality_threshold=7)"),
    "interventions": ("interventions=(Intervention('a', 'Be bold.', functional=acted),)",
                      "interventions=(Intervention('a', 'Be meek.', functional=acted),)"),
    "model_options": ("model_options={'top_p': 0.5}", "model_options={'top_p': 0.6}"),
    "model": ("model='watched:a'", "model='watched:b'"),
    "instructions": (f"instructions='{'Be kind. ' * 20}Be brief.'", f"instructions='{'Be kind. ' * 20}Be long.'"),
    "script": ("script={'task': 'Swap {thing}.'}", "script={'task': 'Sell {thing}.'}"),
    "population": ("population=(Persona('Cy', {'age': 1}),)", "population=(Persona('Cy', {'age': 2}),)"),
    "fragments": ("fragments=('difficult_person',)", "fragments=()"),
    "memory_limit": ("memory_limit=1000", "memory_limit=2000"),
    "temperature": ("temperature=0.1", "temperature=0.2"),
    "factors": ("factors={'tone': 'warm'}", "factors={'tone': 'cold'}"),
    "survey": ("survey={'stay': 'Will you stay?'}", "survey={'stay': 'Will you stay here?'}"),
}  # fmt: skip
SURVEY = """
from harness import Experiment, Group, Persona, Survey, YesNo

small = Experiment(
    name="small",
    population=(Persona("Ada", {"occupation": "trader"}),),
    groups=(Group("Control"),),
    survey=Survey(items=(YesNo("stay", "Would you stay?"),)),
)
"""


def arm_settings(declared: str) -> dict[str, Any]:
    """What identifies an arm that declares this."""
    from harness.personas import population_of
    from harness.runtime.code.identity import CodeReader
    from harness.runtime.plan import plan_cell
    from harness.runtime.provenance import code_of, group_settings

    space: dict[str, Any] = {}
    source = SURVEY if declared.startswith("survey=") else MEASURED.replace("import scale", "")
    source = source.replace('Group("Control")', f'Group("Control", {declared})')
    exec(compile(source, "<test>", "exec"), space)
    small = space["small"]
    people = population_of(small, None, small.groups[0])
    plan = plan_cell(small, small.groups[0], 1, population=people, engine="embedded")
    return group_settings(plan, code_of(plan, CodeReader()), declared_population=population_of(small).sha256)


@pytest.mark.parametrize("field", sorted({one.name for one in fields(Group)} - {"name", "settings"}))
def test_every_field_of_an_arm_is_part_of_its_identity(field: str) -> None:
    before, after = map(arm_settings, ARMS[field])
    assert before != after
    assert before == arm_settings(ARMS[field][0])


def test_the_end_of_a_long_text_is_shown_where_that_alone_changed(lab: Lab) -> None:
    for declared in ARMS["instructions"]:
        lab.write(MEASURED.replace('Group("Control")', f'Group("Control", {declared})'), scale=SCALE)
        result = lab.run("-k", "Control")
    result.stdout.fnmatch_lines(["  group Control: instructions:", "    -Be brief.", "    +Be long."])
