"""What a person sees while waiting, and at the end."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from harness.gateway.waiting import Waiting, duration
from harness.model import Cell, Trial
from harness.plugin.heartbeat import beat
from harness.plugin.internals import draw_below
from harness.plugin.progress import Display, line, thousands, waiting_line
from harness.runtime.progress import ProgressCounter, Snapshot
from tests.support.sessions import LIGHT, SMALL, Lab, environment, watch

CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 00 min"),
        (7499, "2 h 04 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (12_345, "12k"), (999_499, "999k"), (3_400_000, "3.4M")],
)
def test_large_numbers(number: int, text: str) -> None:
    assert thousands(number) == text


def test_a_large_run_fits_80_columns() -> None:
    most = Snapshot(100, 100, 2_000, 2_000, 999_999, 100, 999_000_000, 359_000.0)
    assert len(line(most)) < 80


def test_a_pipe_gets_whole_lines_without_control_characters(lab: Lab) -> None:
    session = lab.start("--model=rehearsal", "--mode=long")
    said, _ = session.communicate("")
    assert session.returncode == 0
    assert "\x1b" not in said
    assert "\r" not in said
    assert all(len(row) <= 80 for row in ours(said.splitlines()))


@pytest.mark.parametrize("verbosity", [(), ("-v",), ("-q",)])
def test_a_terminal_shows_a_live_line_and_is_left_clean(lab: Lab, verbosity: tuple[str, ...]) -> None:
    text, screen = on_a_terminal(lab, "--model=rehearsal:60ms", "--mode=long", "--concurrency=2", *verbosity)
    live = re.findall(r"cells \d/6, trials \d+/12, calls [\d,]+, tokens \w+", text)
    assert live if "-q" not in verbosity else not live
    for one, other in pairwise(live):
        assert int(re.findall(r"\d+", one)[2]) <= int(re.findall(r"\d+", other)[2])
    assert not [row for row in screen if row.startswith("cells ")]
    assert [row for row in screen if "REHEARSAL" in row]
    if not verbosity:
        assert [row for row in screen if row.startswith("test_small.py ......")]
    assert all(len(row) <= 80 for row in ours(screen))


def ours(rows: list[str]) -> list[str]:
    """All but the header, whose list of plugins is as long as it is."""
    return [row for row in rows if not row.startswith(("plugins: ", "rootdir: ", "platform "))]


def on_a_terminal(lab: Lab, *options: str) -> tuple[str, list[str]]:
    """All that a session wrote to a terminal of 80 columns, and the rows that stand there at its end."""
    here, there = pty.openpty()
    command = [sys.executable, "-m", "pytest", *LIGHT, "-m", "experiment", "--color=yes", *options]
    with subprocess.Popen(
        command,
        cwd=lab.path,
        env=environment() | {"TERM": "xterm"},
        stdin=there,
        stdout=there,
        stderr=there,
    ) as process:
        watch(process)
        os.close(there)
        written = b""
        while chunk := _read(here):
            written += chunk
    os.close(here)
    text = written.decode()
    return text, rows(text)


def _read(file: int) -> bytes:
    try:
        return os.read(file, 65536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def rows(text: str) -> list[str]:
    """A terminal for as much as is used here: new line, carriage return, up, column, erase to the end, colours."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\n\r]|[^\x1b\n\r]+", text):
        if piece == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif piece == "\r":
            column = 0
        elif piece == "\x1b[1A":
            row -= 1
        elif piece.startswith("\x1b") and piece.endswith("G"):
            column = int(piece[2:-1]) - 1
        elif piece == "\x1b[K":
            lines[row] = lines[row][:column]
        elif not CONTROL.fullmatch(piece):
            lines[row] = lines[row].ljust(column)[:column] + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return lines


