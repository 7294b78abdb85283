"""F08: no NaN and no infinity is ever written into JSON, neither from a reply nor from a statistic."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NoReturn

import pytest

import harness.stats
from harness.records import merge, write_atomic
from tests.support.records import SMALL, finished, metadata, trials, write_file


def strictly(path: Path) -> list[object]:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{path.name} has {name}")

    texts = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    return [json.loads(text, parse_constant=refuse) for text in texts]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_from_a_score_to_the_artifact(tmp_path: Path, value: float) -> None:
    records = [finished(trial, SMALL, lambda *_: value, extraction={"x": [value]}) for trial in trials(SMALL)]
    source = write_file(tmp_path / "a.jsonl", metadata() | {"temperature": value}, records)
    (path,) = merge([source], stats=harness.stats)
    for written in (source, path, path.with_suffix(".meta.json")):
        strictly(written)
    assert json.loads(path.read_text())["experiments"]["Control"]["results"]["Fluency"] == []


@pytest.mark.parametrize("control", [[], [1], [0, 0], [5, 5, 5]])
@pytest.mark.parametrize("treatment", [[2], [0, 0], [5, 5, 5]])
def test_one_sample_no_spread_and_a_mean_of_zero(
    tmp_path: Path, control: list[float], treatment: list[float]
) -> None:
    block = harness.stats.welch(control, treatment)
    json.dumps(block, allow_nan=False)
    write_atomic(tmp_path / "a.json", block)
    assert strictly(tmp_path / "a.json") == [block]
    assert block["p_value"] is None


def test_a_foreign_file_with_nan_in_it(tmp_path: Path) -> None:
    """Others' writers do write NaN: it is read as a sample that is missing."""
    records = [json.dumps(finished(trial, SMALL, lambda *_: math.nan)) for trial in trials(SMALL)]
    source = tmp_path / "a.jsonl"
    source.write_text("\n".join([json.dumps(metadata()), *records, ""]))
    (path,) = merge([source], stats=harness.stats)
    meta = json.loads(path.with_suffix(".meta.json").read_text())
    assert meta["missing_samples"][0]["reason"] == "not a number: nan"
    strictly(path)
