"""The parity table, line by line, on the packaged experiments."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys

import pytest

from harness.errors import ConfigurationError
from harness.experiments.table1 import load
from harness.experiments.table1.claims import CLAIMS
from harness.model import ActionsAtLeast, Correction, Experiment, Mode, Proposition

NAMES = ("exp_1", "exp_2_1", "exp_2_2", "exp_3")
BRAINSTORMS = NAMES[:3]
PEOPLE = 20


@pytest.fixture(scope="module")
def by_name() -> dict[str, Experiment]:
    return {experiment.name: experiment for experiment in load(None)}


def test_the_four_experiments_come_in_their_order() -> None:
    assert tuple(experiment.name for experiment in load()) == NAMES


def test_only_chooses_among_them() -> None:
    assert [experiment.name for experiment in load(only=["exp_3", "exp_1"])] == ["exp_1", "exp_3"]
    with pytest.raises(ConfigurationError, match=r"'exp_9': unknown; expected one of exp_1, exp_2_1"):
        load(only=["exp_9"])


@pytest.mark.parametrize(
    ("name", "protocol", "population", "fragments", "panel_size", "seed"),
    [
        ("exp_1", "brainstorm", "usa_general", (), 5, None),
        ("exp_2_1", "brainstorm", "difficult_people", ("difficult_person",), 4, None),
        ("exp_2_2", "brainstorm", "difficult_people", ("difficult_person",), 4, None),
        ("exp_3", "debate", "political_compass", (), 5, 42),
    ],
)
def test_who_meets(
    by_name: dict[str, Experiment],
    name: str,
    protocol: str,
    population: str,
    fragments: tuple[str, ...],
    panel_size: int,
    seed: int | None,
) -> None:
    it = by_name[name]
    assert (it.protocol, it.population, it.fragments) == (protocol, population, fragments)
    assert (it.panel_size, it.shuffle_seed) == (panel_size, seed)


@pytest.mark.parametrize(
    ("name", "full", "fast", "paper"),
    [
        ("exp_1", Mode(2, 10, None, None), Mode(1, 10, 12, 1), "full"),
        ("exp_2_1", Mode(5, 15, None, None), Mode(2, 10, 12, 4), "fast"),
        ("exp_2_2", Mode(5, 15, None, None), Mode(2, 10, 12, 4), "fast"),
        ("exp_3", Mode(5, 15, None, None), Mode(2, 5, 20, 3), "fast"),
    ],
)
def test_sizes(by_name: dict[str, Experiment], name: str, full: Mode, fast: Mode, paper: str) -> None:
    modes = by_name[name].modes
    assert modes == {"full": full, "fast": fast, "paper": modes[paper]}
    assert by_name[name].default_mode == "paper"


@pytest.mark.parametrize(
    ("name", "treatment"),
    [
        ("exp_1", Correction(quality_threshold=5, max_attempts=5, regeneration=True)),
        ("exp_2_1", Correction(quality_threshold=5, max_attempts=2, regeneration=True)),
        ("exp_2_2", None),
        ("exp_3", Correction(quality_threshold=5, max_attempts=2, regeneration=True)),
    ],
)
def test_correction_is_off_in_control_and_as_published_in_treatment(
    by_name: dict[str, Experiment], name: str, treatment: Correction | None
) -> None:
    it = by_name[name]
    assert [group.name for group in it.groups] == ["Control", "Treatment"]
    assert it.group("Control").correction is None
    assert it.group("Treatment").correction == treatment


@pytest.mark.parametrize("name", NAMES)
def test_control_has_no_intervention(by_name: dict[str, Experiment], name: str) -> None:
    assert by_name[name].group("Control").interventions == ()


@pytest.mark.parametrize(("name", "gap"), [("exp_1", 10), ("exp_2_1", 5), ("exp_2_2", 5)])
def test_treatment_of_the_brainstorms_has_the_variety_intervention(
    by_name: dict[str, Experiment], name: str, gap: int
) -> None:
    (intervention,) = by_name[name].group("Treatment").interventions
    assert intervention.functional == ActionsAtLeast(7)
    assert f"more than {gap} events" in str(intervention.textual)
    assert "{" not in f"{intervention.textual}{intervention.effect}"


def test_the_debate_has_no_intervention(by_name: dict[str, Experiment]) -> None:
    assert by_name["exp_3"].group("Treatment").interventions == ()


@pytest.mark.parametrize("name", NAMES)
def test_propositions_and_the_order_of_keys(by_name: dict[str, Experiment], name: str) -> None:
    it = by_name[name]
    adherence = "Persona Adherence" if name == "exp_2_2" else "Hard Persona Adherence"
    count = "opinions_qty" if name == "exp_3" else "ideas_qty"
    personal = (adherence, "Self-consistency", "Fluency")
    assert it.metric_names == (*personal, count, "Task Completion", "Divergence")
    propositions = [metric for metric in it.metrics if isinstance(metric, Proposition)]
    assert [p.about for p in propositions] == ["person"] * 3 + ["panel"] * 2
    for p in propositions:
        assert p.tinytroupe == p.name.lower().replace(" ", "_").replace("-", "_")
        assert p.claim == CLAIMS[str(p.tinytroupe)][0]


@pytest.mark.parametrize("name", NAMES)
def test_extraction(by_name: dict[str, Experiment], name: str) -> None:
    extraction = by_name[name].script.extraction
    assert extraction is not None
    if name == "exp_3":
        assert (extraction.root, extraction.fields) == ("opinions", ("opinion", "pros", "cons"))
    else:
        fields = ("name", "description", "problem", "target_audience", "competition_analysis")
        assert (extraction.root, extraction.fields) == ("ideas", fields)


@pytest.mark.parametrize(
    ("name", "agent_scores", "environment_scores"),
    [("exp_1", 200, 40), ("exp_2_1", 96, 24), ("exp_2_2", 96, 24), ("exp_3", 120, 24)],
)
def test_scores_per_group_are_as_many_as_published(
    by_name: dict[str, Experiment], name: str, agent_scores: int, environment_scores: int
) -> None:
    it = by_name[name]
    mode = it.modes["paper"]
    people = min(mode.people or PEOPLE, PEOPLE)
    trials_per_panel = len(it.script.proposals[: mode.proposals]) * mode.reps
    assert people * trials_per_panel == agent_scores
    assert math.ceil(people / (it.panel_size or people)) * trials_per_panel == environment_scores


@pytest.mark.parametrize("name", NAMES)
def test_the_packaged_script_is_whole(by_name: dict[str, Experiment], name: str) -> None:
    script = by_name[name].script
    assert script.source == "embedded"
    assert len(script.proposals) == (3 if name == "exp_3" else 5)
    detail = "details" if name == "exp_3" else "objective"
    assert all(set(proposal) == {"theme", detail} for proposal in script.proposals)
    assert len({proposal["theme"] for proposal in script.proposals}) == len(script.proposals)
    assert "{theme}" in str(script.introduction)
    assert f"{{{detail}}}" in script.task
    assert f"{{{detail}}}" in script.task_description
    assert script.consolidation


def test_experiments_travel_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(load(None))) == load(None)


def test_importing_the_study_imports_no_heavy_library() -> None:
    code = (
        "import sys, harness.experiments.table1 as t; t.load(None); "
        "print(*{'nbformat', 'pydantic', 'scipy', 'openai'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