def test_the_summary_has_means_difference_files_and_counts(lab: Lab) -> None:
    lab.write(SMALL.replace('Group("Treatment")', 'Group("Treatment", correction=Correction(6, 3))'))
    result = lab.run(model="rehearsal")
    result.stdout.fnmatch_lines(
        [
            "===*small, run *===",
            "REHEARSAL: replies were generated offline. Nothing below is evidence.",
            "Control: correction off; no intervention",
            "Treatment: correction below 6, up to 3 times; no intervention",
            "metric *Control *Treatment *difference",
            "Courtesy * (4) * (4) *[+-]*",
            "4 of 4 trials finished; * calls, * tokens in, * out.",
            "Artifact: results/small_*.json",
            "Metadata: small_*.meta.json; records: 2 JSONL files",
            "===*experiments*===",
            "Cases: 2 passed, 0 failed, 0 rerun, 2 total.",
        ]
    )
    written = result.outlines[next(n for n, line in enumerate(result.outlines) if ", run " in line) :]
    assert all(len(line) <= 80 for line in written)


def test_results_of_a_real_model_are_not_called_a_rehearsal(lab: Lab) -> None:
    assert "REHEARSAL" not in lab.run().stdout.str()


LIMITED = Waiting("HTTP 429, too many requests: Daily limit reached", 550.0, attempt=3, tries=10)


@pytest.mark.parametrize(
    ("waiting", "width", "text"),
    [
        (
            LIMITED,
            160,
            "waiting: HTTP 429, too many requests: Daily limit reached; try 3 of 10 in 9 min 10 s",
        ),
        (LIMITED, 60, "waiting: HTTP 429, too many requ…; try 3 of 10 in 9 min 10 s"),
        (LIMITED, 5, "waiting: HTTP 429,…; try 3 of 10 in 9 min 10 s"),
        (Waiting("no connection.", 0.2, 2, 3), 160, "waiting: no connection; try 2 of 3 now"),
        (Waiting("the limit of 9 calls", 9.0), 160, "waiting: the limit of 9 calls; next call in 9 s"),
        (Waiting("a reply", elapsed=95.0, calls=2), 160, "waiting: 2 calls have waited 1 min 35 s for a reply"),
        (Waiting("a reply", elapsed=9.0, calls=1), 160, "waiting: 1 call has waited 9 s for a reply"),
        (Waiting("the model is loading", elapsed=9.0), 160, "waiting: the model is loading for 9 s"),
        (Waiting("a\x1b[2Jb\nc", 5.0), 160, "waiting: a [2Jb c; next call in 5 s"),
    ],
)  # fmt: skip
def test_what_is_waited_for_is_one_line(waiting: Waiting, width: int, text: str) -> None:
    assert waiting_line(waiting, width) == text


class Screen:
    """A configuration without a terminal, and what is written there; a desk whose progress a test sets."""

    def __init__(self) -> None:
        self.now, self.waiting, self.lines = 0.0, None, []
        self.option = self.pluginmanager = self.gateway = self

    def getoption(self, _name: str) -> int:
        return 0

    def get_plugin(self, name: str) -> Any:
        return self if name == "terminalreporter" else None

    def get_terminal_writer(self) -> Any:
        return SimpleNamespace(hasmarkup=False)

    def ensure_newline(self) -> None: ...
    def flush(self) -> None: ...

    def write_line(self, text: str) -> None:
        self.lines.append((self.now, text))

    def progress(self) -> Snapshot:
        return Snapshot(2, 0, 4, 0, 8, 0, 0, None, waiting=self.waiting)


def test_without_a_terminal_a_wait_is_told_when_it_begins_and_then_with_the_counts() -> None:
    screen = Screen()
    display = Display(screen, lambda: screen.now)  # type: ignore[arg-type]
    while screen.now < 130:
        screen.waiting = replace(LIMITED, seconds=550 - screen.now) if screen.now >= 2 else None
        display.show(screen)  # type: ignore[arg-type]
        screen.now += 0.2
    told = [(round(at), text) for at, text in screen.lines if text.startswith("waiting")]
    assert [at for at, _ in told] == [5, 65, 125]
    assert told[0][1].endswith("try 3 of 10 in 9 min 05 s")


