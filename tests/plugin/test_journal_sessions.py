"""The journal as a user meets it: files, fresh starts, damage and a full disk, over sessions of pytest."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from harness.llm.journal_file import JournalFile
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


def test_a_damaged_journal_costs_the_calls_of_unfinished_trials(lab: Lab) -> None:
    stumble(lab)
    lab.run()
    (path,) = (lab.results / "journal").iterdir()
    path.write_bytes(b"\x00" * 5000)
    lab.watched.forget()
    lab.watched.before = None
    with pytest.warns(RuntimeWarning, match=r"is damaged \(file is not a database\); it was set aside as"):
        result = lab.run()
    result.assert_outcomes(passed=2)
    assert lab.watched.calls == [STUMBLING] * CALLS_PER_TRIAL
    assert f"{path.name}.corrupt-1" in journals(lab)


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
