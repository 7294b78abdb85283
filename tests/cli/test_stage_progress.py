"""The stage of a command's work is shown once it has taken a while."""

from __future__ import annotations

import pytest

from harness.cli.progress import QUIET, REPEATED, StageProgress


class HandClock:
    """Moves when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def progress(clock: HandClock, lines: list[str]) -> StageProgress:
    return StageProgress(clock, lines.append)


def test_short_work_shows_nothing(progress: StageProgress, clock: HandClock, lines: list[str]) -> None:
    progress("reading")
    clock.now += QUIET - 0.1
    progress.show()
    assert lines == []


def test_the_stage_is_shown_with_the_time_that_it_took(
    progress: StageProgress, clock: HandClock, lines: list[str]
) -> None:
    for stage, seconds in (("reading", 2.5), ("reading", 2.5), ("comparison 1 of 2", 0.0)):
        progress(stage)
        clock.now += seconds
        progress.show()
    assert lines == ["reading (2 s)", "comparison 1 of 2 (5 s)"]


def test_a_stage_that_lasts_is_shown_again(
    progress: StageProgress, clock: HandClock, lines: list[str]
) -> None:
    progress("reading")
    for seconds in (QUIET, REPEATED):
        clock.now += seconds
        progress.show()
    assert lines == ["reading (2 s)", "reading (12 s)"]


def test_a_name_in_a_stage_cannot_control_the_terminal(
    progress: StageProgress, clock: HandClock, lines: list[str]
) -> None:
    progress("\x1b[31mred\n")
    clock.now += 3
    progress.show()
    assert lines == ["\\x1b[31mred\\n (3 s)"]


def test_its_thread_ends_with_the_work() -> None:
    with StageProgress() as progress:
        progress("reading")
    assert not progress._thread.is_alive()
