"""Merging the files of a run, later and from the files alone."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import harness.stats
from harness.errors import ConfigurationError, HarnessError
from harness.records import Design, merge
from tests.support.records import SMALL, finished, metadata, trials, write_file


def control(tmp_path: Path, **settings: Any) -> Path:
    first = metadata("Control", **settings)
    records = [
        finished(trial, SMALL) | {"run_id": first["run_id"]} for trial in trials(SMALL, groups=["Control"])
    ]
    return write_file(tmp_path / "control.jsonl", first, records)


def treatment(tmp_path: Path, **settings: Any) -> Path:
    first = metadata("Treatment", **settings)
    records = [finished(trial, SMALL) for trial in trials(SMALL, groups=["Treatment"])]
    return write_file(tmp_path / "treatment.jsonl", first, records)


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def test_two_sessions_become_one_artifact(tmp_path: Path) -> None:
    (path,) = merge([control(tmp_path), treatment(tmp_path)], stats=harness.stats)
    assert path == tmp_path / "exp_3_r1.json"
    artifact, meta = load(path), load(tmp_path / "exp_3_r1.meta.json")
    assert artifact["finished_all_experiments"] is True
    assert (meta["run_id"], meta["experiment"], meta["mixed"]) == ("r1", "exp_3", None)
    assert (meta["rehearsal"], meta["evidence"], meta["partial"]) == (True, False, False)
    assert [file["name"] for file in meta["files"]] == ["control.jsonl", "treatment.jsonl"]
    assert all(len(file["sha256"]) == 64 for file in meta["files"])
    assert meta["groups"]["Treatment"]["group_settings"] == {"correction": None}


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    paths = [control(tmp_path), treatment(tmp_path)]
    written = []
    for seed in range(3):
        random.Random(seed).shuffle(paths)
        (path,) = merge([*paths, paths[0]], tmp_path / f"out{seed}", stats=harness.stats)
        written.append((path.read_bytes(), path.with_suffix(".meta.json").read_bytes()))
    assert len(set(written)) == 1


def test_a_real_model_is_evidence(tmp_path: Path) -> None:
    first = metadata() | {"provider": "openai"}
    path = write_file(tmp_path / "a.jsonl", first, [finished(next(trials(SMALL)), SMALL)])
    merge([path], stats=harness.stats)
    meta = load(tmp_path / "exp_3_r1.meta.json")
    assert (meta["rehearsal"], meta["evidence"], meta["partial"]) == (False, True, True)


def test_different_settings_are_refused_with_each_difference(tmp_path: Path) -> None:
    paths = [
        control(tmp_path, model="gpt-4o", seed=1),
        treatment(tmp_path, model="gpt-4.1", seed=1, extra=[2]),
    ]
    with pytest.raises(ConfigurationError) as caught:
        merge(paths, stats=harness.stats)
    assert str(caught.value) == (
        "The files of exp_3 have different settings and were not merged:\n"
        "  extra: (not set) in control.jsonl, [2] in treatment.jsonl\n"
        "  model: 'gpt-4o' in control.jsonl, 'gpt-4.1' in treatment.jsonl\n"
        "Give the files of one run only."
    )
    assert not list(tmp_path.glob("*.json"))


def test_force_mixes_and_says_so(tmp_path: Path) -> None:
    paths = [
        control(tmp_path, model="gpt-4o", run_id="r1"),
        treatment(tmp_path, model="gpt-4.1", run_id="r2"),
    ]
    (path,) = merge(paths, stats=harness.stats, force=True)
    assert path.name == "exp_3_r1-r2.json"
    mixed = load(path.with_suffix(".meta.json"))["mixed"]
    assert mixed["runs"] == ["r1", "r2"]
    assert mixed["settings"] == {"model": [["control.jsonl", "gpt-4o"], ["treatment.jsonl", "gpt-4.1"]]}
    assert load(path)["finished_all_experiments"] is True


def test_one_group_with_two_settings_is_refused(tmp_path: Path) -> None:
    first = metadata() | {"group_settings": {"correction": {"quality_threshold": 5}}}
    other = write_file(tmp_path / "other.jsonl", first, [])
    with pytest.raises(
        ConfigurationError, match=r"group Control: correction: None in control\.jsonl, \(not set\) in other"
    ):
        merge([control(tmp_path), other], stats=harness.stats)


def test_two_groups_may_have_different_settings(tmp_path: Path) -> None:
    first = metadata("Treatment") | {"group_settings": {"correction": {"quality_threshold": 5}}}
    assert merge([control(tmp_path), write_file(tmp_path / "t.jsonl", first, [])], stats=harness.stats)


def test_other_people_are_a_difference_more_reps_are_not(tmp_path: Path) -> None:
    more = write_file(tmp_path / "more.jsonl", metadata(design=SMALL.joined([_with(reps=5)])), [])
    (path,) = merge([control(tmp_path), more], stats=harness.stats)
    assert load(path.with_suffix(".meta.json"))["trials"]["planned"] == 40
    others = write_file(tmp_path / "others.jsonl", metadata(design=_with(panels=(("Eve", "Fay"),))), [])
    with pytest.raises(ConfigurationError, match=r"design\.panels"):
        merge([control(tmp_path), others], stats=harness.stats)


def test_runs_of_the_same_settings_stay_apart(tmp_path: Path) -> None:
    second = write_file(
        tmp_path / "second.jsonl", metadata(run_id="r2"), [finished(next(trials(SMALL)), SMALL)]
    )
    paths = merge([control(tmp_path), second], stats=harness.stats)
    assert [path.name for path in paths] == ["exp_3_r1.json", "exp_3_r2.json"]


def test_one_out_file_for_two_artifacts_is_an_error(tmp_path: Path) -> None:
    second = write_file(tmp_path / "second.jsonl", metadata(run_id="r2"), [])
    with pytest.raises(ConfigurationError, match=r"is one file, but there are 2 artifacts"):
        merge([control(tmp_path), second], tmp_path / "out.json", stats=harness.stats)


def test_out_names_the_file(tmp_path: Path) -> None:
    out = tmp_path / "new" / "mine.json"
    assert merge([control(tmp_path)], out, stats=harness.stats) == [out]
    assert out.with_suffix(".meta.json").exists()


def test_damage_is_in_the_meta_file(tmp_path: Path) -> None:
    path = control(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    merge([path], stats=harness.stats)
    meta = load(tmp_path / "exp_3_r1.meta.json")
    assert meta["files"][0]["problems"][0].startswith("line 9: torn last line: ")
    assert meta["warnings"][0] == "Control: 1 of 8 planned trials are not finished."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "No records in"),
        ('{"type": "run_metadata", "run_id": "r"}\n', "names no experiment"),
        (
            '{"type": "run_metadata", "run_id": "r", "experiment": "e"}\n',
            "No metadata line of e has a design",
        ),
    ],
)
def test_files_that_are_not_of_a_run(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(HarnessError, match=message):
        merge([tmp_path / "a.jsonl"], stats=harness.stats)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SOME = finished(next(trials(SMALL)), SMALL)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(sorted(SOME)),
    value=JSON,
    also=st.sampled_from(["metric", "person", "value", "calls"]),
)
def test_a_record_with_anything_in_it_is_merged_or_named(
    tmp_path: Path, key: str, value: object, also: str
) -> None:
    """Whatever stands in a record, the others count, and nobody sees a traceback."""
    inner = {
        **SOME,
        "samples": [{**SOME["samples"][0], also: value}],
        "usage": {**SOME["usage"], also: value},
    }
    others = [finished(trial, SMALL) for trial in list(trials(SMALL))[1:]]
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    (out,) = merge(
        [write_file(path, metadata(), [{**SOME, key: value}, inner, *others])], stats=harness.stats
    )
    assert len(load(out)["experiments"]["Treatment"]["results"]["Fluency"]) == 16


def test_no_files() -> None:
    with pytest.raises(HarnessError, match="No files to merge"):
        merge([], stats=harness.stats)


def test_a_name_in_a_file_cannot_leave_the_directory(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = write_file(tmp_path / "in" / "a.jsonl", metadata(run_id="../../r") | {"experiment": "../e"}, [])
    (out,) = merge([path], stats=harness.stats)
    assert out.parent == tmp_path / "in"


def test_ten_thousand_trials_merge_in_seconds(tmp_path: Path) -> None:
    people = tuple(f"Person {number}" for number in range(5))
    metrics = ("A", "B", "C", "n", "D", "E")
    design = Design(("Control", "Treatment"), metrics, metrics[:3], (people,) * 50, 20, 5)
    records = [finished(trial, design) for trial in trials(design)]
    assert len(records) == 10_000
    path = write_file(tmp_path / "a.jsonl", metadata(design=design), records)
    harness.stats.welch([1, 2], [2, 3])  # SciPy's import is not the merge's
    start = time.perf_counter()
    merge([path], stats=harness.stats)
    assert time.perf_counter() - start < 10, "it takes about a second; this bound is for a busy machine"


def _with(**changes: Any) -> Design:
    return Design.from_metadata(SMALL.to_metadata() | changes)
