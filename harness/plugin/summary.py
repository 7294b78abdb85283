"""The summary at the end of a session: means and differences per experiment, then files and counts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.checks import check_lines
from harness.console import write_heading, write_line
from harness.errors import ModelCallError
from harness.gateway.waiting import duration
from harness.plugin.progress import thousands
from harness.plugin.state import PluginState
from harness.reports.arm_labels import arm
from harness.reports.local_models import local_models
from harness.reports.parts import REHEARSAL, WIDTH
from harness.reports.plan_section import plan_lines
from harness.reports.preferences import preference_lines
from harness.reports.primary_answer import answer_lines
from harness.runtime.busy_time import busy_seconds
from harness.runtime.runs import Conclusion
from harness.stats.results import NO_METRIC

NAME_WIDTH = 24
COLUMN = 15
UNCALLED = (
    "REHEARSAL without a call: no result below comes from rehearsed replies. Nothing below is evidence."
)
MIXED = "MIXED: settings changed during this run. Nothing can be claimed from it."


def write_summary(reporter: Any, state: PluginState, conclusions: Sequence[Conclusion]) -> None:
    """Write a section per run, then the session's counts. A brief summary shows only runs with problems.

    After a session whose first call failed for good, the error says all there is to say.
    """
    if _never_began(state, conclusions):
        return
    here = Path.cwd()
    for conclusion in conclusions:
        if state.brief and not _went_wrong(conclusion):
            continue
        write_heading(reporter, f"{conclusion.experiment}, run {conclusion.run_id}")
        for text in run_lines(conclusion, here):
            write_line(reporter, text, **({"yellow": True} if text in (REHEARSAL, UNCALLED) else {}))
    write_heading(reporter, "experiments")
    for text in session_lines(state, reporter.stats):
        write_line(reporter, text)


def _never_began(state: PluginState, conclusions: Sequence[Conclusion]) -> bool:
    """Whether a call's failure ended the session before any reply came, and no run has a finished trial."""
    coordinator = state.coordinator
    if coordinator is None or not isinstance(coordinator.stopped, ModelCallError):
        return False
    gateway = coordinator.gateway
    if gateway.tokens_in or gateway.tokens_out or gateway.replayed or coordinator.unkept:
        return False
    return not any(one.meta and one.meta["trials"]["finished"] for one in conclusions)


def _went_wrong(conclusion: Conclusion) -> bool:
    return conclusion.problem is not None or bool(conclusion.meta["partial"] or conclusion.meta["warnings"])


def run_lines(conclusion: Conclusion, here: Path) -> Iterator[str]:
    """Summarize a run in lines of at most 80 columns, where names allow."""
    meta = conclusion.meta
    if conclusion.artifact is None:
        yield f"No artifact: {conclusion.problem}"
        return
    if meta["rehearsal"]:
        yield (
            REHEARSAL if sum(meta["usage"]["calls"].values()) or not meta["trials"]["finished"] else UNCALLED
        )
    if (meta.get("mixed") or {}).get("accepted_changes"):
        yield MIXED
    first: Mapping[str, Any] = next((line for line in meta["groups"].values() if line), {})
    for text in local_models(first):
        yield from textwrap.wrap(text, WIDTH)
    arms = {group: arm(first_line) for group, first_line in meta["groups"].items() if first_line}
    for group, text in arms.items():
        yield from textwrap.wrap(f"{group}: {text}", WIDTH, subsequent_indent="  ") if text else ()
    yield from _assignment(meta["design"])
    yield from plan_lines(meta)
    yield from table(meta["summary"])
    if "analysis" in meta:
        yield from answer_lines(meta["analysis"])
        if not meta["summary"] and "preferences" not in meta:
            yield NO_METRIC
    if "preferences" in meta:
        yield from preference_lines(meta["preferences"], rehearsal=meta["rehearsal"])
    trials, usage = meta["trials"], meta["usage"]
    price = f", ${usage['cost']:,.4f}" if usage["cost"] and not meta["rehearsal"] else ""
    yield (
        f"{trials['finished']} of {trials['planned']} trials finished; {sum(usage['calls'].values()):,} calls, "
        f"{thousands(usage['tokens_in'])} tokens in, {thousands(usage['tokens_out'])} out{price}."
    )
    yield from _group_usage(meta)
    odd = sum((usage.get("usage_faults") or {}).values())
    if odd:
        yield f"{odd:,} replies report token counts that do not add up; the highest reading counts."
    if meta["partial"]:
        yield "Incomplete. Rerun the same command to resume."
    yield from (f"  {warning}" for warning in meta["warnings"])
    if "instrument" in meta:
        yield from check_lines(meta["instrument"])
    yield f"Artifact: {_shown(conclusion.artifact, here)}"
    yield f"Metadata: {conclusion.artifact.with_suffix('.meta.json').name}; records: {_records(conclusion.records)}"
    if conclusion.problem is not None:
        yield f"NOT WRITTEN: {conclusion.problem}"


