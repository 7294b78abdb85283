"""From a design to trials: who meets, about what, in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import ConfigurationError
from harness.model import (
    Correction,
    Experiment,
    Group,
    Intervention,
    Mode,
    Persona,
    Proposition,
    Script,
)
from harness.personas import load
from harness.runtime.plan import CellPlan, arm_order, choose_mode, interleave, panels_of, plan_cell

PEOPLE = tuple(Persona(name, {}) for name in "ABCDEFG")
DESIGN = Experiment(
    name="toy",
    population=PEOPLE,
    groups=(Group("Control"), Group("Treatment"), Group("Third")),
    script=Script(task="{x}", proposals=tuple({"x": str(number)} for number in range(4))),
    metrics=(Proposition("kind", "is kind"),),
    modes={"full": Mode(reps=2, steps=1), "fast": Mode(people=5, proposals=2)},
    panel_size=3,
)


def plan(
    group: str = "Control", rep: int = 1, mode: str = "full", design: Experiment = DESIGN, **parts: object
) -> CellPlan:
    given = {"mode": mode, "reps": 2, "population": load(PEOPLE), "engine": "embedded"}
    return plan_cell(design, design.group(group), rep, **{**given, **parts})  # type: ignore[arg-type]


def names(panels: tuple[tuple[Persona, ...], ...]) -> list[str]:
    return ["".join(person.name for person in panel) for panel in panels]


@pytest.mark.parametrize(
    ("size", "people", "expected"),
    [
        (3, None, ["ABC", "DEF", "G"]),
        (3, 5, ["ABC", "DE"]),
        (None, None, ["ABCDEFG"]),
        (None, 2, ["AB"]),
        (7, None, ["ABCDEFG"]),
        (1, 3, ["A", "B", "C"]),
    ],
)
def test_consecutive_people_meet(size: int | None, people: int | None, expected: list[str]) -> None:
    assert names(panels_of(replace(DESIGN, panel_size=size), Mode(people=people), PEOPLE)) == expected


def test_people_are_shuffled_before_they_are_cut() -> None:
    shuffled = replace(DESIGN, shuffle_seed=42)
    whole, part = (panels_of(shuffled, Mode(people=people), PEOPLE) for people in (None, 3))
    assert names(whole)[0] == names(part)[0] != "ABC"
    assert sorted("".join(names(whole))) == list("ABCDEFG")
    assert tuple(Persona(name, {}) for name in "ABCDEFG") == PEOPLE


def test_a_trial_is_a_panel_and_a_proposal() -> None:
    trials = plan(mode="fast").trials
    assert [(one.trial.panel, one.trial.proposal) for one in trials] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [one.proposal["x"] for one in trials] == ["0", "1", "0", "1"]
    assert trials[0].trial.id == "toy/Control/rep1/panel0/proposal0"
    assert {one.steps for one in trials} == {5}


def test_everything_wrong_with_a_cell_is_said_at_once() -> None:
    wrong = Group("Control", Correction(12, 0), (Intervention("mute", " "),))
    with pytest.raises(ConfigurationError) as raised:
        plan_cell(DESIGN, wrong, 1, population=load(PEOPLE), engine="embedded")
    assert raised.value.problems == (
        "Group 'Control' of toy: quality_threshold=12; expected 0 to 9.",
        "Group 'Control' of toy: max_attempts=0; expected 1 to 20.",
        "Group 'Control' of toy: intervention 'mute' has an empty effect; expected the thought to put.",
    )


def test_modes_are_chosen_by_name_or_default() -> None:
    assert choose_mode(DESIGN, None)[0] == "full"
    assert choose_mode(DESIGN, "fast") == ("fast", DESIGN.modes["fast"])
    with pytest.raises(ConfigurationError, match=r"toy has no mode 'paper'; expected one of full, fast\."):
        choose_mode(DESIGN, "paper")


def test_every_block_has_every_arm_side_by_side_and_none_always_first() -> None:
    plans = [plan(group.name, rep) for rep in (1, 2) for group in DESIGN.groups]
    order = [one.trial for one in interleave(plans, seed=3)]
    assert len(order) == len(set(order)) == 2 * 3 * 12
    blocks = [order[start : start + 3] for start in range(0, len(order), 3)]
    assert all(len({trial.block for trial in block}) == 1 for block in blocks)
    assert all({trial.cell.group for trial in block} == {"Control", "Treatment", "Third"} for block in blocks)
    assert {block[0].cell.group for block in blocks} == {"Control", "Treatment", "Third"}
    assert [block[0].cell.rep for block in blocks] == [1] * 12 + [2] * 12


def test_the_order_is_the_seeds_and_not_that_of_the_plans() -> None:
    plans = [plan(group.name) for group in DESIGN.groups]
    assert interleave(plans, 1) == interleave(plans[::-1], 1)
    assert interleave(plans, 1) != interleave(plans, 2)
    assert arm_order(1, "toy", (1,), ("a", "b")) == arm_order(1, "toy", (1,), ("a", "b"))


def test_an_arm_left_out_does_not_move_the_others() -> None:
    plans = {group.name: plan(group.name) for group in DESIGN.groups}
    whole = [one.trial for one in interleave(plans.values(), 5) if one.trial.cell.group != "Third"]
    part = [one.trial for one in interleave([plans["Control"], plans["Treatment"]], 5)]
    assert whole == part
