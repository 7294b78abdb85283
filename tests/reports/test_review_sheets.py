"""Blind sheets: what is hidden, what is shown, and in what form."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigurationError, HarnessError
from harness.records import runs_in_files
from harness.reports.review import Act, Mask, ReviewItem, export, hints
from harness.reports.review.blinding import MASKED, with_endings
from harness.reports.review.item_keys import Key, read_keys
from harness.reports.review.items import LONGEST, as_recorded, cleaned
from harness.reports.review.sheet import COLUMNS, csv_sheet
from harness.reports.spreadsheets import safe_cell
from tests.support.reports import DESIGN, write_run
from tests.support.reviews import betraying, exported, keys, neutral, run_for_review

ITEM = ReviewItem("r1", "", "Do it.", "", "Done.", ())


@pytest.mark.parametrize(
    ("text", "shown", "count"),
    [
        ("I used schedule_task.", f"I used {MASKED}.", 1),
        ("ScheduleTask, schedule-task, SCHEDULE TASK", f"{MASKED}, {MASKED}, {MASKED}", 3),
        ("`functions.schedule_task()`", f"`functions.{MASKED}()`", 1),
        ("the applike way", f"the {MASKED} way", 1),
        ("reschedule_tasks is another word, and so is applikes", None, 0),
        ("I will schedule a task.", None, 0),
    ],
)
def test_names_are_hidden_however_they_are_written(text: str, shown: str | None, count: int) -> None:
    assert Mask.of(["schedule_task", "applike"]).text(text) == (shown or text, count)


def test_a_mask_of_nothing_hides_nothing() -> None:
    assert Mask.of([]).text("anything") == ("anything", 0)


def test_words_of_one_interface_alone_are_known_as_hints(tmp_path: Path) -> None:
    found = hints(run_for_review(tmp_path))
    assert found == {"schedule", "task", "calendar", "create", "event", "reminder"}
    assert with_endings(found).text("In your calendar, with reminders.")[1] == 2


def test_hints_are_told_and_hidden_when_asked_for(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", lambda *_: ("It is in your calendar now.", []))
    told = exported(run, tmp_path / "a")
    assert (told.hinting, told.hidden) == (12, 0)
    strict = exported(run, tmp_path / "b", strict=True)
    assert (strict.hinting, strict.hidden) == (0, 12)
    text = (tmp_path / "b" / "review.csv").read_text("utf-8-sig")
    assert "calendar" not in text and MASKED in text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "＝1", "\n=1"])
def test_nothing_begins_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@given(st.text(max_size=60))
def test_a_sheet_is_read_back_as_it_was_written(text: str) -> None:
    shown = cleaned(text)
    sheet = csv_sheet([replace(ITEM, reply=shown, acts=(Act("change", (("title", shown),)),))])
    (head, row) = list(csv.reader(io.StringIO(sheet.decode("utf-8-sig"), newline="")))
    assert tuple(head) == COLUMNS and len(row) == len(COLUMNS)
    assert row[4] in (shown, f"'{shown}")
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)


def test_texts_are_bounded_and_without_control_characters() -> None:
    assert cleaned("a\x00b\x1b[31m\ud800\nc") == "ab[31m?\nc"
    assert cleaned("x" * (LONGEST + 5)) == "x" * LONGEST + f"… ({LONGEST + 5:,} characters in all)"


def test_the_same_seed_gives_the_same_sheets_and_no_seed_others(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results")
    for name, seed in (("a", 1), ("b", 1), ("c", 2), ("d", None), ("e", None)):
        exported(run, tmp_path / name, seed=seed)
    a, b, c, d, e = ((tmp_path / name / "review.csv").read_bytes() for name in "abcde")
    assert a == b
    assert len({a, c, d, e}) == 4
    assert len(keys(tmp_path / "results" / "review-key.json")) == 4


def test_reviewers_have_orders_of_their_own(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results")
    orders = []
    for name in ("Ada", "Ben"):
        exported(run, tmp_path / name, seed=1, reviewer=name)
        key = next(one for one in keys(tmp_path / "results" / "review-key.json") if one["reviewer"] == name)
        rows = csv.DictReader(
            io.StringIO((tmp_path / name / "review.csv").read_text("utf-8-sig"), newline="")
        )
        orders.append([key["items"][row["item"]] for row in rows])
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_one_file_may_be_asked_for_and_no_other_kind(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", neutral)
    assert exported(run, tmp_path / "one.csv").files == (tmp_path / "one.csv",)
    assert exported(run, tmp_path / "new" / "one.html").files == (tmp_path / "new" / "one.html",)
    with pytest.raises(
        ConfigurationError, match=r"expected a folder, or a file that ends with \.html or \.csv"
    ):
        exported(run, tmp_path / "one.xlsx")


def test_trials_that_failed_are_not_on_the_sheet(tmp_path: Path) -> None:
    run = run_for_review(
        tmp_path / "results", failing=lambda variant, _, rep: variant == "applike" and rep == 1
    )
    assert exported(run, tmp_path / "out").items == 9


def test_a_run_without_a_finished_trial_has_nothing_to_review(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", failing=lambda *_: True)
    with pytest.raises(ConfigurationError, match="no finished trial, so there is nothing to review"):
        exported(run, tmp_path / "out")
    assert not (tmp_path / "results" / "review-key.json").exists()


def test_any_run_with_transcripts_can_be_reviewed(tmp_path: Path) -> None:
    """Persona experiments: what was said is shown, and neither corrections nor what was put into heads."""
    paths = write_run(tmp_path / "results", texts=("A remark on Treatment.",), design=DESIGN)
    (run,) = runs_in_files(paths, keep=lambda record: record)
    done = export(run, tmp_path / "out.csv", seed=1)
    assert done.items == 24
    text = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert f"A remark on {MASKED}." in text and "Ada: " in text
    for hidden in ("Treatment", "Control", "rough", "Think of the night", "nudge"):
        assert hidden not in text


def test_a_dialogue_shows_who_said_what(tmp_path: Path) -> None:
    (run,) = runs_in_files(write_run(tmp_path / "results", design=DESIGN), keep=lambda record: record)
    said = [("Ada", "TALK", "My lamp broke."), ("agent", "TOOL_CALL", "{}"), ("agent", "TALK", "I am sorry.")]
    for outcome in run.outcomes.values():
        outcome.accepted["people"] = ["Ada"]  # type: ignore[index]
        outcome.accepted["transcript"] = [  # type: ignore[index]
            {
                "step": 1,
                "person": person,
                "kind": "action",
                "type": kind,
                "content": text,
                "source": "",
                "target": "",
            }
            for person, kind, text in said
        ]
    export(run, tmp_path / "out.csv", seed=1)
    assert "Ada: My lamp broke.\n\nagent: I am sorry." in (tmp_path / "out.csv").read_text("utf-8-sig")


def test_without_a_studys_own_reading_arguments_are_left_out() -> None:
    record: dict[str, Any] = {"tool_calls": [{"name": "x_y", "args": {"delay_seconds": 5}}]}
    assert as_recorded(record, {}) == [Act("a tool was called")]
    record["actions"] = [
        {"ability": "create_once", "at": ["2026-03-12T15:00"]},
        {"ability": "list", "at": []},
    ]
    assert as_recorded(record, {}) == [
        Act("create once", (("when", "2026-03-12T15:00"),)), Act("list"),
    ]  # fmt: skip


@given(st.sets(st.text(min_size=1, max_size=30), min_size=1, max_size=20), st.text(max_size=40))
def test_ids_are_distinct_and_tell_nothing(trials: set[str], secret: str) -> None:
    key = Key(secret, "e", "r")
    ids = [key.item(trial) for trial in trials]
    assert len(set(ids)) == len(trials)
    assert all(len(one) == 13 and one[0] == "r" and int(one[1:], 16) >= 0 for one in ids)
    assert sorted(key.shuffled(trials)) == sorted(trials)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"type": "review_key", "exports": [{"a": 1}]}', '"x"'])
def test_what_is_no_key_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "k.json").write_text(content)
    with pytest.raises(HarnessError, match=r"k\.json"):
        read_keys(tmp_path / "k.json")


def test_the_page_holds_its_items_and_nothing_of_the_run(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", betraying)
    exported(run, tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text("utf-8")
    data = json.loads(page.partition('id="content">')[2].partition("</script>")[0])
    assert len(data["items"]) == 12 and data["rehearsal"] is False
    assert "rehears" not in page.partition("<body")[2].partition("<script")[0].lower()
    assert "http" not in page.replace("http-equiv", "")
