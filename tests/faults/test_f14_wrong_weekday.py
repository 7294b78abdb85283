"""F14: the date in the prompt has the wrong weekday. Here it is computed, and a planted one stops the run."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from harness.experiments.tool_variants.design_checks import WEEKDAYS, weekdays
from harness.experiments.tool_variants.experiment import tool_variants
from harness.experiments.tool_variants.prompts import system_prompt
from harness.experiments.tool_variants.scenarios import SCENARIOS


def test_every_day_of_four_years_has_its_own_weekday() -> None:
    settings = dict(tool_variants().settings)
    for number in range(4 * 366):
        day = date(2024, 1, 1) + timedelta(days=number)
        prompt = system_prompt({**settings, "fixed_timestamp": f"{day}T09:30:00"})
        assert f"It is {WEEKDAYS[day.weekday()]}, {day}, 09:30." in prompt
        assert not list(weekdays(prompt))


def test_each_wrong_weekday_is_a_fault() -> None:
    found = [name for name in WEEKDAYS if list(weekdays(f"It is {name}, 2026-03-11."))]
    assert found == [name for name in WEEKDAYS if name != "Wednesday"]


def test_one_in_a_scenario_is_found_too() -> None:
    made = tool_variants()
    proposals = [dict(one) for one in made.script.proposals]
    proposals[0]["prompt"] = "Book the dentist for Friday 2026-03-12 at 3 pm."
    assert made.play is not None and made.play.check is not None
    wrong = replace(made, script=replace(made.script, proposals=tuple(proposals)))
    (fault,) = made.play.check(wrong)
    assert "the prompt says Friday, 2026-03-12, which is a Thursday" in fault


def test_the_scenarios_as_they_are_have_none() -> None:
    assert not [fault for one in SCENARIOS for fault in weekdays(one.prompt)]
