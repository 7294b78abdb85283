"""The manifest: what is written can be read, and every fault of a broken one is named at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.batches import manifest
from harness.batches.manifest import Manifest, Planned, SpecFile
from harness.errors import ConfigurationError

BATCH = "b20261120-2210-threshold-v01"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "batches" / BATCH / "manifest.yaml"


def whole() -> Manifest:
    return Manifest(
        study="races",
        batch_id=BATCH,
        experiment="exp_3",
        scenario_rev="scn-v01",
        config_rev="cfg-v01",
        created_at="2026-11-20T22:10:00+00:00",
        objective="no",
        success_metric="Divergence",
        gate_profile="instrument",
        schema_map="none",
        axes=("threshold",),
        variants=(
            Planned("vr-threshold-2-s1", 1, {"threshold": 2}),
            Planned("vr-threshold-0.5-s1", 1, {"threshold": 0.5}),
        ),
        base_specs=(SpecFile("specs/scenario/scenario.yaml", "0" * 64),),
        session={"mode": "fast", "count": 2},
        scenario={"script": "x"},
        config={"model": "rehearsal"},
    )


def test_what_is_written_can_be_read(path: Path) -> None:
    manifest.save(whole(), path)
    assert manifest.load(path) == whole()


BROKEN = [
    ("objective: 'no'", "objective: ''", ["objective: '': string should have at least 1 character."]),
    ("success_metric: Divergence\n", "", ["success_metric: field required."]),
    ("schema_map: none", "schema_map: none\nextra: 1", ["extra: no such field; leave it out."]),
    (
        "seed: 1",
        "seed: one",
        ["variants.0.seed: 'one': input should be a valid integer.", "variants.1.seed: 'one'"],
    ),
    ("scn-v01", "scn-v00", ["Revision 'scn-v00': expected a version of two digits from 01"]),
    ("study: races", "study: ../races", ["Study '../races': expected lower-case"]),
    (f"batch_id: {BATCH}", "batch_id: b20261120-2210-x-v01", ["in the folder", "expected the same"]),
    (
        "id: vr-threshold-2-s1",
        "id: vr-threshold-3-s1",
        ["overrides {'threshold': 2} with seed 1; expected"],
    ),
    ("id: vr-threshold-0.5-s1", "id: vr-threshold-2-s1", ["occurs 2 times; expected once"]),
    ("path: specs/scenario", "path: ../../scenario", ["expected a path below the study"]),
    ("axes:\n- threshold", "axes:\n- steps", ["varies what is none of the batch's axes: steps"]),
    ("created_at: '2026-11-20T22:10:00+00:00'", "created_at: yesterday", ["created_at: 'yesterday'"]),
    ("study: races", "study: races\nstudy: others", ["'study' occurs twice", "line 2"]),
    ("study: races", "study: [", ["is not YAML as read here"]),
    ("study: races", "study: " + "[" * 3000, ["nested more than 64 deep"]),
    ("study: races", "study: !!python/object/apply:os.system [ls]", ["is not YAML as read here"]),
    ("sha256: '" + "0" * 64, "sha256: '" + "g" * 64, ["base_specs.0.sha256"]),
]


@pytest.mark.parametrize(("part", "broken", "said"), BROKEN)
def test_a_broken_manifest_is_refused_with_the_reason(
    path: Path, part: str, broken: str, said: list[str]
) -> None:
    manifest.save(whole(), path)
    text = path.read_text()
    assert part in text
    path.write_text(text.replace(part, broken))
    with pytest.raises(ConfigurationError) as refused:
        manifest.load(path)
    for each in said:
        assert each in str(refused.value)


def test_all_faults_at_once(path: Path) -> None:
    manifest.save(replace(whole(), study="X", scenario_rev="one", config_rev="two"), path)
    with pytest.raises(ConfigurationError) as refused:
        manifest.load(path)
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize("content", [b"", b"- 1\n", b"\xff\xfe", b"a: " + b"[" * 3000, b"x" * 4_000_001])
def test_no_manifest_at_all(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"should be a dictionary|nested more than|larger than"):
        manifest.load(path)
