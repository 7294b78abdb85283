"""The artifact has TinyTroupe's structure, holds what was obtained, and claims no more than that."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import harness.stats
from harness.errors import HarnessError
from harness.model import Trial
from harness.records import Design, build, outcomes, write_atomic
from tests.support.records import SMALL, all_finished, failed, finished, trials

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "tinytroupe-june-2025"
SHAPES = {
    "brainstorming_and_focus_group_quantitative_experimentation_1c": (4, 5, 10, 1),
    "brainstorming_and_focus_group_quantitative_experimentation_2.1c": (3, 4, 4, 2),
    "brainstorming_and_focus_group_quantitative_experimentation_2.2b": (3, 4, 4, 2),
    "debating_quantitative_experimentation_1c": (4, 5, 3, 2),
}
"""Panels, people in each, proposals, reps."""


def made(found: Any, design: Design = SMALL) -> tuple[dict[str, Any], dict[str, Any]]:
    return build("exp_3", found, design, stats=harness.stats)


def key_tree(value: Any) -> Any:
    """Keys, the types of values and the lengths of lists; the order of keys of one object does not count."""
    if isinstance(value, dict):
        return {key: key_tree(part) for key, part in value.items()}
    if isinstance(value, list):
        return [type(part).__name__ for part in value]
    return type(value).__name__


@pytest.mark.parametrize("name", SHAPES)
def test_the_key_tree_of_each_published_artifact(name: str, tmp_path: Path) -> None:
    path = PUBLISHED / f"{name}.json"
    if not path.exists():
        pytest.skip(f"the published artifacts are not at {PUBLISHED}")
    published = json.loads(path.read_text())
    panels, people, proposals, reps = SHAPES[name]
    metrics = tuple(published["experiments"]["Control"]["results"])
    design = Design(
        groups=("Control", "Treatment"),
        metrics=metrics,
        person_metrics=metrics[:3],
        panels=tuple(tuple(f"p{p}-{i}" for i in range(people)) for p in range(panels)),
        proposals=proposals,
        reps=reps,
    )
    absent = {
        metric: len(published["experiments"]["Control"]["results"][metric]) - len(values)
        for metric, values in published["experiments"]["Treatment"]["results"].items()
    }

    def value(trial: Trial, metric: str, _: str | None) -> float | None:
        if trial.cell.group == "Treatment" and absent[metric] > 0:
            absent[metric] -= 1
            return None
        return float((len(trial.id) + trial.proposal + trial.panel + len(metric) + trial.cell.rep) % 10)

    write_atomic(tmp_path / "a.json", made(all_finished(design, value), design)[0])
    ours = json.loads((tmp_path / "a.json").read_text())
    assert key_tree(ours) == key_tree(published)
    assert list(ours) == list(published)
    assert ours["finished_experiments"] == published["finished_experiments"]
    for group, entry in published["experiments"].items():
        assert list(ours["experiments"][group]) == list(entry)
        assert list(ours["experiments"][group]["results"]) == list(entry["results"])


def test_samples_come_by_panel_then_proposal_then_rep_then_person() -> None:
    results = made(all_finished(SMALL))[0]["experiments"]["Control"]["results"]
    assert results["Fluency"] == [
        1010, 1011, 1020, 1021, 1110, 1111, 1120, 1121,
        2012, 2013, 2022, 2023, 2112, 2113, 2122, 2123,
    ]  # fmt: skip
    assert results["ideas_qty"] == [1010, 1020, 1110, 1120, 2010, 2020, 2110, 2120]
    assert list(results) == list(SMALL.metrics)


def test_a_whole_run_is_finished() -> None:
    artifact, meta = made(all_finished(SMALL))
    assert artifact["finished_all_experiments"] is True
    assert artifact["finished_experiments"] == ["Control", "Treatment"]
    assert artifact["active_experiment"] is None
    assert (meta["partial"], meta["warnings"], meta["missing_samples"]) == (False, [], [])
    assert meta["trials"]["planned"] == meta["trials"]["finished"] == 16


def test_a_group_that_has_not_run_is_empty_and_nothing_is_compared() -> None:
    artifact, meta = made(outcomes(finished(trial, SMALL) for trial in trials(SMALL, groups=["Control"])))
    assert artifact["experiments"]["Treatment"] == {}
    assert list(artifact["experiments"]["Control"]) == ["results"]
    assert artifact["finished_experiments"] == ["Control"]
    assert artifact["finished_all_experiments"] is False
    assert meta["partial"] is True
    assert meta["warnings"] == ["Treatment: 8 of 8 planned trials are not finished."]


def test_no_records_at_all() -> None:
    artifact, meta = made({})
    assert artifact["experiments"] == {"Control": {}, "Treatment": {}}
    assert meta["summary"]["Fluency"]["groups"]["Control"] == {
        "n": 0,
        "mean": None,
        "std": None,
        "missing": 16,
    }


def test_the_control_missing_leaves_the_treatment() -> None:
    artifact, _ = made(outcomes(finished(trial, SMALL) for trial in trials(SMALL, groups=["Treatment"])))
    assert artifact["experiments"]["Control"] == {}
    assert list(artifact["experiments"]["Treatment"]) == ["results"]
    assert artifact["finished_experiments"] == ["Treatment"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no reason recorded"),
        (math.nan, "not a number: nan"),
        (math.inf, "not a number: inf"),
        ("7, because", "not a number: '7, because'"),
        (True, "not a number: True"),
        (10**400, "not a number: 1000000000"),
    ],
)
def test_a_sample_that_is_no_number_is_missing_and_counted(value: object, reason: str) -> None:
    def mostly(trial: Trial, metric: str, person: str | None) -> object:
        return value if (trial.panel, trial.proposal, metric, person) == (0, 1, "Fluency", "Ben") else 5

    artifact, meta = made(all_finished(SMALL, mostly))
    assert len(artifact["experiments"]["Control"]["results"]["Fluency"]) == 14
    assert [(m["trial"], m["person"]) for m in meta["missing_samples"]][:2] == [
        ("exp_3/Control/rep1/panel0/proposal1", "Ben"),
        ("exp_3/Control/rep2/panel0/proposal1", "Ben"),
    ]
    assert meta["missing_samples"][0]["reason"].startswith(reason)
    assert meta["samples"]["Control"]["Fluency"] == {
        "expected": 16, "obtained": 14, "unfinished": 0, "missing": 2,
    }  # fmt: skip
    assert meta["warnings"] == ["Fluency: samples are missing (14 of 16 in Control, 14 of 16 in Treatment)."]
    assert artifact["finished_all_experiments"] is True


def test_whole_numbers_are_integers_and_others_stay() -> None:
    artifact, _ = made(all_finished(SMALL, lambda trial, *_: 7.0 if trial.panel else 6.5))
    values = artifact["experiments"]["Control"]["results"]["Divergence"]
    assert [type(value) for value in values] == [float] * 4 + [int] * 4


def test_an_undefined_statistic_is_null_and_says_why() -> None:
    artifact, meta = made(all_finished(SMALL, lambda *_: 0))
    block = artifact["experiments"]["Control"]["statistical_test_results_vs_others"]["Treatment"]["Fluency"]
    assert block["p_value"] is block["percent_change"] is None
    assert {
        "group": "Treatment",
        "metric": "Fluency",
        "key": "percent_change",
        "reason": "the control mean is 0",
    } in meta["undefined_statistics"]
    json.dumps(artifact, allow_nan=False)


def test_what_the_design_does_not_have_is_left_out_and_told() -> None:
    one = next(trials(SMALL))
    record = finished(one, SMALL)
    record["samples"] += [
        {"metric": "Fluency", "person": "Eve", "value": 9},
        {"metric": "Fluency", "person": "Ada", "value": 9},
    ]
    artifact, meta = made(outcomes([record, finished(one, SMALL) | {"trial": "exp_3/Other/rep9/x"}]))
    assert artifact["experiments"]["Control"]["results"]["Fluency"] == [1010, 1011]
    assert [entry["why"] for entry in meta["unexpected"]] == [
        "given twice; first kept",
        "not in the design",
        "the design has no such trial",
    ]


def test_attempts_failures_and_what_all_of_it_cost() -> None:
    one, two = list(trials(SMALL))[:2]
    records = [
        failed(one, "timeout", second=1),
        finished(one, SMALL, second=2),
        failed(two, "no key", second=3),
    ]
    meta = made(outcomes(records))[1]
    assert meta["trials"]["retried"] == {one.id: 2}
    assert [(f["reason"], f["recovered"]) for f in meta["failures"]] == [("timeout", True), ("no key", False)]
    assert meta["trials"]["outstanding"]["Control"][0] == {
        "trial": two.id, "reason": "failed 1 times; the last: no key",
    }  # fmt: skip
    assert meta["usage"] == {
        "calls": {"act": 6}, "tokens_in": 90, "tokens_out": 12, "cost": None,
        "cost_reason": "the cost of some calls is not known", "models": [],
    }  # fmt: skip


def test_known_costs_add_up() -> None:
    usage = {"calls": {"act": 1}, "tokens_in": 1, "tokens_out": 1, "cost": 0.25}
    records = [finished(trial, SMALL, usage=usage) for trial in trials(SMALL)]
    assert made(outcomes(records))[1]["usage"]["cost"] == 4.0


@pytest.mark.parametrize(("models", "apart"), [(("a", "a"), False), (("a", "b"), True), (("a", None), False)])
def test_usage_is_by_group_where_their_models_differ(models: tuple[str | None, ...], apart: bool) -> None:
    usage = {"calls": {"act": 1}, "tokens_in": 1, "tokens_out": 1, "cost": 0.25}
    records = [
        finished(trial, SMALL, usage=usage | {"roles": {"player": {model: 1}}})
        for group, model in zip(SMALL.groups, models, strict=True)
        for trial in (trials(SMALL, groups=[group]) if model else ())
    ]
    assert ("usage_by_group" in made(outcomes(records))[1]) is apart


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, {"old": 1})

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(HarnessError, match=r"Could not write .*a\.json: .*the disk is full"):
        write_atomic(path, {"new": 1})
    assert json.loads(path.read_text()) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_reader_of_the_old_file_keeps_the_old_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, {"old": 1})
    with path.open() as reader:
        write_atomic(path, {"new": 1})
        assert json.load(reader) == {"old": 1}


def test_a_design_survives_its_metadata() -> None:
    assert Design.from_metadata(json.loads(json.dumps(SMALL.to_metadata()))) == SMALL


@pytest.mark.parametrize(
    "damage", [{"reps": "2"}, {"groups": "Control"}, {"panels": [1]}, {"proposals": None}]
)
def test_a_design_that_cannot_be_read(damage: dict[str, object]) -> None:
    with pytest.raises(HarnessError, match="a design that cannot be read"):
        Design.from_metadata(SMALL.to_metadata() | damage)


def test_designs_of_a_run_join_to_the_most_reps_and_all_groups() -> None:
    later = Design(("Third", "Control"), SMALL.metrics, SMALL.person_metrics, SMALL.panels, 2, 5)
    joined = SMALL.joined([later])
    assert joined.groups == ("Control", "Treatment", "Third")
    assert joined.reps == 5
