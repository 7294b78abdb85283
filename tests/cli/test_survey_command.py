"""`harness survey`: a new questionnaire runs at once; questionnaires are shown, imported and converted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import load_survey
from harness.cli.app import app
from harness.errors import HarnessError
from harness.questionnaires import SCHEMA_FILE
from tests.support.qsf import chosen, options, question, survey, when
from tests.support.sessions import Lab


def run(*words: object) -> str:
    found = CliRunner().invoke(app, ["survey", *map(str, words)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.output


@pytest.fixture(autouse=True)
def in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_new_questionnaire_runs_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.path)
    text = run("init", "Town-2.yaml")
    assert "Run it with: pytest -m experiment test_town_2.py" in text
    result = lab.run("test_town_2.py")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*12 of 12 trials finished*"])
    result.stdout.no_fnmatch_line("*FAIL*")


def test_the_comments_of_a_new_questionnaire_say_which_file_to_show() -> None:
    run("init", "town.yaml")
    text = Path("town.yaml").read_text()
    assert "harness survey show town.yaml" in text
    assert [item.kind for item in load_survey("town.yaml").items] == [
        "likert",
        "choice",
        "free_text",
        "multiple_choice",
    ]


@pytest.mark.parametrize("present", ["town.yaml", "test_town.py"])
def test_nothing_is_overwritten(present: str) -> None:
    Path(present).write_text("mine")
    with pytest.raises(HarnessError, match=f"{present}: exists, and nothing was written"):
        run("init", "town.yaml")
    assert [path.name for path in Path().iterdir()] == [present] and Path(present).read_text() == "mine"


def test_show_prints_items_conditions_and_what_a_persona_reads() -> None:
    run("init", "town.yaml")
    text = run("show", "town.yaml")
    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "4 items, asked together",
        "1. trust (likert)",
        "   - scale: 1 not at all, 2, 3, 4, 5 completely",
        "   only if stay == 'no'",
        "4. spend (multiple_choice, at most 2)",
        "--- What a persona reads, call 2 ---",
        "Answer with a whole number from 1 (not at all) to 5 (completely).",
    ):
        assert part in text


def test_show_wraps_long_questions_and_escapes_what_steers_a_terminal() -> None:
    Path("q.json").write_text(
        json.dumps(
            {
                "questionnaire": 1,
                "items": [{"name": "a", "type": "yes_no", "question": "\x1b[31mLong " + "words " * 40}],
            }
        )
    )
    text = run("show", "q.json")
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 80


def test_a_survey_of_a_test_file_is_shown_and_exported() -> None:
    run("init", "town.yaml")
    assert run("show", "test_town.py") == run("show", "town.yaml")
    run("export", "test_town.py", "--out", "copy.csv")
    assert load_survey("copy.csv") == load_survey("town.yaml")
    with pytest.raises(HarnessError, match=r"copy.csv: exists; expected a new file"):
        run("export", "town.yaml", "--out", "copy.csv")


def test_import_writes_a_questionnaire_and_names_what_differs() -> None:
    drive = question(
        1,
        "MC",
        "<b>Do you drive?</b>",
        Selector="SAVR",
        RecodeValues={"1": "1", "2": "0"},
        **options("Yes", "No"),
    )
    where = question(2, "TE", "Where to?", Selector="SL", **when(chosen(1, 1)))
    map_ = question(3, "HeatMap", "Click on it.", Selector="Image")
    late = question(4, "TE", "Why?", Selector="SL", **when(chosen(3, 1)))
    Path("cars.qsf").write_text(json.dumps(survey([drive, where, map_, late])))
    assert run("import", "cars.qsf").splitlines() == [
        "cars.yaml: 3 items, 1 with a condition (Qualtrics QSF)",
        "Left out (1):",
        "  Q3 (QID3): the question type HeatMap/Image has no counterpart",
        "Changed (1):",
        "  Q4 (QID4): it is asked of everyone, without its display logic: QID3 is not carried, or comes later",
        "Show it with: harness survey show cars.yaml",
    ]
    assert "- Yes [1]" in run("show", "cars.yaml")
    with pytest.raises(HarnessError, match=r"cars.yaml: exists; expected a new file"):
        run("import", "cars.qsf")


def test_the_schema_is_printed() -> None:
    assert json.loads(run("schema")) == json.loads(SCHEMA_FILE.read_text("utf-8"))
