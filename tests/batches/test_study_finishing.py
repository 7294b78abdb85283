"""What a batch hands in, what it may not do without, and how it becomes the baseline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.batches import batch_report
from harness.batches.audit import audit
from harness.batches.deliverables import finish, promote
from harness.batches.manifest import Manifest
from harness.batches.segments import Segment, SegmentAnalysis
from harness.errors import ConfigurationError, HarnessError
from tests.support.sessions import LIGHT
from tests.support.studies import Bench

CAVEATS = {"single_seed_caveat": "One seed, for a start.", "segment_caveat": "One panel only."}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A study with a batch that was run, for all tests to copy."""
    root = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
        patch.chdir(root)
        made = Bench(root)
        declared = made.declare()
        made.run(declared)
    return made.study.folder, declared


@pytest.fixture
def made(bench: Bench, done: tuple[Path, Manifest]) -> Manifest:
    folder, declared = done
    shutil.copytree(folder, bench.study.folder, dirs_exist_ok=True)
    return declared


def leave(bench: Bench, made: Manifest, name: str, content: object) -> None:
    """A file beside the results of the first variant."""
    folder = bench.study.batch(made.batch_id).variant(made.variants[0].id).results
    (folder / name).write_text(json.dumps(content))


def by(name: str, *segments: tuple[str, float, int], total: int | None = None) -> dict[str, object]:
    parts = [{"name": one, "value": value, "n": n} for one, value, n in segments]
    every = sum(n for _, _, n in segments) if total is None else total
    return {"name": name, "metric": "length", "unit": "agents", "total": every, "segments": parts}


TWO = [by("age", ("young", 0.5, 20), ("old", 0.25, 8)), by("town", ("Oslo", 0.4, 14), ("Rome", 0.3, 14))]


def test_a_batch_that_is_not_run_is_not_finished(bench: Bench) -> None:
    with pytest.raises(ConfigurationError) as refused:
        finish(bench.study, bench.declare())
    assert len(refused.value.problems) == 2
    assert "runs.csv has no row of it; expected success" in refused.value.problems[0]


def test_one_seed_and_one_segment_need_to_be_said(bench: Bench, made: Manifest) -> None:
    with pytest.raises(ConfigurationError) as refused:
        finish(bench.study, made)
    first, *_, last = refused.value.problems
    assert "one seed (0): stability is unknown" in first
    assert "1 analyses by segment; expected 2 or more" in last
    assert not bench.study.batch(made.batch_id).report.exists()


def test_a_report_of_eight_sections(bench: Bench, made: Manifest) -> None:
    done = finish(bench.study, made, **CAVEATS)
    text = done.report.read_text()
    for number, name in enumerate(batch_report.SECTIONS, 1):
        assert f"# {number}. {name}\n" in text
    for part in (
        "REHEARSAL",
        "SINGLE SEED. One seed, for a start.",
        "SEGMENTS. One panel only.",
        "To see it run.",
        "22.500",
    ):
        assert part in text
    assert (done.written, done.blanks) == (True, 3)


def test_segments_of_the_experiments_own(bench: Bench, made: Manifest) -> None:
    leave(bench, made, "segments.json", TWO)
    text = finish(bench.study, made, single_seed_caveat="One.").report.read_text()
    for part in ("n counts agents, 28 in all", "| young   | 0.500 |  20 |", "| Rome    | 0.300 |  14 |"):
        assert part in text


def test_a_segment_below_the_minimum_is_not_shown(bench: Bench, made: Manifest) -> None:
    leave(bench, made, "segments.json", TWO)
    with pytest.raises(ConfigurationError, match=r"segments by age: 1 with 10 agents or more; expected 2"):
        finish(bench.study, made, single_seed_caveat="One.", minimum=10)
    text = finish(bench.study, made, **CAVEATS, minimum=10).report.read_text()
    assert "| old     | n below 10 |   8 |" in text


@pytest.mark.parametrize(
    "content", [{}, [1], [{}], [{**TWO[0], "total": "many"}], [{**TWO[0], "segments": [1]}], 3]
)
def test_a_broken_file_of_segments_is_one_error(bench: Bench, made: Manifest, content: object) -> None:
    leave(bench, made, "segments.json", content)
    if content == {}:
        with pytest.raises(ConfigurationError, match="analyses by segment"):  # no analyses
            finish(bench.study, made, single_seed_caveat="One.")
        return
    with pytest.raises(HarnessError, match=r"segments\.json: .*; expected a list of objects"):
        finish(bench.study, made, **CAVEATS)


def test_people_keep_what_they_wrote(bench: Bench, made: Manifest) -> None:
    report = finish(bench.study, made, **CAVEATS).report
    report.write_text(report.read_text().replace(batch_report.BLANK, "Said:", 1))
    again = finish(bench.study, made, **CAVEATS)
    assert (again.written, again.blanks) == (False, 2)
    report.write_text(report.read_text().replace("7. Recommendations", "7. Thoughts"))
    with pytest.raises(ConfigurationError, match="no section 'Recommendations'"):
        finish(bench.study, made, **CAVEATS)
    assert finish(bench.study, made, **CAVEATS, rewrite=True).written


def test_a_report_of_other_results_does_not_count(bench: Bench, made: Manifest) -> None:
    report = finish(bench.study, made, **CAVEATS).report
    text = report.read_text()
    report.write_text(text.replace(text.rstrip()[-64:], "0" * 64))
    with pytest.raises(ConfigurationError, match="it reports other results than those in place"):
        promote(bench.study, made)


