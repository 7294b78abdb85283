"""What a person sees while waiting, and at the end."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from itertools import pairwise

import pytest

from harness.execution.progress import Snapshot
from harness.llm.waiting import duration
from harness.plugin.progress import line, thousands
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
            "REHEARSAL: the replies were made up offline. Nothing below is evidence.",
            "Control: correction off; no intervention",
            "Treatment: correction below 6, up to 3 times; no intervention",
            "metric *Control *Treatment *difference",
            "Courtesy * (4) * (4) *[+-]*",
            "4 of 4 trials finished; * calls, * tokens in, * out.",
            "Artifact: results/small_*.json",
            "Beside it: small_*.meta.json; records: 2 JSONL files",
            "===*experiments*===",
            "Cases: 2 passed, 0 failed, 0 rerun, 2 in all; work *",
        ]
    )
    written = result.outlines[next(n for n, line in enumerate(result.outlines) if ", run " in line) :]
    assert all(len(line) <= 80 for line in written)


def test_results_of_a_real_model_are_not_called_a_rehearsal(lab: Lab) -> None:
    assert "REHEARSAL" not in lab.run().stdout.str()
