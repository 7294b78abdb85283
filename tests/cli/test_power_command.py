"""`harness power`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.cli.power import power_ as power_
from harness.errors import ConfigurationError, HarnessError
from tests.support.records import SMALL, finished, metadata, trials, write_file
from tests.support.scores import PUBLISHED

published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="the published artifacts are not beside the repository"
)


def run(*options: str, path: Path = PUBLISHED) -> str:
    found = CliRunner().invoke(app, ["power", str(path), *options])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.output


@published
def test_the_published_debate() -> None:
    text = run("--metric=persona_adherence", "--effect=0.5", "--exp=exp_3")
    assert max(map(len, text.splitlines())) <= 80
    assert "design          4 panels x 3 proposals x 2 reps, 5 people" in text
    assert text.index("reps  ") < text.index("people per panel") < text.index("proposals  ")
    assert text == run("--metric=persona_adherence", "--effect=0.5", "--exp=exp_3", "--seed=0")


@published
def test_it_says_when_more_reps_no_longer_help() -> None:
    text = run("--metric=task_completion", "--effect=0.5", "--exp=exp_2_1")
    assert "no number is enough: power tends to 0.39" in text
    assert "More reps of these blocks lead to power 0.39 at most" in text
    assert max(map(len, text.splitlines())) <= 80


@published
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric=flow", "--effect=1"), "--metric=flow: not in .*; expected one of divergence, fluency"),
        (
            ("--metric=fluency", "--effect=1"),
            "exp_1, exp_2_1, exp_2_2, exp_3 have fluency; choose one with --exp",
        ),
        (("--metric=fluency", "--effect=0"), "--effect=0: expected a difference other than 0"),
        (("--metric=fluency", "--effect=1", "--power=80"), "--power=80: expected a chance between"),
        (
            ("--metric=fluency", "--effect=1", "--exp=exp_3", "--group=Tretment"),
            "--group=Tretment of exp_3: expected",
        ),
        (("--metric=fluency", "--effect=1", "--exp=exp_9"), "--exp=exp_9: .* has exp_1, exp_2_1"),
    ],
)
def test_mistakes(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        run(*options)


def test_own_results_are_read_too_and_metrics_may_be_named_plainly(tmp_path: Path) -> None:
    write_file(tmp_path / "a.jsonl", metadata(), [finished(trial, SMALL) for trial in trials(SMALL)])
    text = run("--metric=FLUENCY", "--effect=100", path=tmp_path)
    assert "Fluency, Treatment against Control" in text and "Rehearsal: this scatter is invented" in text
    assert "design          2 panels x 2 proposals x 2 reps, 2 people" in text


@published
def test_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text(json.dumps({}))
    with pytest.raises(HarnessError, match="has no artifact of Table 1"):
        run("--metric=fluency", "--effect=1", path=tmp_path)