def test_promotion(bench: Bench, made: Manifest) -> None:
    with pytest.raises(ConfigurationError, match="no report; expected one of harness study finish races"):
        promote(bench.study, made)
    assert not bench.study.latest.exists()
    finish(bench.study, made, **CAVEATS)
    promote(bench.study, made)
    assert bench.study.latest.read_text() == f"{made.batch_id}\n"
    assert audit(bench.study) == []


def test_a_failing_gate_is_not_promoted(bench: Bench, made: Manifest) -> None:
    finish(bench.study, made, **CAVEATS)
    leave(bench, made, "gates.json", [{"name": "G4 network", "level": "FAIL", "message": "3 orphan edges"}])
    with pytest.raises(ConfigurationError, match="vr-chunk-size-2-s0: gate G4 network FAILs: 3 orphan edges"):
        promote(bench.study, made)
    assert not bench.study.latest.exists()


def test_where_no_gate_spoke_nothing_passed(bench: Bench, made: Manifest) -> None:
    with pytest.raises(ConfigurationError, match="no gate said anything"):
        finish(bench.study, made, **CAVEATS, gates=())
    finish(bench.study, made, **CAVEATS)
    with pytest.raises(ConfigurationError, match="no gate said anything"):
        promote(bench.study, made, gates=())


def test_shares_of_other_denominators_are_no_analysis() -> None:
    one = SegmentAnalysis("age", "share", "agents", 30, (Segment("young", 0.5, 20), Segment("old", 0.5, 20)))
    assert one.problems() == [
        "segments by age: their n add up to 40 of 30 agents; expected one denominator for all shares of a table."
    ]


# Audit


def test_an_untouched_study_agrees(bench: Bench, made: Manifest) -> None:
    assert audit(bench.study) == []


def damage(bench: Bench, made: Manifest, name: str) -> None:
    study, batch = bench.study, bench.study.batch(made.batch_id)
    place = batch.variant(made.variants[0].id)
    artifact = next(
        path
        for path in place.results.glob("*.json")
        if path.name.count(".json") == 1 and "quiet" in path.name
    )
    match name:
        case "changed":
            content = artifact.read_bytes()
            artifact.unlink()
            artifact.write_bytes(content + b" ")
        case "gone":
            artifact.unlink()
        case "no results":
            place.placed.unlink()
        case "no rows":
            study.rows.write_text(study.rows.read_text().splitlines(keepends=True)[0])
        case "torn":
            study.rows.write_bytes(study.rows.read_bytes()[:-5])
        case "other seed":
            study.rows.write_text(study.rows.read_text().replace("cfg-v01,0,success", "cfg-v01,9,success", 1))
        case "other variant":
            study.rows.write_text(
                study.rows.read_text().replace("vr-chunk-size-2-s0,scn", "vr-chunk-size-8-s0,scn")
            )
        case "other batch":
            study.rows.write_text(
                study.rows.read_text().replace(f"races,{made.batch_id}", "races,b20250101-0000-x-v01", 1)
            )
        case "stray folder":
            (batch.folder / "variants" / "vr-chunk-size-99-s0").mkdir()
        case "stray batch":
            (study.folder / "batches" / "notes").mkdir()
        case "inputs":
            place.resolved.write_text(place.resolved.read_text().replace('"Oslo"', '"Rome"'))
        case "latest":
            study.latest.write_text("b20250101-0000-x-v01\n")
        case "manifest":
            batch.manifest.write_text(batch.manifest.read_text().replace("objective:", "goal:"))
        case "spec":
            (study.specs / "pop" / "late.yaml").write_text("x")


AUDITED = [
    ("changed", ["vr-chunk-size-2-s0: results/", "was changed: SHA-256"]),
    ("gone", [".json is gone."]),
    ("no results", ["a success in runs.csv, but its results are not on disk"]),
    ("no rows", ["results on disk, but no row in runs.csv; harness study run writes it."]),
    ("torn", ["runs.csv line 3: torn"]),
    (
        "other seed",
        ["runs.csv: vr-chunk-size-2-s0 of b20261120-1200-test-v01: seed '9'; the manifest has '0'."],
    ),
    ("other variant", ["the manifest has no such variant."]),
    ("other batch", ["no such batch with a manifest on disk."]),
    ("stray folder", ["folder variants/vr-chunk-size-99-s0 is in no manifest."]),
    ("stray batch", ["batches/notes is not a batch's folder."]),
    ("inputs", ["inputs/settings.json was changed"]),
    ("latest", ["latest.txt: b20250101-0000-x-v01 is not a batch on disk."]),
    ("manifest", ["objective: field required.", "goal: no such field"]),
]


@pytest.mark.parametrize(("name", "said"), AUDITED)
def test_each_disagreement_is_named(bench: Bench, made: Manifest, name: str, said: list[str]) -> None:
    damage(bench, made, name)
    found = "\n".join(audit(bench.study))
    for each in said:
        assert each in found


def test_a_torn_row_is_written_again_by_the_next_run(bench: Bench, made: Manifest) -> None:
    damage(bench, made, "torn")
    with pytest.warns(RuntimeWarning, match="its last line was torn"):
        ran = bench.run(made)
    assert [row.variant_id for row in ran.rows] == ["vr-chunk-size-3-s0"]
    assert audit(bench.study) == []


def test_looks_and_what_people_write_beside_results_are_no_damage(bench: Bench, made: Manifest) -> None:
    results = bench.study.batch(made.batch_id).variant(made.variants[0].id).results
    (results / "plans").mkdir()
    (results / "plans" / "looks.jsonl").write_text("{}\n")
    (results / "notes.txt").write_text("Odd.")
    assert finish(bench.study, made, **CAVEATS).written
    (results / "more_run1_20261120T120000.jsonl").write_text("{}\n")
    with pytest.raises(ConfigurationError, match=r"more_run1.* is not in files.json"):
        finish(bench.study, made, **CAVEATS)
