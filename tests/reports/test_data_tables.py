"""Records as tables: which rows there are, in which place, whatever else stands in the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import harness
from harness.errors import ConfigurationError, HarnessError
from harness.model import Trial
from harness.records import datasets
from harness.reports.data.columns import ROWS, TABLES
from harness.reports.data.tables import read_tables
from tests.support.records import SMALL, failed, finished, metadata, trials, write_file

TRIALS = list(trials(SMALL))
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def whole_run(folder: Path, run_id: str = "r1", **settings: Any) -> None:
    for group in SMALL.groups:
        records = [finished(one, SMALL, run_id=run_id) for one in TRIALS if one.cell.group == group]
        write_file(folder / f"{run_id}_{group}.jsonl", metadata(group, run_id=run_id, **settings), records)


def known(folder: Path) -> list[tuple[Any, ...]]:
    """The scores that a data set has of accepted trials: the older way to the same values."""
    return sorted(
        (one.group, one.rep, one.panel, one.proposal, one.metric, one.person or "", one.value, one.reason)
        for found in datasets(sorted(folder.glob("*.jsonl")))
        for one in found.observations
        if one.reason != "the trial did not finish"
    )


def told(folder: Path) -> list[tuple[Any, ...]]:
    names = ("group", "rep", "panel", "proposal", "metric", "person", "value", "reason")
    rows = read_tables(folder).scores.to_pylist()
    return sorted(tuple(row[name] or "" if name == "person" else row[name] for name in names) for row in rows)


def test_every_table_has_the_columns_that_its_codebook_has(tmp_path: Path) -> None:
    whole_run(tmp_path)
    tables = read_tables(tmp_path)
    assert ROWS.keys() == TABLES.keys()
    for name, columns in TABLES.items():
        assert tables.named(name).column_names == [one.name for one in columns]
        assert all(one.meaning.endswith(".") for one in columns)


def test_scores_are_the_observations_of_accepted_trials(tmp_path: Path) -> None:
    whole_run(tmp_path)
    assert told(tmp_path) == known(tmp_path)
    assert len(told(tmp_path)) == 2 * 8 * 4


def test_the_first_finished_try_counts(tmp_path: Path) -> None:
    trial = TRIALS[0]
    records = [
        failed(trial, "time-out", second=1),
        finished(trial, SMALL, lambda *_: 3, second=5, attempt=3),
        finished(trial, SMALL, lambda *_: 2, second=3, attempt=2),
    ]
    write_file(tmp_path / "a.jsonl", metadata(), records)
    tables = read_tables(tmp_path)
    assert {row["value"] for row in tables.scores.to_pylist()} == {2.0}
    rows = tables.trials.to_pylist()
    assert [(row["status"], row["accepted"], row["attempt"]) for row in rows] == [
        ("failed", False, 1),
        ("finished", False, 3),
        ("finished", True, 2),
    ]
    assert (rows[0]["kind"], rows[0]["reason"]) == ("ModelCallError", "time-out")
    assert tables.experiments.to_pylist()[0]["tries"] == 3


def test_what_a_record_lacks_has_is_surplus_or_is_no_number_is_told(tmp_path: Path) -> None:
    trial = TRIALS[0]
    record = finished(trial, SMALL)
    first, second, *rest = record["samples"]
    bad = [{**second, "value": value} for value in (True,)]
    record["samples"] = [first, {**first, "value": 9}, *bad, {**first, "metric": "Unknown"}, *rest[:-1]]
    write_file(tmp_path / "a.jsonl", metadata(), [record])
    assert told(tmp_path) == [
        tuple("not a number: True" if part == "no reason recorded" else part for part in row)
        for row in known(tmp_path)
    ]
    by_metric = {(row["metric"], row["person"]): row for row in read_tables(tmp_path).scores.to_pylist()}
    assert by_metric["Divergence", None]["reason"] == "the record has no such sample"
    assert by_metric["Fluency", first["person"]]["value"] == first["value"]


def test_a_trial_beyond_the_design_is_no_score(tmp_path: Path) -> None:
    odd = Trial(TRIALS[0].cell, 0, 7)
    write_file(tmp_path / "a.jsonl", metadata(), [finished(TRIALS[0], SMALL), finished(odd, SMALL)])
    tables = read_tables(tmp_path)
    assert [row["planned"] for row in tables.trials.to_pylist()] == [True, False]
    assert {row["trial"] for row in tables.scores.to_pylist()} == {TRIALS[0].id}


def test_two_runs_stay_apart(tmp_path: Path) -> None:
    whole_run(tmp_path, "r1")
    whole_run(tmp_path, "r2")
    tables = read_tables(tmp_path)
    assert [row["run_id"] for row in tables.experiments.to_pylist()] == ["r1", "r2"]
    assert tables.scores.num_rows == 2 * 64
    assert read_tables(tmp_path, ["r2"]).scores.num_rows == 64
    with pytest.raises(ConfigurationError, match=r"Run r3: .* expected one of r1, r2\."):
        read_tables(tmp_path, ["r3"])


def test_torn_and_foreign_lines_and_files_are_passed_over_and_named(tmp_path: Path) -> None:
    whole_run(tmp_path)
    clean = told(tmp_path)
    path = tmp_path / "r1_Control.jsonl"
    path.write_bytes(
        path.read_bytes() + b'{"type": "note"}\n[1]\nnonsense\n\xff\n{"type": "trial_result", "tri'
    )
    (tmp_path / "foreign.jsonl").write_text('{"hello": "world", "type": "x y", "trial": 3}\n')
    (tmp_path / "empty.jsonl").write_text("")
    nameless = {**finished(TRIALS[0], SMALL), "run_id": None}
    (tmp_path / "nameless.jsonl").write_text(json.dumps(nameless) + "\n")
    assert told(tmp_path) == clean
    problems = "\n".join(read_tables(tmp_path).problems)
    assert "the last line is torn" in problems
    assert "names no run_id; its 1 records are left out" in problems
    assert read_tables(tmp_path).experiments.to_pylist()[0]["problems"] == 4


def test_an_empty_folder_has_no_rows_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    tables = read_tables(tmp_path)
    assert [tables.named(name).num_rows for name in TABLES] == [0] * len(TABLES)
    assert harness.load(tmp_path).scores.empty
    with pytest.raises(HarnessError, match="no such file or folder"):
        read_tables(tmp_path / "nowhere")


def test_a_file_without_a_design_still_has_scores(tmp_path: Path) -> None:
    first = metadata()
    del first["design"]
    write_file(tmp_path / "a.jsonl", first, [finished(TRIALS[0], SMALL)])
    tables = read_tables(tmp_path)
    assert tables.scores.num_rows == 4
    assert tables.experiments.to_pylist()[0]["trials_planned"] is None
    assert tables.trials.to_pylist()[0]["planned"] is None


def test_frames_have_the_same_rows(tmp_path: Path) -> None:
    whole_run(tmp_path)
    frames = harness.load(str(tmp_path))
    assert len(frames.scores) == 64
    assert len(frames.trials) == 16 and frames.trials.accepted.all()
    assert frames.experiments.scores_obtained.tolist() == [64]
    assert frames.call_counts.calls.sum() == 32
    assert frames.calls.empty
    means = frames.scores.groupby(["group", "metric"], observed=True).value.mean()
    assert means["Control", "Divergence"] == frames.scores.query("metric == 'Divergence'").value[:8].mean()
    assert "r1" in repr(frames)


def test_the_rehearsal_shows_in_every_row(tmp_path: Path) -> None:
    whole_run(tmp_path)
    tables = read_tables(tmp_path)
    for name in ("experiments", "trials", "scores", "call_counts"):
        assert set(tables.named(name).column("rehearsal").to_pylist()) == {True}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = (
    "attempt",
    "ended",
    "started",
    "duration",
    "people",
    "reason",
    "kind",
    "usage",
    "refusals",
    "corrections",
)


@quick
@given(
    field=st.sampled_from(FIELDS),
    value=JSON,
    sample=st.sampled_from(("value", "reason", "justification")),
    part=JSON,
)
def test_no_value_in_a_record_breaks_the_tables(
    tmp_path: Path, field: str, value: Any, sample: str, part: Any
) -> None:
    (tmp_path / "a.jsonl").unlink(missing_ok=True)
    good = finished(TRIALS[1], SMALL)
    odd = {**finished(TRIALS[0], SMALL), field: value}
    odd["samples"][0][sample] = part
    bad = {**failed(TRIALS[2]), field: value}
    lines = "".join(json.dumps(line) + "\n" for line in (metadata(), odd, good, bad))
    (tmp_path / "a.jsonl").write_text(lines)
    tables = read_tables(tmp_path)
    for name in TABLES:
        tables.named(name).validate(full=True)
    assert TRIALS[1].id in {row["trial"] for row in tables.scores.to_pylist()}


@quick
@given(cut=st.integers(0, 400), noise=st.binary(max_size=20))
def test_a_torn_file_keeps_its_whole_lines(tmp_path: Path, cut: int, noise: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    write_file(path, metadata(), [finished(one, SMALL) for one in TRIALS[:3]])
    path.write_bytes(path.read_bytes()[: -cut or None] + noise)
    found = {row["trial"] for row in read_tables(tmp_path).trials.to_pylist()}
    assert {one.id for one in TRIALS[:2]} <= found


def test_a_whole_number_that_is_no_float_is_the_nearest_one(tmp_path: Path) -> None:
    odd = finished(TRIALS[0], SMALL) | {"duration": 2**53 + 1}
    odd["samples"][0]["value"] = 2**53 + 1
    lines = "".join(json.dumps(line) + "\n" for line in (metadata(), odd))
    (tmp_path / "a.jsonl").write_text(lines)
    tables = read_tables(tmp_path)
    assert tables.trials.column("duration").to_pylist() == [2.0**53]
    assert 2.0**53 in tables.scores.column("value").to_pylist()


def test_each_data_frame_is_made_once_and_other_names_are_unknown(tmp_path: Path) -> None:
    whole_run(tmp_path)
    frames = harness.load(tmp_path)
    assert frames.scores is frames.scores and len(frames.scores)
    assert TABLES.keys() <= set(dir(frames))
    with pytest.raises(AttributeError, match="'Frames' object has no attribute 'score'"):
        _ = frames.score
