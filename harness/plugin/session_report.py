"""Report the session: an outcome per case, the artifacts, and the summary at the end."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from harness.console import on_one_line, write_heading, write_line
from harness.errors import ExitCode, HarnessError
from harness.plugin.hints import explain
from harness.plugin.state import KEY, PluginState, message_of
from harness.records.read_problems import MOST_NAMED, Problem, Problems, collected
from harness.runtime.coordinator import Coordinator
from harness.runtime.output_capture import routed
from harness.runtime.runs import Conclusion
from harness.runtime.session import Session

if TYPE_CHECKING:
    from harness.model import Experiment


def _state(config: pytest.Config) -> PluginState | None:
    state = config.stash.get(KEY, None)
    return state if state is not None and state.session is not None else None


_PROBLEMS = pytest.StashKey[Problems]()


def pytest_configure(config: pytest.Config) -> None:
    """Collect unreadable records for the session's summary."""
    block = ExitStack()
    config.stash[_PROBLEMS] = block.enter_context(collected())
    config.add_cleanup(block.close)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if _state(item.config) is None:
        return (yield)
    with routed(
        (sys, "stdout"), (sys, "stderr")
    ):  # a fixture such as capsys may have put streams of its own there
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report: Any = yield
    handle = getattr(item, "funcargs", None) and item.funcargs.get("cell")  # type: ignore[attr-defined]
    seconds = getattr(handle, "seconds", None)
    if call.when == "call" and seconds is not None:
        report.duration = seconds
    if report.failed and call.excinfo is not None and isinstance(call.excinfo.value, HarnessError):
        report.longrepr = message_of(item.config, call.excinfo.value)  # the message needs no traceback
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    state = _state(session.config)
    if state is None or state.session is None:
        return
    interrupted = exitstatus == ExitCode.INTERRUPTED
    if state.interruption is not None:
        state.interruption.closing = True
    try:
        state.session.close(interrupted=interrupted)
        if state.coordinator is not None:
            _conclude(state, state.session, state.coordinator)
        faulty = any(one.problem for one in state.conclusions) or any(one.faults for one in state.estimates)
        faulty |= state.coordinator is not None and bool(state.coordinator.unkept)
        faulty |= session.config.stash[_PROBLEMS].lost
        faulty |= (state.report or "").startswith("REPORT NOT WRITTEN")
        faulty |= state.settings.strict_checks and any(map(_failed, state.conclusions))
        if exitstatus == ExitCode.OK and faulty:
            session.exitstatus = ExitCode.FAILED
    except HarnessError as error:
        pytest.exit(message_of(session.config, error), returncode=int(ExitCode.FAILED))


def _conclude(state: PluginState, session: Session, coordinator: Coordinator) -> None:
    """Keep each run's conclusion; for a dry run, its estimate of the real one."""
    from harness.runtime.play_checks import own_checks

    experiments = [plan.experiment for plan in session.plans]
    conclusions = coordinator.conclude(state.hooks.with_checks(own_checks(experiments)))
    if state.rehearsal is None:
        state.conclusions += conclusions
        for one in filter(lambda one: one.artifact is not None, conclusions):
            about = {"experiment": one.experiment, "run_id": one.run_id, "artifact": one.artifact}
            state.hooks.tell("pytest_harness_artifact_written", **about, records=one.records)
        _report(state, experiments)
        return
    outcomes = [outcome for _, outcome in state.outcomes.values()]
    state.estimates += state.rehearsal.estimates(session.plans, outcomes, conclusions)


def _report(state: PluginState, experiments: Sequence[Experiment]) -> None:
    """Write the report that ``--report`` names. The results are already safe, so a failure here loses nothing."""
    out = state.settings.report
    records = [path for one in state.conclusions for path in one.records]
    if out is None or not records:
        return
    from harness.guests import published
    from harness.reports import write_report
    from harness.runtime.play_checks import own_answers, own_checks

    runs = [one.run_id for one in state.conclusions if one.records]
    try:
        own, answers = own_checks(experiments), own_answers(experiments)
        write_report(records, out, runs=runs, published=published, own=own, answers=answers)
        state.report = f"Report: {out}"
    except Exception as error:  # any failure here must leave the summary of a paid session intact
        state.report = (
            f"REPORT NOT WRITTEN: {explain(error) if isinstance(error, HarnessError) else repr(error)}"
        )


def _failed(conclusion: Conclusion) -> bool:
    """Whether a validity check failed."""
    return bool((conclusion.meta.get("instrument") or {}).get("worst") == "FAIL")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    state = _state(config)
    if state is None or config.option.no_summary:
        return
    problems = config.stash[_PROBLEMS]
    _name_unread(terminalreporter, [*problems])
    if state.conclusions:
        from harness.plugin.summary import write_summary

        write_summary(terminalreporter, state, state.conclusions)
        about = {"terminalreporter": terminalreporter, "conclusions": state.conclusions}
        state.hooks.tell("pytest_harness_summary", **about)
        for text in state.hooks.lines():
            write_line(terminalreporter, text, yellow=True)
    for estimate in state.estimates:
        from harness.plugin.estimate_report import lines

        write_heading(terminalreporter, f"estimate: {estimate.experiment}")
        for text in lines(estimate):
            write_line(terminalreporter, text)


def _name_unread(reporter: Any, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    write_heading(reporter, "records that could not be read")
    for one in problems[:MOST_NAMED]:
        write_line(reporter, on_one_line(str(one)))
    if len(problems) > MOST_NAMED:
        write_line(reporter, f"… and {len(problems) - MOST_NAMED:,} more lines or files.")
