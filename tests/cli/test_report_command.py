"""``harness report``, and ``--report`` at a session's end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.cli import main
from tests.support.reports import write_run
from tests.support.sessions import Lab


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """``harness report`` with some words, in a folder with the results of a run: its code, and what it said."""
    write_run(tmp_path / "results", provider="rehearsal")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "report", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), *capsys.readouterr()

    return run


def test_without_a_word_it_reads_results_and_writes_a_page(report, tmp_path: Path) -> None:
    assert report() == (0, "report.html\n", "")
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_markdown_by_format_or_by_name(report, tmp_path: Path) -> None:
    assert report("results", "--format", "md")[0] == 0
    assert report("--out", "other.md")[0] == 0
    text = (tmp_path / "report.md").read_text("utf-8")
    assert text == (tmp_path / "other.md").read_text("utf-8")
    assert "REHEARSAL: replies were generated offline" in text
    assert "6.48 (1.04), 6.38 (1.20)" in text  # Table 1's figures for the Fluency of exp_3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "nowhere: no such file or folder; expected results of a run."),
        (["--run", "r9"], "Run r9: not in the files given; expected one of r1."),
        (["--out", "mine.py"], "mine.py: not a report file"),
        (["--out", "mine.html", "--format", "md"], "mine.html: not a report file in md"),
    ],
)
def test_a_mistake_is_one_error_and_exit_code_4(report, words: list[str], expected: str) -> None:
    code, _, said = report(*words)
    assert code == 4
    assert expected in said


def test_a_session_writes_its_report_beside_its_results(lab: Lab) -> None:
    session = lab.run("--report")
    assert session.ret == 0, session.stdout.str()
    page = (lab.path / "results" / "report.html").read_text("utf-8")
    assert "small" in page
    assert f"Report: {lab.path / 'results' / 'report.html'}" in session.stdout.str()


def test_a_sessions_report_is_written_where_it_was_asked_for(lab: Lab) -> None:
    assert lab.run("--report=deep/er.md").ret == 0
    assert "## Experiment report: small" in (lab.path / "deep" / "er.md").read_text("utf-8")


def test_a_name_that_no_report_has_is_refused_before_the_first_call(lab: Lab) -> None:
    session = lab.run("--report=test_small.py")
    assert session.ret == 4
    assert "test_small.py: not a report file; expected" in session.stdout.str() + session.stderr.str()
    assert lab.watched.calls == []


def test_a_report_that_cannot_be_written_leaves_the_results(lab: Lab) -> None:
    (lab.path / "taken").write_text("a file, no folder")
    session = lab.run("--report=taken/r.html")
    assert session.ret == 1
    assert "REPORT NOT WRITTEN: " in session.stdout.str()
    assert lab.artifact()["finished_all_experiments"] is True


def test_an_estimate_leaves_no_report(lab: Lab) -> None:
    assert lab.run("--estimate", "--report").ret == 0
    assert not list(lab.path.rglob("report.html"))
