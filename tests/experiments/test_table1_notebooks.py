"""Reading notebooks: what comes out, and what is said about one that is broken, missing or different."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.experiments.table1 import TABLE, load, notebook
from harness.experiments.table1.notebook_contents import read
from harness.experiments.table1.parity import differences
from harness.experiments.table1.settings import EXP_1, EXP_2_1, EXP_3, ArmSettings, ExperimentSettings
from harness.experiments.table1.words import packaged
from harness.model import Correction, Mode, render
from tests.support.notebooks import published, write_notebook

Edit = Callable[[str, Callable[[str], str]], int]


def swap(pattern: str, replacement: str) -> Callable[[str], str]:
    """Replace the first match of a pattern outside of comments."""

    def once(source: str) -> str:
        code = [("" if line.lstrip().startswith("#") else line) for line in source.split("\n")]
        return (
            re.sub(pattern, replacement, "\n".join(code), count=1)
            if re.search(pattern, "\n".join(code))
            else source
        )

    return once


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, **options)
    return str(caught.value)


def test_what_was_written_is_read(written: Path) -> None:
    for read_one, packaged_one in zip(load(written), load(None), strict=True):
        assert read_one.groups == packaged_one.groups
        assert read_one.modes == packaged_one.modes
        assert read_one.metrics == packaged_one.metrics
        for proposal in packaged_one.script.proposals:
            for part in ("introduction", "task", "consolidation", "task_description"):
                theirs, ours = getattr(read_one.script, part), getattr(packaged_one.script, part)
                assert render(theirs, proposal) == render(ours, proposal)


def test_the_record_says_where_the_words_came_from(folder: Path) -> None:
    for experiment, row in zip(load(folder), TABLE, strict=True):
        assert experiment.script.source == "notebook"
        assert experiment.script.origin["path"] == f"{folder.name}/{row.notebook}"
        assert len(experiment.script.origin["sha256"]) == 64
        assert re.search(r"proposals \d+, broadcasts \d+", experiment.script.origin["cells"])
        assert "differences" not in experiment.script.origin
        assert str(folder.parent) not in repr(experiment.script.origin)


@pytest.mark.parametrize(
    ("experiment", "change", "said"),
    [
        (
            "exp_1",
            (r"quality_threshold = 5", "quality_threshold = 6"),
            "Treatment.correction.quality_threshold is 6; ours is 5",
        ),
        (
            "exp_2_1",
            (r"max_attempts = 2", "max_attempts = 5"),
            "Treatment.correction.max_attempts is 5; ours is 2",
        ),
        (
            "exp_1",
            (r"actions_count >=7", "actions_count >=8"),
            "groups.Treatment.actions_at_least is 8; ours is 7",
        ),
        ("exp_3", (r"simulation_steps = 5", "simulation_steps = 10"), "fast.steps is 10; ours is 5"),
        ("exp_3", (r"repetitions_per_task = 5", "repetitions_per_task = 2"), "full.reps is 2; ours is 5"),
        ("exp_2_2", (r"qty_agents = 12", "qty_agents = 16"), "fast.people is 16; ours is 12"),
        ("exp_2_1", (r"qty_proposals = 4", "qty_proposals = 5"), "fast.proposals is 5; ours is 4"),
        ("exp_3", (r"random\.seed\(42\)", "random.seed(43)"), "shuffle_seed is 43; ours is 42"),
        ("exp_3", (r"random\.shuffle\(people\)", "pass"), "shuffle_seed is none; ours is 42"),
        (
            "exp_1",
            (r"population/usa_general", "population/usa_picky"),
            "population is 'usa_picky'; ours is 'usa_general'",
        ),
        (
            "exp_2_2",
            (r"fragments/difficult_person\.", "fragments/other."),
            "fragments is ('other',); ours is",
        ),
        ("exp_3", (r"full_mode = False", "full_mode = True"), "full_mode is True; ours is False"),
        (
            "exp_2_2",
            (r"add_experiment\(.Control.\)", "add_experiment('Baseline')"),
            "groups is Baseline, Treatment; ours is Control, Treatment",
        ),
        ("exp_2_2", (r": persona_adherence", ": hard_persona_adherence"), "agent_propositions is "),
        ("exp_3", (r"_1c\.json", "_1d.json"), "artifact is 'debating_quantitative_experimentation_1d.json'"),
    ],
)
def test_a_difference_names_cell_value_and_ours(
    folder: Path, edit: Edit, experiment: str, change: tuple[str, str], said: str
) -> None:
    cell = edit(experiment, swap(*change))
    message = refusal(folder)
    row = next(row for row in TABLE if row.name == experiment)
    assert f"{experiment}: {folder.name}/{row.notebook}, cell {cell}: " in message
    assert said in message
    assert "accept_differences" in message


@pytest.mark.parametrize(
    ("experiment", "change", "said"),
    [
        (
            "exp_1",
            (r"(\w+\.action_generator)\.quality_threshold = 5", r"pass"),
            "nothing assigned to action_generator.quality_threshold",
        ),
        (
            "exp_1",
            (r"proposals = \[", "propositions = ["),
            "cannot read proposals: nothing assigned to proposals",
        ),
        ("exp_1", (r"world\.broadcast\(", "world.whisper("), "cannot read broadcasts: 1 calls of broadcast"),
        (
            "exp_1",
            (r"world\.run\(simulation_steps\)", "world.run(3)"),
            "run(1), run(3) after the broadcasts; expected run(1), run(simulation_steps)",
        ),
        (
            "exp_1",
            (r"than\W*10", "than 11 or than 10"),
            "names the gaps 10 and 11; expected one number of events",
        ),
        (
            "exp_1",
            (r"target\.actions_count >=7", "target.mood()"),
            "expected `lambda target: target.actions_count >= N`",
        ),
        (
            "exp_2_2",
            (r"enable_quality_checks = False(?=\s*$)", "enable_quality_checks = True"),
            "nothing assigned to action_generator.quality_threshold",
        ),
        (
            "exp_3",
            (r"enable_reasoning_step = False", "enable_reasoning_step = True"),
            "the reasoning step is on",
        ),
        ("exp_3", (r"random\.seed\(42\)", "pass"), "shuffled without a seed"),
        ("exp_3", (r"len\(people\), 5\)", "len(people), 4)"), "panels of 5 at every 4 people"),
        (
            "exp_3",
            (r"rapporteur = agents\[0\]", "rapporteur = agents[1]"),
            "the rapporteur is `agents[1]`; expected agents[0]",
        ),
        (
            "exp_3",
            (r"population/political_compass", "population/../../secrets"),
            "the path './population/../../secrets'; expected ./population/NAME",
        ),
        (
            "exp_3",
            (r"repetitions=repetitions_per_task", "repetitions=how_many()"),
            "`how_many()`; expected a constant",
        ),
        (
            "exp_3",
            (r": task_completion", ": task_perfection"),
            "the proposition `task_perfection`; expected one of hard_persona_adherence",
        ),
        ("exp_3", (r"proposals = \[", "proposals = [unfinished("), "are not Python"),
        (
            "exp_3",
            (r"proposals = \[", "proposals = [open('leak', 'w'),"),
            "the proposal `open('leak', 'w')`; expected a dictionary of texts",
        ),
    ],
)
def test_code_without_the_expected_literals_is_refused_even_when_differences_are_accepted(
    folder: Path, edit: Edit, experiment: str, change: tuple[str, str], said: str
) -> None:
    edit(experiment, swap(*change))
    for accept in (False, True):
        message = refusal(folder, accept_differences=accept)
        assert f"{experiment}: {folder.name}/" in message
        assert said in message
        assert "run without notebooks" in message
    assert not Path("leak").exists()


@pytest.mark.parametrize("applied", [False, True])
def test_a_number_counts_only_where_it_is_applied(folder: Path, edit: Edit, applied: bool) -> None:
    cell = edit("exp_1", swap(r"(if full_mode:\n)", r"\1    qty_proposals = 3\n"))
    edit("exp_1", swap(r"qty_proposals = 4\n", "pass\n")) if folder.name == "published" else None
    if applied:
        edit(
            "exp_1", swap(r"if not full_mode:\n( +)proposals", r"if qty_proposals is not None:\n\1proposals")
        )
        assert f"cell {cell}: full.proposals is 3; ours is all" in refusal(folder)
    else:
        assert load(folder)[0].modes["full"].proposals is None


def test_every_fault_of_every_notebook_is_reported_at_once(folder: Path, edit: Edit) -> None:
    edit("exp_1", swap(r"quality_threshold = 5", "quality_threshold = 6"))
    edit("exp_3", swap(r"simulation_steps = 5", "simulation_steps = 10"))
    edit("exp_3", swap(r"random\.seed\(42\)", "random.seed(43)"))
    message = refusal(folder)
    for said in ("quality_threshold is 6", "fast.steps is 10", "shuffle_seed is 43"):
        assert said in message


def test_accepted_differences_are_run_and_recorded(folder: Path, edit: Edit) -> None:
    edit("exp_3", swap(r"simulation_steps = 5", "simulation_steps = 10"))
    *others, debate = load(folder, accept_differences=True)
    assert debate.modes["paper"] == Mode(2, 10, 20, 3)
    assert "fast.steps is 10; ours is 5" in debate.script.origin["differences"]
    assert all("differences" not in other.script.origin for other in others)


def test_a_missing_notebook_is_named_with_what_is_there(folder: Path) -> None:
    (folder / EXP_3.notebook).unlink()
    message = refusal(folder)
    assert f"lacks '{EXP_3.notebook}' (exp_3)" in message
    assert "load only exp_1, exp_2_1, exp_2_2" in message
    assert [it.name for it in load(folder, only=("exp_1", "exp_2_2"))] == ["exp_1", "exp_2_2"]


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, Path.exists])
def test_a_folder_without_notebooks_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "empty")
    message = refusal(tmp_path / "empty")
    assert all(repr(row.notebook) in message for row in TABLE)
    assert "paper_artifacts_june-2025" in message
    assert "run without notebooks" in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"cells": 3, "nbformat": 4}',
        b"[" * 5000,
        b"\x00" * 9,
    ],
)
def test_a_file_that_is_no_notebook_is_refused(written: Path, content: bytes) -> None:
    (written / EXP_1.notebook).write_bytes(content)
    assert f"{EXP_1.notebook}: not a Jupyter notebook" in refusal(written) or content == b"{}"
    assert "run without notebooks" in refusal(written)


def test_a_truncated_notebook_is_refused(folder: Path) -> None:
    file = folder / EXP_2_1.notebook
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert f"{EXP_2_1.notebook}: not a Jupyter notebook" in refusal(folder)


def test_a_huge_file_is_refused_unread(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "MAX_BYTES", 1024)
    assert "is larger than 1,024 bytes" in refusal(written)


def test_deeply_nested_code_is_refused(written: Path) -> None:
    file = written / EXP_1.notebook
    document = json.loads(file.read_text())
    document["cells"][1]["source"] = "x = " + "-" * 900 + "1\n" + "y = " + "(" * 150 + "1" + ")" * 150
    file.write_text(json.dumps(document))
    # Where the parser gives up depends on Python's version; no traceback comes of it in any.
    with contextlib.suppress(ConfigurationError):
        load(written)


def test_nothing_of_a_notebook_is_run(written: Path, tmp_path: Path) -> None:
    file = written / EXP_1.notebook
    document = json.loads(file.read_text())
    target = tmp_path / "was-run"
    document["cells"][1]["source"] = f"open({str(target)!r}, 'w')\n"
    file.write_text(json.dumps(document))
    load(written)
    assert not target.exists()


numbers = st.integers(1, 99)
sizes = st.none() | numbers
arms = st.builds(
    ArmSettings,
    correction=st.none() | st.builds(Correction, st.integers(0, 9), st.integers(1, 20), st.booleans()),
)
rows = st.builds(
    ExperimentSettings,
    name=st.just("exp_1"),
    notebook=st.just("any.ipynb"),
    artifact=st.from_regex(r"[a-z]{1,8}\.json", fullmatch=True),
    protocol=st.just("brainstorm"),
    population=st.from_regex(r"[a-z_0-9]{0,8}[a-z]", fullmatch=True).map("p{}".format),
    fragments=st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), max_size=2).map(tuple),
    panel_size=numbers,
    shuffle_seed=sizes,
    full_mode=st.booleans(),
    full=st.builds(Mode, numbers, numbers),
    fast=st.builds(Mode, numbers, numbers, numbers, numbers),
    groups=st.fixed_dictionaries({"Control": arms, "Treatment": arms, "Second": arms}),
    root=st.just("ideas"),
    fields=st.just(EXP_1.fields),
    count_metric=st.just("ideas_qty"),
)


@settings(max_examples=40, deadline=None)
@given(row=rows)
def test_any_settings_survive_a_notebook(
    tmp_path_factory: pytest.TempPathFactory, row: ExperimentSettings
) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_notebook(folder / row.notebook, row, packaged(EXP_1))
    assert differences(read(folder, row), row) == ()


@pytest.mark.tinytroupe
def test_june_is_read_without_a_difference(june: Path) -> None:
    for theirs, ours in zip(load(june), load(None), strict=True):
        assert theirs.modes == ours.modes
        assert theirs.metrics == ours.metrics
        assert [group.correction for group in theirs.groups] == [group.correction for group in ours.groups]
        assert (theirs.population, theirs.fragments) == (ours.population, ours.fragments)


@pytest.mark.tinytroupe
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_junes_texts_are_whole(june: Path, row: ExperimentSettings) -> None:
    """The same texts by another route: patterns over the JSON's own strings, without nbformat or a parser."""
    cells = json.loads((june / row.notebook).read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code = re.sub(r"(?m)^\s*#.*$", "", code)
    assert "\\n" not in re.sub(r"print\(.*\)", "", code), "an escape that this route does not know"

    def between(pattern: str) -> list[str]:
        return re.findall(pattern, code, re.DOTALL)

    (experiment,) = load(june, only=[row.name])
    script = experiment.script
    assert [script.introduction, script.task] == between(r'world\.broadcast\(f"""(.*?)"""\)')
    assert [script.consolidation] == between(r'listen_and_act\("(.*?)"\)')
    assert [script.task_description] == between(r'"task_description": f"(.*?)"')
    assert script.extraction is not None
    assert [script.extraction.situation] == between(r'situation="(.*?)"')
    assert [(script.extraction.root, script.extraction.root_hint)] == between(
        r'fields_hints=\{"(.*?)": "(.*?)"\}'
    )
    (objective,) = between(r"extraction_objective=(.*?),\s*situation=")
    assert script.extraction.objective == "".join(re.findall(r'"(.*?)"', objective))
    nudges = [nudge for group in experiment.groups for nudge in group.interventions]
    assert [nudge.textual for nudge in nudges] == between(r'set_textual_precondition\(\s*"""(.*?)"""')
    assert [nudge.effect for nudge in nudges] == between(r'target\.think\("""(.*?)"""')
    (listed,) = between(r"\nproposals = \[(.*?)\n\]")
    themes = re.findall(r'"theme": "(.*?)"', listed)
    assert [proposal["theme"] for proposal in script.proposals] == themes
    glue = re.compile(r'[\s"+\\]')
    for proposal in script.proposals:
        for value in proposal.values():
            assert glue.sub("", value) in glue.sub("", listed)


@pytest.mark.tinytroupe
def test_another_folder_of_the_family_shows_its_differences_and_runs_when_they_are_accepted() -> None:
    october = published("publications/paper_artifacts_october-2025")
    there = [row.name for row in TABLE if (october / row.notebook).exists()]
    message = refusal(october, only=there)
    assert "full_mode is True; ours is False" in message
    for experiment in load(october, only=there, accept_differences=True):
        assert experiment.modes["paper"] == Mode(reps=2, steps=5, people=12)
        assert experiment.script.origin["differences"]
