"""Scores that come back: checked whole, kept beside the records, and never one reviewer's over another's."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.stats as stats
from harness.errors import ConfigurationError, HarnessError
from harness.records import merge, read
from harness.reports.review import DIMENSIONS, Imported, import_scores
from harness.reports.review.score_import import sent_and_key
from harness.reports.review.scores import number, read_scores
from harness.reports.review.store import kept, store_path
from tests.support.reviews import exported, filled_in, keys, read_back, reviewed, run_for_review

NOW = datetime(2026, 3, 11, 9, 30, tzinfo=UTC)
GOOD = dict.fromkeys(DIMENSIONS, 3)


class Desk:
    """A run, its sheets, and a way to send scores back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder, folder / "results"
        self.run = run_for_review(self.results)
        self.key = exported(self.run, folder / "out", seed=1).key
        self.items = list(keys(self.key)[0]["items"])

    def send(self, rows: list[dict[str, Any]], reviewer: str = "Ada", **more: Any) -> Imported:
        path = self.folder / "scores.json"
        path.write_text(json.dumps({"items": rows, "reviewer": reviewer, **more}))
        return self.take(path)

    def take(self, path: Path, reviewer: str | None = None) -> Imported:
        sent, key = sent_and_key(path, self.key)
        return import_scores(sent, key, self.run, reviewer=reviewer, now=NOW)

    @property
    def store(self) -> Path:
        return store_path(self.results, self.run.experiment, self.run.run_id)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_all_faults_are_told_at_once_and_nothing_is_kept(desk: Desk) -> None:
    a, b, c, d, e = desk.items[:5]
    rows = [
        {"item": a, **GOOD},
        {"item": b, **GOOD, "naturalness": 4},
        {"item": c, **GOOD, "naturalness": None},
        {"item": d, **GOOD},
        {"item": d, **GOOD},
        {"item": "r000000000000", **GOOD},
        {"item": e, **GOOD, "tool_selection": "two", "parameter_quality": True},
        {"item": "routing:architect", **GOOD},
    ]
    with pytest.raises(ConfigurationError) as refused:
        desk.send(rows)
    assert refused.value.problems == (
        f"{d}: scored in 2 rows; expected one row for each transcript.",
        f"scores.json, entry 2: {b}, naturalness: 4; expected 1, 2, 3.",
        f"scores.json, entry 3: {c} has no naturalness; expected 1, 2, 3.",
        "scores.json, entry 6: 'r000000000000' is not an item of this key; expected the sheet exported with it.",
        f"scores.json, entry 7: {e}, tool_selection: 'two'; expected 1, 2, 3.",
        f"scores.json, entry 7: {e}, parameter_quality: True; expected 1, 2, 3.",
        "scores.json, entry 8: 'routing:architect' is a scenario; expected an item, which is one transcript: a score "
        "belongs to one repetition.",
    )
    assert not desk.store.exists()


@pytest.mark.parametrize(
    ("value", "found"),
    [("1", 1), (" 3 ", 3), (2.0, 2), ("2,0", None), (0, None), ("", None), ("nan", None), ("1e999", None),
     (10**400, None), ([2], None), (None, None), (False, None), ("٢", 2)],
)  # fmt: skip
def test_a_score_is_one_of_three_numbers(value: Any, found: int | None) -> None:
    assert number(value) == found


def test_a_sheet_filled_in_comes_back_as_it_was_meant(desk: Desk) -> None:
    def scorer(trial: str) -> dict[str, int]:
        return {**GOOD, "naturalness": 1 if "applike" in trial else 2}

    filled = filled_in(desk.folder / "out" / "review.csv", desk.folder / "s.csv", desk.key, scorer, keep=10)
    told = desk.take(filled, "Ada")
    assert (told.added.new, told.left) == (10, 2)
    found = kept(desk.results, desk.run.experiment, desk.run.run_id)
    assert len(found) == 10
    assert all(one.scores == scorer(trial) for (_, trial), one in found.items())


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_of_other_countries_are_read(desk: Desk, separator: str) -> None:
    lines = [["item", *DIMENSIONS, "notes"], [desk.items[0], "1", "2", "3", "3", "hm"]]
    path = desk.folder / "s.csv"
    path.write_bytes("\r\n".join(separator.join(line) for line in lines).encode("utf-8-sig"))
    assert desk.take(path, "Ada").added.new == 1


