"""How a cell ended, in words; what a trial printed; how long there is to go."""

from __future__ import annotations

import contextvars
import io
import logging
from types import SimpleNamespace

from harness.model import Cell, Sample, Trial, TrialFailure
from harness.runtime.cells import LISTED, CellOutcome, TrialOutcome
from harness.runtime.output_capture import LIMIT, CaseOutput, Collector, current, not_from_a_trial, routed
from harness.runtime.progress import WINDOW, Pace

CELL = Cell("toy", "Control", 1)


def played(number: int, *, failed: bool = False, seconds: float = 1.0, began: float = 0.0) -> TrialOutcome:
    trial = Trial(CELL, 0, number)
    failure = TrialFailure(trial, f"reason {number}", "ModelCallError") if failed else None
    return TrialOutcome(
        trial,
        (Sample("kind", float(number)), Sample("odd", None, reason="no")),
        failure,
        seconds,
        began=began,
    )


def test_a_finished_cell_has_no_problem() -> None:
    outcome = CellOutcome(CELL, (played(0), played(1, seconds=2.5, began=0.5)), expected=2)
    assert outcome.finished
    assert outcome.problem() is None
    assert outcome.seconds == 3.0, "trials that overlap count once"
    assert outcome.values("kind") == (0.0, 1.0)
    assert outcome.values("odd") == ()


def test_the_first_failures_are_named_and_the_others_counted() -> None:
    outcome = CellOutcome(
        CELL, tuple(played(n, failed=n > 0) for n in range(LISTED + 3)), expected=LISTED + 3
    )
    problem = outcome.problem()
    assert problem is not None
    lines = problem.splitlines()
    assert lines[0] == f"toy-Control-1: {LISTED + 2} of {LISTED + 3} trials did not finish."
    assert lines[1] == "  toy/Control/rep1/panel0/proposal1: reason 1"
    assert lines[LISTED + 1] == "  … and 2 more; each has a trial_failure line in its JSONL file."
    assert lines[-1].startswith("  Finished trials are kept. To run only these, rerun the same command")


def test_a_stopped_cell_says_what_stopped_it() -> None:
    problem = CellOutcome(CELL, (played(0),), expected=3, stopped="The key was refused.").problem()
    assert problem is not None
    assert "2 of 3 trials did not finish" in problem
    assert "The key was refused." in problem


def in_a_trial(case: CaseOutput, *actions: object) -> None:
    context = contextvars.copy_context()
    context.run(current.set, case)
    for action in actions:
        context.run(action)  # type: ignore[arg-type]


def test_a_trials_text_goes_to_its_case_and_other_text_passes() -> None:
    real, case = io.StringIO(), CaseOutput()
    place = SimpleNamespace(stream=real)
    with routed((place, "stream")):
        in_a_trial(case, lambda: place.stream.write("mine"))
        place.stream.write("everybody's")
        assert place.stream.getvalue() == "everybody's"
    assert place.stream is real
    assert case.printed == ["mine"]


def test_what_is_kept_of_a_runaway_trial_is_bounded() -> None:
    case = CaseOutput()
    record = logging.LogRecord("x", logging.INFO, "", 0, "text", None, None)
    for _ in range(LIMIT // 100 + 10):
        case.write("x" * 1000)
        case.emit(record)
    assert sum(map(len, case.printed)) <= LIMIT
    assert len(case.records) == LIMIT // 100


def test_log_records_of_trials_are_kept_apart() -> None:
    case, record = CaseOutput(), logging.LogRecord("x", logging.INFO, "", 0, "text", None, None)
    in_a_trial(case, lambda: Collector().emit(record))
    Collector().emit(record)
    assert case.records == [record]
    assert not_from_a_trial(record)
    in_a_trial(case, lambda: case.write(str(not_from_a_trial(record))))
    assert case.printed == ["False"]


def test_the_time_left_follows_the_recent_pace() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    assert pace.seconds_left(10) is None
    for _ in range(WINDOW):
        now += 100.0
        pace.tick()
    assert pace.seconds_left(2) == 200.0
    for _ in range(WINDOW):
        now += 1.0
        pace.tick()
    assert pace.seconds_left(10) == 10.0
    assert pace.seconds_left(0) == 0.0