def _group_usage(meta: Mapping[str, Any]) -> Iterator[str]:
    """Calls, tokens and price of each group, where they differ in the models that answer."""
    for group, used in (meta.get("usage_by_group") or {}).items():
        price = (
            ""
            if meta["rehearsal"]
            else ", price unknown"
            if used["cost"] is None
            else f", ${used['cost']:,.4f}"
        )
        text = (
            f"{group}: {sum(used['calls'].values()):,} calls, {thousands(used['tokens_in'])} tokens in, "
            f"{thousands(used['tokens_out'])} out{price}."
        )
        yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _assignment(design: Mapping[str, Any]) -> Iterator[str]:
    """How many panels or personas each arm got, where each took part in one arm."""
    if assigned := design.get("assignment"):
        counts = ", ".join(f"{assigned.count(group)} in {group}" for group in design["groups"])
        unit = "persona" if all(len(panel) == 1 for panel in design.get("panels") or [()]) else "panel"
        yield from textwrap.wrap(f"Each {unit} in one arm: {counts}", WIDTH, subsequent_indent="  ")


def table(summary: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Metric, then mean (n) per group, then the difference of each later group from the first.

    With more than two groups a line per group, below its metric.
    """
    if not summary:
        return
    groups = list(next(iter(summary.values()))["groups"])
    if len(groups) > 2:
        yield from _long_table(summary, groups)
        return
    heads = [*groups, *("difference" for _ in groups[1:])]
    yield f"{'metric':<{NAME_WIDTH}}" + "".join(f"{head:>{COLUMN}}" for head in heads)
    for metric, row in summary.items():
        cells = [_mean(row["groups"][group]) for group in groups]
        cells += [_signed(row["difference"].get(other)) for other in groups[1:]]
        yield f"{metric:<{NAME_WIDTH}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)


def _long_table(summary: Mapping[str, Mapping[str, Any]], groups: Sequence[str]) -> Iterator[str]:
    width = min(WIDTH - 2 * COLUMN, max(NAME_WIDTH, *(len(group) + 3 for group in groups)))
    yield f"{'metric, group':<{width}}{'mean (n)':>{COLUMN}}{'difference':>{COLUMN}}"
    for metric, row in summary.items():
        yield metric
        for group in groups:
            difference = "" if group == groups[0] else _signed(row["difference"].get(group))
            line = f"  {group:<{width - 2}}{_mean(row['groups'][group]):>{COLUMN}}{difference:>{COLUMN}}"
            yield line.rstrip()


def _mean(described: Mapping[str, Any]) -> str:
    mean = described["mean"]
    return f"{'–' if mean is None else format(mean, '.2f')} ({described['n']})"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _shown(path: Path, here: Path) -> str:
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _records(paths: Sequence[Path]) -> str:
    return f"{len(paths)} JSONL file{'s' * (len(paths) != 1)}"


def _shared(state: PluginState) -> int:
    """Count the cases that share all their trials with an earlier case."""
    trials = [
        frozenset(one.trial.id for one in outcome.played)
        for _, outcome in state.outcomes.values()
        if outcome.played
    ]
    return len(trials) - len(set(trials))


def session_lines(state: PluginState, stats: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Count cases by outcome, and say how the session ran."""
    count = {name: len(stats.get(name, ())) for name in ("passed", "failed", "error", "rerun", "skipped")}
    total = sum(count[name] for name in ("passed", "failed", "error", "skipped"))
    yield (
        f"Cases: {count['passed']} passed, {count['failed'] + count['error']} failed, {count['rerun']} rerun, "
        f"{total} total."
    )
    if state.coordinator is not None and state.coordinator.spans:
        wall = busy_seconds(state.coordinator.spans)
        at_once = sum(seconds for _, seconds in state.coordinator.spans) / wall if wall else 1.0
        yield f"Trials ran for {duration(wall)}, on average {at_once:.1f} at a time."
    shared = _shared(state)
    if shared:
        yield f"{shared} cases share their trials with another case; each trial ran once."
    if state.coordinator is not None:
        yield from (*state.coordinator.notes, *state.coordinator.warnings)
    if state.report is not None:
        yield state.report
    if state.one_by_one:
        why = next(iter(state.one_by_one.values()))
        yield f"{len(state.one_by_one)} cases ran one at a time: {why}."