def test_the_same_scores_again_change_nothing(desk: Desk) -> None:
    rows = [{"item": item, **GOOD, "notes": "fine"} for item in desk.items[:4]]
    desk.send(rows)
    before = desk.store.read_bytes()
    told = desk.send(rows)
    assert (told.added.new, told.added.changed, told.added.same) == (0, 0, 4)
    assert desk.store.read_bytes() == before


def test_scores_given_anew_are_added_and_the_first_ones_stay_on_record(desk: Desk) -> None:
    item = desk.items[0]
    desk.send([{"item": item, **GOOD}])
    before = desk.store.read_bytes()
    told = desk.send([{"item": item, **GOOD, "naturalness": 1}])
    assert told.added.changed == 1
    assert desk.store.read_bytes().startswith(before)
    ((_, one),) = kept(desk.results, desk.run.experiment, desk.run.run_id).items()
    assert (one.scores["naturalness"], one.changed) == (1, 1)


def test_another_reviewers_scores_stay(desk: Desk) -> None:
    desk.send([{"item": item, **GOOD} for item in desk.items])
    before = desk.store.read_bytes()
    desk.send([{"item": item, **GOOD, "naturalness": 1} for item in desk.items], "Ben")
    assert desk.store.read_bytes().startswith(before)
    found = kept(desk.results, desk.run.experiment, desk.run.run_id)
    assert {reviewer: sum(name == reviewer for name, _ in found) for reviewer in ("Ada", "Ben")} == {
        "Ada": 12,
        "Ben": 12,
    }


def test_nobody_takes_scores_for_trials(desk: Desk, tmp_path: Path) -> None:
    def told() -> list[bytes]:
        files = sorted(desk.results.glob("*.jsonl"))
        return [path.read_bytes() for path in merge(files, tmp_path / "merged", stats=stats)]

    before = told()
    reviewed(desk.run, tmp_path / "more", "Ada")
    file = read(desk.store)
    assert file.sections == () and file.problems == ()
    assert told() == before
    assert len(read_back(desk.results).outcomes) == 12


def test_a_name_is_needed(desk: Desk) -> None:
    with pytest.raises(HarnessError, match="a name of 1 to 100 characters"):
        desk.send([{"item": desk.items[0], **GOOD}], " \n ")


def test_scores_of_another_export_are_refused(desk: Desk) -> None:
    with pytest.raises(
        ConfigurationError, match=r"belong to export r123, which is not in .*review-key\.json"
    ):
        desk.send([], export="r123")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"items": 3}', b'{"items": [3]}', b"\xff\xfe", b"a,b\n1,2\n"]
)
def test_what_are_no_scores_is_said_to_be_none(desk: Desk, content: bytes) -> None:
    path = desk.folder / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match=r"odd\.csv"):
        desk.take(path, "Ada")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-scores"
    path.write_bytes(content)
    with suppress(HarnessError):
        read_scores(path)


def test_a_torn_or_foreign_line_in_the_store_is_passed_over(desk: Desk) -> None:
    desk.send([{"item": desk.items[0], **GOOD}])
    odd = [
        {"type": "review_score", "reviewed_trial": "t", "reviewer": "Ada", "scores": {"naturalness": 3}},
        {"type": "review_score", "reviewed_trial": 4},
        {"type": "else"},
    ]
    with desk.store.open("a") as file:
        file.write("".join(json.dumps(one) + "\n" for one in odd) + '{"type": "review_sc')
    assert len(kept(desk.results, desk.run.experiment, desk.run.run_id)) == 1
    desk.send([{"item": desk.items[1], **GOOD}])
    assert len(kept(desk.results, desk.run.experiment, desk.run.run_id)) == 2
