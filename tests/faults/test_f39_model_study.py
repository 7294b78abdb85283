"""F39: the recorded model is another than the one that answered. Here: all of a batch agrees."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.support.studies import command

SWEEP = ("sweep", "races", "--path", "race.py", "--exp", "race", "--axis", "chunk-size", "2")


def test_the_model_of_the_manifest_is_the_one_that_answered(tmp_path: Path) -> None:
    command(tmp_path, "init", "races")
    assert command(tmp_path, *SWEEP).returncode == 0
    (batch,) = (tmp_path / "runs/races/batches").iterdir()
    said = yaml.safe_load((batch / "manifest.yaml").read_text())["config"]["model"]
    (inputs,) = batch.glob("variants/*/inputs/settings.json")
    (meta,) = batch.glob("variants/*/results/*.meta.json")
    answered = {one["model"] for one in json.loads(meta.read_bytes())["usage"]["models"]}
    assert said
    assert {said} == {json.loads(inputs.read_bytes())["settings"]["model"]} == answered
