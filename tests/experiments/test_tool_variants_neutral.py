"""Calls in the words of no variant, and outcomes worked out again from records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.experiments.tool_variants.neutral_wording import LABELS, READING, UNREADABLE, acts
from harness.experiments.tool_variants.rejudge import changes, rejudge
from harness.experiments.tool_variants.scenarios import SCENARIOS, TurnOutcome
from harness.experiments.tool_variants.variants import VARIANTS
from harness.reports.review import Act, Mask
from tests.support.reviews import read_back, run_for_review

LINE = {"fixed_timestamp": "2026-03-11T09:30:00"}


def told(variant: str, tool: str, arguments: Any) -> Act:
    (act,) = acts({"variant": variant, "tool_calls": [{"name": tool, "args": arguments}]}, LINE)
    return act


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
def test_every_parameter_is_told_under_a_label_or_as_a_time(variant: Any) -> None:
    """A variant that is added needs its parameters named in `LABELS` or as times; else reviewers do not see them."""
    times = {"when", "delay_seconds", "recurring", "start", "end", "cron", "since", "until"}
    assert {name for tool in variant.tools for name in tool.properties} <= LABELS.keys() | times


PAIRS: list[tuple[tuple[str, Any], tuple[str, Any], Act]] = [
    (
        ("schedule_task", {"delay_seconds": 1200, "title": "bread", "description": "hot"}),
        (
            "calendar_create_event",
            {"title": "bread", "start": "2026-03-11T09:50", "end": "2026-03-11T10:20", "notes": "hot"},
        ),
        Act("create, once", (("title", "bread"), ("more", "hot"), ("when", "Wed 2026-03-11 09:50"))),
    ),
    (
        ("list_tasks", {"until": "soon", "since": "2026-03-13T00:00"}),
        ("calendar_list_events", {"start": "2026-03-13T00:00", "end": "soon"}),
        Act("look up", (("from", "Fri 2026-03-13 00:00"), ("to", UNREADABLE))),
    ),
    (
        ("update_task", {"status": "done", "task": "tea", "when": ""}),
        ("calendar_update_event", {"event": "tea", "status": "done"}),
        Act("change", (("which one", "tea"), ("becomes", "done"))),
    ),
    (
        ("schedule_task", {"title": "x", "when": "every morning", "recurring": "daily"}),
        ("reminders_create", {"title": "x", "cron": "every morning"}),
        Act("create, repeatedly", (("title", "x"), ("when", UNREADABLE))),
    ),
    (
        ("schedule_task", {"title": 5, "when": "2 pm"}),
        ("calendar_create_event", {"title": 5}),
        Act("create, once", (("title", "5"), ("when", UNREADABLE))),
    ),
    (("make_tea", {}), ("make_tea", {"a": 1}), Act("something that cannot be done")),
]  # fmt: skip


@pytest.mark.parametrize(("first", "later", "act"), PAIRS)
def test_both_variants_calls_read_alike(first: tuple[str, Any], later: tuple[str, Any], act: Act) -> None:
    assert told("baseline", *first) == told("applike", *later) == act


def test_what_recurs_shows_its_next_times() -> None:
    act = told("applike", "reminders_create", {"title": "x", "cron": "30 17 * * 5"})
    assert act.details[1][1].startswith("Fri 2026-03-13 17:30, then Fri 2026-03-20 17:30, then ")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("I set it to 0 18 * * 5, by cron.", "I set it to [name hidden], by [name hidden]."),
        ("The cron is `0 8 * * 1-5`.", "The [name hidden] is [name hidden]`."),
        ("*/5 * * * MON", "[name hidden]"),
        ("Call 030 12 34 56 on 19 March.", "Call 030 12 34 56 on 19 March."),
        ("On 2026-03-12 at 15:00, or 2 - 3 days later.", "On 2026-03-12 at 15:00, or 2 - 3 days later."),
    ],
)
def test_how_one_variant_alone_speaks_of_time_is_hidden(text: str, hidden: str) -> None:
    assert Mask.of(READING.names, READING.forms).text(text)[0] == hidden


def test_arguments_that_are_no_object_cannot_be_read() -> None:
    assert told("baseline", "update_task", "{oops").details == (("details", "cannot be read"),)


def test_records_judged_again_come_to_the_same_where_the_rules_are_the_same(tmp_path: Path) -> None:
    run = run_for_review(tmp_path, only=None)
    first = rejudge(run)
    assert len(first) == 80 and all(one.now is not None for one in first)
    written = {one.trial: one for one in first}
    for path in tmp_path.glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines[1:]:
            line |= {
                "outcome": written[line["trial"]].now,
                "appropriate": written[line["trial"]].appropriate_now,
            }
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = rejudge(read_back(tmp_path))
    assert not any(one.changed for one in again)
    assert changes(again).rows == ()
    assert [one.now for one in again] == [one.now for one in first]


def test_another_rule_changes_what_it_is_about_and_the_table_says_so(tmp_path: Path) -> None:
    run = run_for_review(tmp_path, lambda *_: ("Which day?", []), only=(3,), reps=3)
    before = rejudge(run)
    assert {one.now for one in before} == {"clarified"} and all(one.appropriate_now for one in before)
    assert not any(one.changed for one in before)
    stricter = replace(SCENARIOS[3], accept=(TurnOutcome.ACTED,))
    after = rejudge(run, scenarios={stricter.id: stricter})
    assert all(one.changed for one in after)
    row = ("clarified, appropriate", "clarified, not appropriate", "3")
    assert changes(after).rows == (("applike", *row), ("baseline", *row))


def test_what_cannot_be_judged_again_says_why(tmp_path: Path) -> None:
    run = run_for_review(tmp_path, only=(3,))
    assert {one.why for one in rejudge(run, scenarios={})} == {"scenario ambiguous:no-time no longer exists"}
    assert "variant applike no longer exists" in {
        one.why for one in rejudge(run, variants={"baseline": VARIANTS["baseline"]})
    }
    for outcome in run.outcomes.values():
        del outcome.accepted["tool_calls"]  # type: ignore[union-attr, attr-defined]
    found = rejudge(run)
    assert {one.why for one in found} == {"the record lacks time, text or calls"}
    assert not any(one.changed for one in found)