def test_slow_replies_are_told_within_ten_seconds_and_then_once_a_minute() -> None:
    screen = Screen()
    display = Display(screen, lambda: screen.now)  # type: ignore[arg-type]
    while screen.now < 130:
        slow = Waiting("a reply", elapsed=screen.now, calls=2)
        trouble = LIMITED if int(screen.now / 10) % 2 else slow
        screen.waiting = trouble if screen.now >= 8 else None
        display.show(screen)  # type: ignore[arg-type]
        screen.now += 0.2
    told = [round(at) for at, text in screen.lines if "calls have waited" in text]
    assert told[0] <= 10
    assert len(told) <= 3, "a model that is always slow does not fill the log"


def test_the_line_shows_what_is_spent_what_it_will_be_and_the_slowest_call() -> None:
    now = Snapshot(2, 0, 8, 3, 12, 2, 3400, 200.0, cost=0.42, cost_ahead=1.7, slowest=12.0)
    assert line(now) == "trials 3/8, calls 12, tokens 3k, $0.42 of ~$1.70, 3 min 20 s left, slowest 12 s"
    assert line(replace(now, slowest=1.0, seconds_left=None)) == (
        "cells 0/2, trials 3/8, calls 12, tokens 3k, $0.42 of ~$1.70"
    )
    assert line(replace(now, cost=0.0042, cost_ahead=None, slowest=0.0)).endswith(
        "tokens 3k, $0.0042, 3 min 20 s left"
    )


def test_a_large_run_with_its_cost_fits_80_columns() -> None:
    most = Snapshot(
        100,
        100,
        20_000,
        20_000,
        999_999,
        100,
        999_000_000,
        359_000.0,
        cost=9_999.0,
        cost_ahead=99_999.0,
        slowest=600.0,
    )
    assert len(line(most)) < 80
    assert "$9,999 of ~$99,999" in line(most)


def test_the_cost_at_the_end_is_foreseen_from_the_trials_that_ended() -> None:
    counter = ProgressCounter(clock=lambda: 0.0)
    cell = Cell("talk", "Control", 1)
    trials = [Trial(cell, 0, number) for number in range(5)]
    counter.entered("talk#1", 5, ())
    gateway: Any = SimpleNamespace(
        provider=SimpleNamespace(name="openai"), cost=0.3, calls=9, in_flight=1, tokens_in=1, tokens_out=2, slowest=3.0,
        waiting=lambda: None,
    )  # fmt: skip
    assert counter.snapshot(gateway).cost_ahead is None
    for trial, cost in zip(trials[:2], (0.1, 0.15), strict=True):
        counter.ended(trial, cost)
    now = counter.snapshot(gateway)
    assert (now.cost, now.cost_ahead, now.slowest) == (0.3, pytest.approx(0.25 + 3 * 0.125), 3.0)
    counter.ended(trials[2], None)
    assert counter.snapshot(gateway).cost_ahead is None, "a trial of unknown cost"
    gateway.provider.name = "rehearsal"
    assert counter.snapshot(gateway).cost is None


def test_the_file_that_says_how_far_a_session_is_names_what_it_waits_for() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    now = Snapshot(2, 0, 4, 0, 8, 0, 0, None, waiting=LIMITED)
    assert "\nwaiting: HTTP 429, " in beat("2 variants, running", now, moment, 0.0, moment)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_unicode_shows_the_live_line_all_the_same(encoding: str) -> None:
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding, newline="")
    writer = SimpleNamespace(_file=file, fullwidth=80, width_of_current_line=0, flush=file.flush)
    config = SimpleNamespace(pluginmanager=Screen(), get_terminal_writer=lambda: writer)
    draw_below(config, "Zo\u00eb \u03a9\u2026 waits")  # type: ignore[arg-type]
    assert b"Zo" in written.getvalue() and b" waits" in written.getvalue()
