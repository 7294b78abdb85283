"""F15: wrong arguments pass, because nothing checks them. Here calls become times, and have to be the right ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from harness.experiments.tool_variants.outcomes import judge
from harness.experiments.tool_variants.scenarios import FIXED_TIMESTAMP, SCENARIOS, TurnOutcome
from harness.experiments.tool_variants.variants import APPLIKE, BASELINE, ToolVariant

NOW = datetime.fromisoformat(FIXED_TIMESTAMP)
FIXED = [one for one in SCENARIOS if one.expected and one.expected.at and not one.expected.early]
KEYS = {
    ("baseline", "create_once"): ("schedule_task", "when", {"title": "x"}),
    ("applike", "create_once"): ("calendar_create_event", "start", {"title": "x"}),
    ("baseline", "update"): ("update_task", "when", {"task": "x"}),
    ("applike", "update"): ("calendar_update_event", "start", {"event": "x"}),
}


def call(variant: ToolVariant, ability: str, at: str) -> dict[str, Any]:
    tool, key, rest = KEYS[variant.name, ability]
    return {"name": tool, "args": {**rest, key: at}}


@pytest.mark.parametrize("variant", [BASELINE, APPLIKE], ids=lambda one: one.name)
@pytest.mark.parametrize("scenario", FIXED, ids=lambda one: one.id)
def test_a_time_that_is_off_by_a_minute_an_hour_a_day_or_a_year_is_wrong(
    scenario: Any, variant: ToolVariant
) -> None:
    ability = scenario.expected.abilities[0].value
    for right in scenario.expected.at:
        moment = datetime.fromisoformat(right)
        assert judge(variant, scenario, "", [call(variant, ability, right)], NOW).outcome is TurnOutcome.ACTED
        for off in (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=365)):
            wrong = (moment + off).isoformat()
            found = judge(variant, scenario, "", [call(variant, ability, wrong)], NOW)
            assert found.outcome is TurnOutcome.WRONG_ARGUMENTS, wrong
            assert "expected" in found.why


@pytest.mark.parametrize(
    "arguments", ["not JSON", None, 7, ["a"], {"title": "x", "when": "soon"}, {"title": "x"}]
)
def test_arguments_that_say_no_time_do_not_pass(arguments: Any) -> None:
    found = judge(BASELINE, SCENARIOS[0], "", [{"name": "schedule_task", "args": arguments}], NOW)
    assert found.outcome is TurnOutcome.WRONG_ARGUMENTS


def test_every_scenario_that_accepts_an_action_says_which() -> None:
    assert not [one.id for one in SCENARIOS if TurnOutcome.ACTED in one.accept and one.expected is None]
