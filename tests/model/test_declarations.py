"""Declarations: one clear error for each fault, equal ones hash equal, and 0.1.0's positional form loads."""

from __future__ import annotations

import copy
import doctest
import math
import pickle
from typing import Any

import pytest

from harness import Correction, Experiment, Group, Measure, Mode, Persona, Proposition, Script
from harness.errors import ConfigurationError
from harness.model import Intervention, Play, TrialResult, design


async def play(plan: Any, client: Any) -> TrialResult: ...


def toy(**changes: Any) -> Experiment:
    return Experiment(
        **{
            "name": "toy",
            "groups": (Group("A"), Group("B")),
            "script": Script("Talk."),
            "metrics": (Measure("lines", len),),
            "population": (Persona("Ann", {"age": [1, 2]}),),
            **changes,
        }
    )


def plain(plan: Any, client: Any) -> TrialResult:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"groups": ("A", "B")}, ["groups[0]='A'; expected a Group", "groups[1]='B'; expected a Group"]),
        ({"groups": Group("A")}, ["expected a tuple of Groups; a single one needs a comma"]),
        ({"groups": {Group("A")}}, ["expected a tuple of Groups"]),
        ({"metrics": ("x", len)}, ["metrics[0]='x'; expected a Prop", "metrics[1]=<built-in function len>"]),
        ({"metrics": (Measure(lambda _: 1),)}, ["metrics[0]: name=<function <lambda>"]),  # type: ignore[arg-type]
        ({"population": {"Ann": {}}}, ["population={'Ann': {}}; expected the name of a packaged population"]),
        ({"population": (Persona("Ann", "shy"),)}, ["specification='shy'; expected a mapping"]),  # type: ignore[arg-type]
        ({"script": {"task": "Talk."}}, ["script={'task': 'Talk.'}; expected a Script"]),
        ({"script": "Talk."}, ["script='Talk.'; expected a Script"]),
        ({"modes": [Mode()]}, ["expected a mapping of names to Modes"]),
        ({"modes": {"full": {"reps": 2}}}, ["modes['full']={'reps': 2}; expected a Mode"]),
        ({"modes": {"full": Mode("2", True)}}, ["reps='2'; expected a whole number", "steps=True; expected"]),  # type: ignore[arg-type]
        ({"groups": (Group("A", correction=True),)}, ["correction=True; expected a Correction"]),  # type: ignore[arg-type]
        ({"groups": (Group("A", interventions="x"),)}, ["interventions='x'; expected a tuple"]),  # type: ignore[arg-type]
        ({"groups": (Group("A", correction=Correction(math.nan)),)}, ["quality_threshold=nan; expected"]),
        ({"settings": {"a": object()}}, ["which JSON lacks; expected plain data"]),
        ({"settings": {1: 2}}, ["settings has the key 1, which is not text"]),
        ({"play": plain}, ["expected a Play, such as Play(function)"]),
        ({"play": Play(plain)}, ["is not asynchronous; expected one declared with async def"]),  # type: ignore[arg-type]
        ({"name": 3}, ["name=3; expected text"]),
        ({"axes": "abc", "fragments": "abc"}, ["fragments='abc'", "axes='abc'"]),
        (
            {"panel_size": 0, "groups": (Group("A"), Group("A"))},
            ["panel_size=0; expected 1", "declared 2 times"],
        ),
        ({"nmae": "x"}, ["unknown argument 'nmae'; did you mean 'name'?"]),
    ],
)
def test_a_bad_declaration_gives_one_clear_error_for_each_fault(
    changes: dict[str, Any], faults: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        toy(**changes)
    assert len(raised.value.problems) == len(faults)
    for problem, fault in zip(raised.value.problems, faults, strict=True):
        assert fault in problem


def test_equal_declarations_hash_equal_and_travel() -> None:
    one, other = (toy(settings={"a": [1, {"b": 2}]}, play=Play(play)) for _ in range(2))
    assert one == other and hash(one) == hash(other)
    assert hash(pickle.loads(pickle.dumps(one))) == hash(copy.deepcopy(one)) == hash(one)
    assert one.settings == {"a": [1, {"b": 2}]}
    with pytest.raises(TypeError, match="frozen"):
        one.settings["a"].append(3)


def test_positional_arguments_of_the_first_version_load() -> None:
    assert Proposition("x", "y", "panel", False) == Proposition(  # type: ignore[call-arg]
        "x", "y", about="panel", include_persona=False
    )
    assert Group("A", Correction(5, 2), (Intervention("n", "e"),)).interventions[0].name == "n"  # type: ignore[call-arg]


def test_the_examples_of_the_help_run() -> None:
    result = doctest.testmod(design)
    assert result.attempted and not result.failed
