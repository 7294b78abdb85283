"""``harness review``: from sheets to an answer, as a user types it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.cli import main
from tests.support.reviews import filled_in, run_for_review


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``harness review`` with some words, in a folder of its own."""

    def run(*words: str) -> Said:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["harness", "review", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return Said(int(left.value.code or 0), *capsys.readouterr())

    return run


def test_a_review_from_sheets_to_an_answer(command: Command, tmp_path: Path) -> None:
    run_for_review(tmp_path / "results")
    said = command("export", "--out", "sheets", "--reviewer", "Ada")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[:2] == ["sheets/review.html", "sheets/review.csv"]
    assert lines[2].startswith("12 transcripts; ")
    assert lines[-1] == "Key, to be kept from reviewers: results/review-key.json"
    key = tmp_path / "results" / "review-key.json"
    filled_in(tmp_path / "sheets" / "review.csv", tmp_path / "part.csv", key, keep=5)
    filled_in(tmp_path / "sheets" / "review.csv", tmp_path / "all.csv", key)
    said = command("import", "part.csv")
    assert said.code == 0
    assert said.out.startswith(
        "Ada: 5 transcripts scored, 0 scored again, 0 as before; 7 of this export without scores."
    )
    said = command("show")
    assert said.code == 1 and "Ada: 5 of 12 transcripts scored, 7 missing." in said.out
    assert "baseline" not in said.out
    assert not (tmp_path / "results" / "plans").exists()
    assert command("import", "all.csv", "--key", "results/review-key.json").code == 0
    said = command("show")
    assert said.code == 0 and "6 of 6" in said.out
    (look,) = (tmp_path / "results" / "plans" / "looks.jsonl").read_text().splitlines()
    assert json.loads(look)["how"] == "review"
    content = json.loads(command("show", "--json").out)
    assert content["complete"] is True and content["differences"][0]["passing"]["n"] == 3
    assert "| arm" in command("show", "--format", "md").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("export",), "expected --out with a folder, or a file .html or .csv"),
        (("export", "nowhere", "--out", "o"), "nowhere: no such file or folder"),
        (
            ("export", "--out", "o", "--run", "x"),
            "--run x: 0 runs in results; expected one of r1 (tool_variants).",
        ),
        (("export", "--out", "results"), "tell the arms; expected a folder apart."),
        (("import", "s.csv"), "Key results/review-key.json: cannot be read"),
        (("show", "--run", "x"), "expected one of r1"),
    ],
)
def test_a_users_mistake_is_one_message(
    command: Command, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    run_for_review(tmp_path / "results", only=(0,), reps=1)
    said = command(*words)
    assert said.code == 4
    assert said.err.startswith("ERROR: ") and message in said.err
    assert "Traceback" not in said.err
