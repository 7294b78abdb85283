"""A run that version 0.1.0 wrote and left open: it is read, merged, checked, reported and resumed.

``tests/data/run-0.1.0.zip`` has the experiment, its records, artifact, meta file, journal and registry as that version
left them, stopped by a budget of 14 calls: three of four trials are finished, and two replies of the fourth are paid.
"""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import harness.stats as stats
from harness.cli import main
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.records import merge, record_files, runs_in_files
from tests.support.sessions import Lab, load

RUN = "20261128T184040-b7d622"
KEPT = Path(__file__).parents[1] / "data" / "run-0.1.0.zip"
OPEN_TRIAL = "market/Treatment/rep1/panel0/proposal0"


@pytest.fixture
def sent(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The run, unpacked into the lab; the trials of the calls that are sent."""
    trials: list[str] = []
    complete = RehearsalProvider.complete

    async def note(self: RehearsalProvider, request: Any, *, trial: str, occurrence: int) -> Any:
        trials.append(trial)
        return await complete(self, request, trial=trial, occurrence=occurrence)

    monkeypatch.setattr(RehearsalProvider, "complete", note)
    with zipfile.ZipFile(KEPT) as kept:
        kept.extractall(lab.path)
    (lab.path / "test_small.py").unlink()
    return trials


def journaled(lab: Lab) -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(lab.results / "journal" / f"{RUN}.sqlite")) as connection:
        return set(connection.execute("select trial, kind, person, step, digest, text from replies"))


def test_it_is_small_and_names_no_place_of_the_machine_that_wrote_it() -> None:
    assert KEPT.stat().st_size < 60_000
    with zipfile.ZipFile(KEPT) as kept:
        texts = [kept.read(name) for name in kept.namelist()]
    assert not any(word in text for text in texts for word in (b"/tmp/", b"/home/", b"/root/"))


def test_it_is_read_with_what_is_missing(lab: Lab, sent: list[str]) -> None:
    (run,) = runs_in_files(record_files([lab.results]))
    finished = {trial for trial, outcome in run.outcomes.items() if outcome.accepted}
    assert (run.run_id, run.rehearsal, len(finished), OPEN_TRIAL in finished) == (RUN, True, 3, False)
    assert not sent


def test_it_is_merged_into_the_same_artifact(lab: Lab, sent: list[str]) -> None:
    (merged,) = merge(record_files([lab.results]), lab.path / "again.json", stats=stats)
    assert load(merged) == load(lab.results / f"market_{RUN}.json")
    assert not sent


@pytest.mark.parametrize("words", [("check", "results"), ("report", "results", "--out", "page.html")])
def test_it_is_checked_and_reported(
    lab: Lab, sent: list[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.argv", ["harness", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert words[0] == "check" or RUN in (lab.path / "page.html").read_text()
    assert not sent


@pytest.mark.parametrize("registry", ["kept", "lost"])
def test_it_is_resumed_and_only_its_open_trial_runs_again(lab: Lab, sent: list[str], registry: str) -> None:
    """The prompts of 0.1.0 were others, so the two replies that the open trial has answer none of its calls now."""
    if registry == "lost":
        (lab.results / "runs.sqlite").unlink()
    before = journaled(lab)
    assert sum(reply[0] == OPEN_TRIAL for reply in before) == 2
    result = lab.run(model="rehearsal")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            f"market: resuming run {RUN} with 3 finished trials.",
            f"market: run {RUN} was started by a version that did not record code*",
        ]
    )
    after = journaled(lab)
    assert before < after and len(after) == len(before) + 4
    assert sent == [OPEN_TRIAL] * 4
    meta = load(lab.results / f"market_{RUN}.meta.json")
    assert (meta["partial"], sum(meta["usage"]["calls"].values())) == (False, 18)
    checks = {(one["name"], one["level"]) for one in meta["instrument"]["checks"]}
    assert ("settings", "PASS") in checks and ("code", "WARN") in checks


def test_with_another_seed_it_is_another_run_and_the_difference_is_shown(lab: Lab, sent: list[str]) -> None:
    before = journaled(lab)
    result = lab.run("--seed=5", model="rehearsal")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [f"market: starting a new run. The open run {RUN} differs in:", "  seed: 0 then, 5 now"]
    )
    assert sent and journaled(lab) == before
