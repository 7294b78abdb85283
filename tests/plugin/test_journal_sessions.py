"""The journal as a user meets it: files, fresh starts, damage and a full disk, over sessions of pytest."""

from __future__ import annotations

import shutil
import sqlite3
from typing import Any

import pytest

from harness.gateway.journal.file import JournalFile
from tests.support.sessions import CALLS_PER_TRIAL, Lab

TRIALS = 4
STUMBLING = "small/Treatment/rep1/panel0/proposal1"


def stumble(lab: Lab) -> None:
    """Let the last call of one trial break its engine."""
    seen: list[str] = []

    async def before(trial: str, number: int) -> None:
        seen.append(trial)
        if trial == STUMBLING and seen.count(trial) == CALLS_PER_TRIAL:
            raise ValueError("broken")

    lab.watched.before = before


def journals(lab: Lab) -> list[str]:
    return sorted(path.name for path in (lab.results / "journal").iterdir())


def test_a_run_has_one_file_and_a_later_session_pays_only_for_what_is_missing(lab: Lab) -> None:
    stumble(lab)
    lab.run()
    (name,) = journals(lab)
    assert name == f"{lab.lines()[0]['run_id']}.sqlite"
    lab.watched.forget()
    lab.watched.before = None
    lab.run().assert_outcomes(passed=2)
    assert lab.watched.calls == [STUMBLING]


def test_fresh_starts_over_and_keeps_the_old_journal(lab: Lab) -> None:
    stumble(lab)
    lab.run()
    (old,) = (lab.results / "journal").iterdir()
    content = old.read_bytes()
    lab.watched.forget()
    lab.watched.before = None
    lab.run("--fresh").assert_outcomes(passed=2)
    assert len(lab.watched.calls) == TRIALS * CALLS_PER_TRIAL
    assert len(journals(lab)) == 2 and old.read_bytes() == content


def lose(lab: Lab, how: str) -> None:
    """Take the journal of the only run away."""
    (path,) = (lab.results / "journal").iterdir()
    if how == "damaged":
        path.write_bytes(b"\x00" * 5000)
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "an older copy":
        with sqlite3.connect(path) as connection:
            connection.execute("delete from replies")
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["damaged", "emptied", "deleted", "an older copy"])
def test_nothing_is_sent_without_the_journal_until_the_user_accepts_that(lab: Lab, how: str) -> None:
    stumble(lab)
    lab.run()
    lose(lab, how)
    lab.watched.forget()
    lab.watched.before = None
    for _ in range(2):
        result = lab.run()
        assert (result.ret, lab.watched.calls) == (4, [])
        said = " ".join(result.stderr.str().split())
        assert "calls of 1 unfinished trials again" in said and "the 3 finished trials are kept" in said
        assert "--fresh" in said and "--accept-lost-journal" in said
    result = lab.run("--accept-lost-journal")
    result.assert_outcomes(passed=2)
    assert lab.watched.calls == [STUMBLING] * CALLS_PER_TRIAL
    assert "resumes without these replies" in " ".join(result.stdout.str().split())


def test_an_accepted_loss_is_not_asked_about_again(lab: Lab) -> None:
    stumble(lab)
    lab.run()
    lose(lab, "deleted")
    stumble(lab)
    assert lab.run("--accept-lost-journal").ret == 1
    lab.watched.forget()
    lab.watched.before = None
    lab.run().assert_outcomes(passed=2)
    assert lab.watched.calls == [STUMBLING]


def test_a_damaged_reply_stops_before_its_trial_sends_anything(lab: Lab) -> None:
    stumble(lab)
    lab.run()
    (path,) = (lab.results / "journal").iterdir()
    with sqlite3.connect(path) as connection:
        changed = "update replies set text = 'another' where rowid = (select min(rowid) from replies where trial = ?)"
        assert connection.execute(changed, (STUMBLING,)).rowcount == 1
    lab.watched.forget()
    lab.watched.before = None
    result = lab.run()
    assert (result.ret, lab.watched.calls) == (4, [])
    said = " ".join((result.stderr.str() + result.stdout.str()).split())
    assert f"damaged replies of {STUMBLING}" in said and "--accept-lost-journal" in said
    lab.run("--accept-lost-journal").assert_outcomes(passed=2)
    assert 1 < len(lab.watched.calls) <= CALLS_PER_TRIAL


