"""Batches: what they vary, how they run, how they go on, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import threading
import warnings
from dataclasses import replace

import pytest

from harness.batches import study_layout
from harness.batches.axes import apply_overrides, grid
from harness.batches.batch_run import runs_of
from harness.batches.manifest import Planned
from harness.batches.registry import Registry
from harness.batches.variant_outcomes import dataset_in
from harness.errors import ConfigurationError, HarnessError
from harness.model import Correction, Group, Mode, Persona, Proposition
from harness.records import atomic
from harness.records.registry.lock import RunLock
from tests.support.studies import ASKING, Bench, contents, experiment


def ids_of(*axes: tuple[str, list[str]], seeds: tuple[int, ...] = (0,), factorial: bool = False) -> list[str]:
    return [one.id for one in grid(axes, seeds, ["chunk_size"], factorial=factorial)]


def test_one_axis_under_each_seed() -> None:
    assert ids_of(("threshold", ["2", "3"]), seeds=(0, 1)) == [
        "vr-threshold-2-s0",
        "vr-threshold-2-s1",
        "vr-threshold-3-s0",
        "vr-threshold-3-s1",
    ]
    assert ids_of(("seed", ["4", "9"])) == ["vr-seed-4-s4", "vr-seed-9-s9"]


def test_several_axes_only_when_all_combinations_are_asked_for() -> None:
    both = (("threshold", ["2", "3"]), ("steps", ["1"]))
    with pytest.raises(ConfigurationError, match="Axes threshold and steps: a sweep varies one axis"):
        ids_of(*both)
    assert ids_of(*both, factorial=True) == ["vr-threshold-2__steps-1-s0", "vr-threshold-3__steps-1-s0"]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ((("mood", ["1"]),), "Axis 'mood': expected one of seed, threshold"),
        ((("threshold", []),), "Axis 'threshold': no values"),
        ((("threshold", ["2", "2"]),), "'2' occurs twice"),
        ((("seed", ["-1"]),), "expected whole numbers from 0"),
        ((("threshold", ["2"]), ("threshold", ["3"])), "expected each axis once"),
    ],
)
def test_a_grid_that_cannot_be(axes: tuple[tuple[str, list[str]], ...], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ids_of(*axes)


def change(axis: str, value: object, **options: object) -> tuple[object, dict[str, object]]:
    people = {
        "play": None,
        "settings": {},
        "axes": (),
        "population": (Persona("Ada", {}),),
        "metrics": (Proposition("Courtesy", "Is courteous."),),
        "groups": (Group("a"), Group("b", Correction(5))),
    }
    played = axis in ("chunk-size", "place")
    made, session = apply_overrides(
        experiment(**({} if played else people)), Planned("vr-x", 7, {axis: value}), options
    )
    return made, dict(session)


def test_each_axis_changes_what_it_names() -> None:
    made, _ = change("threshold", 3)
    assert made.groups[0].correction is None  # type: ignore[attr-defined]
    assert made.groups[1].correction == Correction(3)  # type: ignore[attr-defined]
    assert (made.seed, made.name) == (7, "quiet.vr-x")  # type: ignore[attr-defined]
    assert change("steps", 4)[0].modes["full"] == Mode(reps=2, steps=4)  # type: ignore[attr-defined]
    assert change("people", 4)[0].modes["full"].people == 4  # type: ignore[attr-defined]
    assert change("chunk-size", 9)[0].settings == {"chunk_size": 9, "place": "Oslo"}  # type: ignore[attr-defined]
    assert change("model", "openai:x")[1] == {"model": "openai:x"}
    assert change("provider", "azure", model="openai:x")[1] == {"model": "azure:x"}
    assert change("routine-model", "openai:y")[1] == {"judge_model": "openai:y"}
    assert change("rate", 60)[1] == {"rpm": 60}


@pytest.mark.parametrize(
    ("axis", "value", "said"),
    [
        ("threshold", 12, "quality_threshold=12; expected 0 to 9"),
        ("threshold", 0.5, "expected a whole number"),
        ("chunk-size", "many", "expected a int, as 2 is in quiet"),
        ("place", "Rome", "quiet has no such axis; it declares chunk-size"),
        ("rate", 0, "expected 1 call per minute or more"),
        ("steps", 0, "steps=0; expected 1 or more"),
    ],
)
def test_a_value_that_cannot_be(axis: str, value: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        change(axis, value)


def test_a_threshold_where_nothing_is_corrected_would_change_nothing() -> None:
    with pytest.raises(ConfigurationError, match="no group of quiet has a correction"):
        apply_overrides(experiment(), Planned("vr-x", 1, {"threshold": 3}), {})


def test_a_sweep_from_manifest_to_rows(bench: Bench) -> None:
    made = bench.declare(seeds=(0, 5))
    assert (made.scenario_rev, made.config_rev) == ("scn-v01", "cfg-v01")
    assert bench.read(made) == made
    ran = bench.run(made)
    assert (ran.code, len(ran.rows), ran.before) == (0, 4, 0)
    rows = Registry(bench.study.rows).read().rows
    assert [(row.variant_id, row.status, row.seed) for row in rows] == [
        ("vr-chunk-size-2-s0", "success", "0"),
        ("vr-chunk-size-2-s5", "success", "5"),
        ("vr-chunk-size-3-s0", "success", "0"),
        ("vr-chunk-size-3-s5", "success", "5"),
    ]
    place = bench.study.batch(made.batch_id).variant("vr-chunk-size-3-s5")
    assert dataset_in(place).values("length", "plain") == [36.0, 37.0, 37.0, 38.0, 38.0, 39.0]
    runs = {run.experiment: run.fingerprint for run in runs_of(bench.study.batch(made.batch_id))}
    resolved = json.loads(place.resolved.read_bytes())
    assert resolved["fingerprint"] == runs["quiet.vr-chunk-size-3-s5"], "it is the registry of runs' own"
    assert (
        resolved["seed"],
        resolved["settings"]["trial_seed"],
        resolved["settings"]["own"]["chunk_size"],
    ) == (5, 5, 3)


def test_the_folders_are_those_of_the_layout(bench: Bench) -> None:
    made = bench.declare()
    bench.run(made)
    folder = bench.study.folder
    assert sorted(path.name for path in folder.iterdir()) == ["batches", "registry", "specs"]
    assert sorted(path.name for path in (folder / "specs").iterdir()) == [
        "network-config",
        "persona",
        "pop",
        "scenario",
    ]
    batch = folder / "batches" / made.batch_id
    assert sorted(path.name for path in batch.iterdir()) == [".session", "manifest.yaml", "variants"]
    for variant in (batch / "variants").iterdir():
        assert sorted(path.name for path in variant.iterdir()) == ["inputs", "results"]


def test_a_finished_batch_run_again_changes_no_byte(bench: Bench) -> None:
    made = bench.declare()
    bench.run(made)
    before = contents(bench.study.folder)
    ran = bench.run(made)
    assert (ran.code, ran.rows, ran.before) == (0, (), 2)
    assert contents(bench.study.folder) == before


def test_a_changed_setting_is_not_gone_on_with(bench: Bench) -> None:
    made = bench.declare()
    bench.run(made)
    before = contents(bench.study.folder)
    bench.experiment = experiment(settings={"chunk_size": 2, "place": "Rome"})
    with pytest.raises(
        ConfigurationError, match=r"\(scn-v01\) was changed:\n  own.place: 'Oslo' then, 'Rome' now"
    ):
        bench.run(made)
    bench.experiment = experiment(modes={"full": Mode(reps=3, steps=1)})
    with pytest.raises(ConfigurationError, match=r"config \(cfg-v01\) was changed:\n  reps: 2 then, 3 now"):
        bench.run(made)
    assert contents(bench.study.folder) == before


def test_changed_specs_and_inputs_are_not_gone_on_with(bench: Bench) -> None:
    spec = bench.study.specs / "pop" / "population.yaml"
    spec.write_text("one")
    made = bench.declare()
    spec.write_text("two")
    with pytest.raises(
        ConfigurationError, match=r"base specs were changed:\n  specs/pop/population.yaml: SHA-256"
    ):
        bench.run(made)
    spec.write_text("one")
    bench.run(made)
    inputs = bench.study.batch(made.batch_id).variant("vr-chunk-size-2-s0").resolved
    inputs.write_text(inputs.read_text().replace('"seed": 0,', '"seed": 1,', 1))
    with pytest.raises(
        ConfigurationError, match=r"begun with other inputs or settings:\n  seed: 1 then, 0 now"
    ):
        bench.run(made)


def test_a_revision_stands_for_one_thing(bench: Bench) -> None:
    bench.declare()
    bench.experiment = experiment(settings={"chunk_size": 2, "place": "Rome"})
    with pytest.raises(ConfigurationError, match=r"own.place: 'Oslo' then, 'Rome' now") as refused:
        bench.declare()
    assert "declare scn-v02" in str(refused.value)
    second = bench.declare(scenario_rev="scn-v02")
    assert (second.scenario_rev, second.config_rev) == ("scn-v02", "cfg-v01")
    bench.experiment = experiment()
    with pytest.raises(ConfigurationError, match=r"declare scn-v01 \(where it was the same\)"):
        bench.declare()


@pytest.mark.parametrize(("option", "value"), [("rpm", 100000), ("temperature", 0.5), ("mode", "long")])
def test_model_settings_and_rate_are_a_config_bump(bench: Bench, option: str, value: object) -> None:
    bench.experiment = experiment(modes={"full": Mode(reps=2, steps=1), "long": Mode(reps=9, steps=1)})
    bench.declare()
    with pytest.raises(ConfigurationError, match="declare cfg-v02"):
        bench.declare(options={option: value})


def test_a_rate_that_is_the_axis_is_no_bump(bench: Bench) -> None:
    bench.declare()
    made = bench.declare(("rate", ["1000", "2000"]))
    assert made.config_rev == "cfg-v01"
    ran = bench.run(made)
    assert [row.status for row in ran.rows] == ["success", "success"], "a session for each rate"


def test_two_processes_on_one_batch(bench: Bench) -> None:
    made = bench.declare()
    batch = bench.study.batch(made.batch_id)
    lock = RunLock(batch.session / "lock", "other")
    before = contents(bench.study.folder)
    with pytest.raises(
        HarnessError, match=rf"{made.batch_id} is being worked on by another live session \(process \d"
    ):
        bench.run(made)
    lock.release()
    assert contents(bench.study.folder) == before
    assert bench.run(made).code == 0


def test_the_newest_batch_is_the_one_declared_last(bench: Bench) -> None:
    bench.declare(intent="zebra")
    assert bench.study.newest() == "b20261120-1200-zebra-v01"
    last = bench.declare(intent="ant")
    os.utime(bench.study.batch(last.batch_id).manifest, (2e9, 2e9))
    (bench.study.folder / "batches" / "b20991231-2359-torn-v01").mkdir()
    assert bench.study.newest() == last.batch_id == "b20261120-1200-ant-v01"


def test_two_batches_of_one_minute_have_two_names(bench: Bench) -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(bench.declare().batch_id)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [f"b20261120-1200-test-v0{number}" for number in range(1, 6)]


@pytest.mark.parametrize(("number", "said"), [(28, "the disk is full"), (30, "the file system is read-only")])
def test_a_disk_that_takes_no_results_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    made = bench.declare()

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(study_layout.os, "link", refuse)
        broken.setattr(study_layout.shutil, "copyfile", refuse)
        with pytest.raises(HarnessError, match=said):
            bench.run(made)
    assert not Registry(bench.study.rows).read().rows
    ran = bench.run(made)
    assert (ran.code, len(ran.rows)) == (0, 2)
    assert len(runs_of(bench.study.batch(made.batch_id))) == 2, "nothing was played again"


def test_a_disk_that_takes_no_manifest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(atomic, "_write_durably", refuse)
        with pytest.raises(HarnessError, match=r"the disk is full"):
            bench.declare()
    assert bench.declare().variants


def test_a_name_too_long_for_records_is_refused_before_anything_runs(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="expected 64 at most"):
        bench.declare(("model", ["openai:" + "x" * 60]))
    assert bench.study.batch_ids() == []


def test_an_unknown_metric_is_refused(bench: Bench) -> None:
    with pytest.raises(
        ConfigurationError, match="Metric 'Joy': quiet has no such metric; expected one of length"
    ):
        bench.declare(success_metric="Joy")


def test_failed_trials_are_no_success_and_are_tried_again(bench: Bench) -> None:
    broken = {"on": True}

    quiet = bench.experiment.play.function  # type: ignore[union-attr]

    async def play(plan, client):  # type: ignore[no-untyped-def]
        if broken["on"] and plan.trial.cell.group == "rude":
            raise HarnessError("the road is closed")
        return await quiet(plan, client)

    bench.experiment = replace(bench.experiment, play=replace(bench.experiment.play, function=play))
    made = bench.declare()
    ran = bench.run(made)
    assert ran.code == 1
    assert {row.status for row in ran.rows} == {"partial"}
    assert "6 of 12 trials" in ran.rows[0].notes
    broken["on"] = False
    again = bench.run(made)
    assert (again.code, {row.status for row in again.rows}) == (0, {"success"})
    assert len(runs_of(bench.study.batch(made.batch_id))) == 2, "the same two runs"


def test_no_call_where_calls_were_due_is_no_success(bench: Bench) -> None:
    bench.experiment = replace(bench.experiment, play=replace(bench.experiment.play, calls=None))
    made = bench.declare()
    ran = bench.run(made)
    assert ran.code == 1
    assert {row.status for row in ran.rows} == {"failed"}
    assert "no model call was answered" in ran.rows[0].notes
    again = bench.run(made)
    assert (again.code, again.rows) == (1, ()), "it is still none, and that is said once"


def test_the_heartbeat_says_how_far_it_is(bench: Bench) -> None:
    made = bench.declare()
    bench.run(made)
    text = bench.study.batch(made.batch_id).heartbeat.read_text()
    for part in (
        "stage: 2 variants, ended, exit code 0",
        "step: 24 of 24 trials",
        "calls: 0 made",
        "cost: $0.0000",
        "time left:",
    ):
        assert part in text


def test_what_one_session_spends_the_next_has_less(bench: Bench) -> None:
    bench.experiment = experiment(play=ASKING)
    made = bench.declare(("rate", ["1000", "2000"]))
    ran = bench.run(made, max_calls=18.0)
    assert (ran.code, [row.status for row in ran.rows]) == (6, ["success", "stopped"])
    again = bench.run(made, max_calls=18.0)
    assert (again.code, [row.status for row in again.rows], again.before) == (0, ["success"], 1)
    notes = [row.notes.partition(": ")[2] for row in (*ran.rows, *again.rows)]
    assert notes == ["12 of 12 trials, 12 calls", "6 of 12 trials, 6 calls", "12 of 12 trials, 12 calls"]


@pytest.mark.parametrize(
    "lost", ["rows", "rows emptied", "sessions", "rows and sessions", "rows and registry of runs"]
)
def test_lost_registries_are_rebuilt_and_nothing_is_played_again(bench: Bench, lost: str) -> None:
    manifest = bench.declare()
    batch = bench.study.batch(manifest.batch_id)
    assert bench.run(manifest).code == 0
    before = {row.variant_id: row.status for row in Registry(bench.study.rows).read().rows}
    records = sorted(path.name for path in batch.folder.rglob("*.jsonl"))
    if lost == "rows emptied":
        bench.study.rows.write_bytes(b"")
    elif "rows" in lost:
        bench.study.rows.unlink()
    if "sessions" in lost:
        shutil.rmtree(batch.session)
        records = [name for name in records if name in {path.name for path in batch.folder.rglob("*.jsonl")}]
    if "registry of runs" in lost:
        (batch.session / "runs.sqlite").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert bench.run(manifest).code == 0
    assert {row.variant_id: row.status for row in Registry(bench.study.rows).read().rows} == before
    assert sorted({path.name for path in batch.folder.rglob("*.jsonl")}) == sorted(set(records))


def test_results_that_were_changed_do_not_stand_for_a_lost_row(bench: Bench) -> None:
    manifest = bench.declare()
    batch = bench.study.batch(manifest.batch_id)
    assert bench.run(manifest).code == 0
    bench.study.rows.unlink()
    shutil.rmtree(batch.session)
    changed = next(path for path in batch.folder.rglob("*.jsonl"))
    changed.write_bytes(changed.read_bytes() + b"{}")
    ran = bench.run(manifest)
    assert ran.code == 0 and len(Registry(bench.study.rows).read().rows) == 2
    assert batch.session.exists(), "the changed one was played again"
