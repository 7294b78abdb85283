"""Between-persona assignment: balanced, seeded, each panel in one arm, and the same wherever trials are counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import harness
from harness import Experiment, Group, Mode, Persona, Preference, Proposition, Script, load_population
from harness.cli.listing import block
from harness.errors import ConfigurationError
from harness.records import Design
from harness.runtime.assignment import assign_panels
from harness.runtime.plan import plan_cell
from tests.support.sessions import SMALL, Lab

ARMS = ("Control", "Warm", "Cold")
PEOPLE = tuple(Persona(f"P{number}", {"occupation": "trader"}) for number in range(7))


def design(**more: Any) -> Experiment:
    given = {
        "name": "offers",
        "population": PEOPLE,
        "panel_size": 1,
        "assignment": "between",
        "groups": tuple(Group(arm) for arm in ARMS),
        "script": Script("Agree a price for {thing}.", proposals=({"thing": "a bike"}, {"thing": "a lamp"})),
        "metrics": (Proposition("Courtesy", "The person stays courteous."),),
        "modes": {"full": Mode(reps=2, steps=1)},
        **more,
    }
    return Experiment(**given)


def panels(experiment: Experiment, seed: int = 0) -> dict[str, set[int]]:
    population = load_population(PEOPLE)
    return {
        group.name: {
            plan.trial.panel
            for plan in plan_cell(
                experiment, group, 1, population=population, engine="embedded", seed=seed
            ).trials
        }
        for group in experiment.groups
    }


@pytest.mark.parametrize("count", [3, 7, 30])
@pytest.mark.parametrize("seed", range(5))
def test_arms_differ_by_one_panel_at_most(count: int, seed: int) -> None:
    sizes = Counter(assign_panels(seed, "offers", count, ARMS))
    assert sizes.total() == count and len(sizes) == 3
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_a_block_of_panels_has_every_arm_once() -> None:
    found = assign_panels(1, "offers", 30, ARMS)
    assert all({*found[start : start + 3]} == {*ARMS} for start in range(0, 30, 3))


def test_the_seed_draws_the_assignment() -> None:
    found = {assign_panels(seed, "offers", 12, ARMS) for seed in range(20)}
    assert len(found) > 10
    first = Counter(assign_panels(seed, "offers", 1 + 3, ARMS)[0] for seed in range(600))
    assert all(150 < first[arm] < 250 for arm in ARMS)


def test_each_panel_takes_part_in_one_arm() -> None:
    found = panels(design())
    assert sorted(panel for some in found.values() for panel in some) == list(range(7))
    assert panels(design(), seed=1) != found
    assert panels(design(seed=1)) == panels(design(seed=1), seed=5), "the experiment's seed counts"


def test_the_default_is_every_panel_in_every_arm() -> None:
    assert panels(design(assignment="within")) == {arm: set(range(7)) for arm in ARMS}


def test_the_design_counts_the_trials_of_each_arm() -> None:
    assigned = ("a", "b", "b")
    found = Design(("a", "b"), ("m",), (), (("P",), ("Q",), ("R",)), 2, 3, assignment=assigned)
    assert (found.trials_of("a"), found.trials_of("b"), found.trials_planned, found.trials_per_group) == (
        6,
        12,
        18,
        12,
    )
    assert {trial.panel for trial in found.trials("x", "b")} == {1, 2}
    assert Design.from_metadata(found.to_metadata()) == found
    assert "assignment" not in Design(("a",), ("m",), (), (("P",),), 1, 1).to_metadata()


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"assignment": "beside"}, "expected 'within' or 'between'"),
        ({"panel_size": None}, "everyone is in one panel; expected panel_size="),
        ({"groups": (Group("Control"),)}, "there is one group"),
        (
            {"groups": (Group("A"), Group("B", population=PEOPLE[:2]))},
            "group 'B' already has its own population",
        ),
        (
            {"metrics": (Preference("politer", "Which is more polite?"), Proposition("C", "c"))},
            "leaves 'politer' no block with two arms to compare",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        design(**declared)


def test_too_few_panels_are_refused_before_the_first_call(lab: Lab) -> None:
    lab.write(SMALL.replace('name="small",', 'name="small", panel_size=2, assignment="between",'))
    result = lab.run()
    assert result.ret != 0 and not lab.watched.calls
    assert "there are 1 panels for 2 arms" in result.stdout.str() + result.stderr.str()


BETWEEN = (
    SMALL.replace('name="small",', 'name="small", panel_size=1, assignment="between",')
    .replace(
        'Persona("Bo", {"occupation": "teacher"})',
        'Persona("Bo", {}), Persona("Cy", {}), Persona("Di", {}), Persona("Ed", {})',
    )
    .replace('Group("Treatment")', 'Group("Treatment", instructions="Be warm at all times.")')
)


def test_a_session_runs_records_and_compares_unpaired(lab: Lab) -> None:
    lab.write(BETWEEN)
    result = lab.run("--seed=3")
    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines(
        [r"Each persona in one arm: (2 in Control, 3 in Treatment|3 in Control, 2 in Treatment)"]
    )
    meta = lab.meta()
    assigned = meta["design"]["assignment"]
    assert len(assigned) == 5 and {*assigned} == {"Control", "Treatment"}
    for arm in ("Control", "Treatment"):
        played = {line["panel"] for line in lab.lines(arm, "trial_result")}
        assert played == {panel for panel, own in enumerate(assigned) if own == arm}
    assert meta["trials"]["planned"] == meta["trials"]["finished"] == 10 and not meta["partial"]
    (compared,) = meta["analysis"]["comparisons"]
    assert (compared["primary"]["unit"], compared["primary"]["n"]) == ("personas", 5)
    assert compared["primary"]["method"] == "Welch t on persona means"
    checks = {check["name"]: check for check in meta["instrument"]["checks"]}
    assert checks["panels"]["number"] == 2 and "blocks" not in checks
    assert checks["treatment"]["level"] == checks["only the treatment"]["level"] == "PASS"
    assert checks["denominators"]["level"] == "PASS", "unequal arms are what the design plans"
    assert not [one for one in checks.values() if one["level"] == "FAIL"]
    frames = harness.load(lab.results)
    assert frames.trials.planned.all() and int(frames.experiments.trials_planned.iloc[0]) == 10


def test_assignment_is_part_of_a_run_s_identity_only_where_it_is_used(lab: Lab) -> None:
    lab.write(BETWEEN.replace(', assignment="between"', ""))
    lab.run("--no-summary")
    assert "assignment" not in lab.meta()["design"]
    assert "assignment" not in lab.meta()["groups"]["Control"]["settings"]
    lab.write(BETWEEN)
    lab.run("--no-summary")
    marks = {line["fingerprint"] for line in lab.lines("Control", "run_metadata")}
    assert len(marks) == 2


def test_a_treatment_that_does_not_arrive_fails_between_personas_too(lab: Lab) -> None:
    from harness.engines.embedded import persona

    lab.write(BETWEEN)
    original = persona.Person.__init__

    def deaf(self: Any, *values: Any, **named: Any) -> None:
        named.pop("instructions", None)
        original(self, *values, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persona.Person, "__init__", deaf)
        lab.run("--no-summary")
    checks = {check["name"]: check for check in lab.meta()["instrument"]["checks"]}
    assert checks["treatment"]["level"] == "FAIL"


def test_the_dry_run_shows_the_trials_of_each_arm(lab: Lab) -> None:
    lab.write(BETWEEN)
    lab.run("--estimate").stdout.re_match_lines([r"trials +(4 +6|6 +4) +10"])


def test_the_list_says_that_panels_are_divided_and_counts_comparisons() -> None:
    divided = "\n".join(block(design(), mode=None, engine="embedded", folder=None))
    assert "28 trials, each panel in one group" in divided
    preferred = design(assignment="within", metrics=(Preference("politer", "Which is more polite?"),))
    listed = "\n".join(block(preferred, mode=None, engine="embedded", folder=None))
    assert "politer    168 model calls: 3 pairs of groups, in both orders" in listed


def test_power_and_plans_refuse_a_between_persona_design(lab: Lab) -> None:
    lab.write(BETWEEN)
    lab.run("--no-summary")
    found = lab.command("power", "results", "--metric", "Courtesy", "--effect", "1")
    assert found.returncode == 4 and "each panel took part in one arm" in found.stderr