def test_fresh_needs_no_lost_journal(lab: Lab) -> None:
    stumble(lab)
    lab.run()
    lose(lab, "deleted")
    lab.watched.before = None
    lab.run("--fresh").assert_outcomes(passed=2)


def test_a_lost_journal_of_finished_trials_is_no_loss(lab: Lab) -> None:
    lab.run().assert_outcomes(passed=2)
    run_id = lab.lines()[0]["run_id"]
    lose(lab, "deleted")
    lab.watched.forget()
    lab.run(f"--resume={run_id}").assert_outcomes(passed=2)
    assert lab.watched.calls == []
    lab.run(f"--resume={run_id}", "--count=2").assert_outcomes(passed=4)
    assert len(lab.watched.calls) == TRIALS * CALLS_PER_TRIAL


@pytest.mark.parametrize("size", [None, 0])
def test_a_lost_registry_costs_no_call(lab: Lab, size: int | None) -> None:
    stumble(lab)
    lab.run()
    (lab.results / "runs.sqlite").unlink()
    if size is not None:
        (lab.results / "runs.sqlite").touch()
    for path in lab.results.glob("small_Treatment*.jsonl"):
        path.unlink()
    lab.watched.forget()
    lab.watched.before = None
    result = lab.run()
    result.assert_outcomes(passed=2)
    assert lab.watched.calls == [STUMBLING]
    result.stdout.fnmatch_lines(["*was missing or empty; it was rebuilt*"])


@pytest.mark.parametrize("what", ["results", "journal", "records"])
def test_results_that_vanish_during_a_session_end_it_and_cost_no_call(lab: Lab, what: str) -> None:
    async def vanish(trial: str, number: int) -> None:
        if number == 2 * CALLS_PER_TRIAL + 2:
            if what == "records":
                for path in lab.results.glob("*.jsonl"):
                    path.unlink()
            else:
                shutil.rmtree(lab.results if what == "results" else lab.results / "journal")

    lab.watched.before = vanish
    result = lab.run("--concurrency=1")
    assert result.ret == 1 and "Traceback" not in result.stdout.str()
    assert "small_" in result.stdout.str() or what != "records"
    sent = len(lab.watched.calls)
    assert sent <= 3 * CALLS_PER_TRIAL
    lab.watched.before = None
    lab.run().assert_outcomes(passed=2)
    assert len(lab.watched.calls) == TRIALS * CALLS_PER_TRIAL


def test_a_full_disk_stops_the_session_in_order_and_the_next_one_goes_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = JournalFile._write, []

    def fill(self: Any, entries: Any) -> None:
        if len(written) >= 6:
            raise sqlite3.OperationalError("database or disk is full")
        write(self, entries)
        written.extend(entries)

    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", fill)
        result = lab.run("--concurrency=1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*journal*cannot be written: database or disk is full*"])
    said = result.stdout.str()
    assert "Traceback" not in said and "INTERNALERROR" not in said
    assert lab.meta()["partial"] is True
    sent = len(lab.watched.calls)
    lab.watched.forget()
    lab.run().assert_outcomes(passed=2)
    lost = sent - len(written)
    assert lost <= 1 and len(lab.watched.calls) == TRIALS * CALLS_PER_TRIAL - len(written)


def test_an_unacceptable_reply_is_on_record_and_not_replayed(lab: Lab) -> None:
    lab.watched.text = "no JSON at all"
    lab.run("-k", "Control", "--concurrency=1")
    failures = lab.lines("Control", "trial_failure")
    assert failures and all(
        len(line["rejections"]) == 2 * 4 for line in failures
    )  # two people, four attempts
    assert {one["reason"][:8] for line in failures for one in line["rejections"]} == {"not JSON"}
    lab.watched.text = None
    lab.watched.forget()
    lab.run("-k", "Control").assert_outcomes(passed=1)
    assert len(lab.watched.calls) == 2 * CALLS_PER_TRIAL
    assert all(line["paid"]["calls"]["act"] == 10 for line in lab.lines("Control", "trial_result"))
