"""Bad input of arms and plays: one clear error before the first call, or one recorded failure; nothing paid twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import Experiment, Group, Measure, Play, Script, factorial
from harness.errors import ConfigurationError
from tests.support.sessions import Lab

SOURCE = """
import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request


async def play(plan, client):
    request = Request(({{"role": "user", "content": f"{{plan.arm['tone']}} {{plan.proposal['id']}}"}},))
    reply = await client.complete(request, CallSite("say"))
    {ends}


small = Experiment(
    name="small",
    groups=({groups}),
    script=Script("", proposals=({{"id": "a"}}, {{"id": "b"}})),
    metrics=(Measure("length"),),
    play=Play(play),
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""
TWO = 'Group("Control", settings={"tone": "dry"}), Group("Treatment", settings={"tone": "warm"})'
GOOD = 'return TrialResult(plan.trial, (Sample("length", float(len(reply.text))),))'


async def play(plan: Any, client: Any) -> Any: ...


def declared(*groups: Group) -> Experiment:
    return Experiment(
        name="small", groups=groups, script=Script("Agree."), metrics=(Measure("m"),), play=Play(play)
    )


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: factorial(tone={"": {}, "cold": {}}), r"tone\[''\]: a level needs a name"),
        (lambda: factorial(tone={"  ": {}}), r"tone\['  '\]: a level needs a name"),
        (lambda: factorial(tone={1: {}}), r"tone\[1\]: a level needs a name"),  # type: ignore[dict-item]
        (lambda: factorial(tone={}), r"tone=\{\}; expected a mapping of levels"),
        (lambda: factorial(tone=("warm", "cold")), r"tone=\('warm', 'cold'\); expected a mapping of levels"),
        (
            lambda: factorial(tone={"warm": "Be warm."}),
            r"tone\['warm'\]='Be warm.'; expected a mapping of fields",
        ),
        (
            lambda: factorial(where={"a": {}}, tone={"b": {}}),
            r"where=.*; expected a function of level by factor",
        ),
        (lambda: factorial(), "no factors; expected at least one"),
        (
            lambda: factorial(tone={"a": {"instruction": "x"}}),
            "unknown argument 'instruction'.*'instructions'",
        ),
        (
            lambda: declared(Group("A"), Group("B", factors={"tone": ""})),
            r"factors\['tone'\]=''; expected a factor",
        ),
        (
            lambda: declared(Group("A"), Group("B", factors={"": "x"})),
            r"factors\[''\]='x'; expected a factor",
        ),
        (lambda: declared(Group("A"), Group("A")), "group 'A' is declared 2 times"),
        (lambda: declared(Group("A"), Group("")), "expected a name of letters"),
    ],
)
def test_a_bad_declaration_is_one_clear_error(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refused:
        make()
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize(
    ("ends", "kind", "reason"),
    [
        ('return "done"', "HarnessError", "its play gave a str; expected a TrialResult"),
        ("return [1.0]", "HarnessError", "its play gave a list; expected a TrialResult"),
        ("return TrialResult", "HarnessError", "its play gave a type; expected a TrialResult"),
        ("return 3", "HarnessError", "its play gave a int; expected a TrialResult"),
        (
            'return TrialResult(plan.trial, (("length", 1.0),))',
            "HarnessError",
            "samples=(('length', 1.0),); expected a tuple",
        ),
        (
            'return TrialResult(plan.trial, (), ("hello",))',
            "HarnessError",
            "transcript=('hello',); expected a tuple",
        ),
        ("return TrialResult(plan.trial, (), details=3)", "HarnessError", "details=3; expected a mapping"),
        ("raise ValueError('odd')", "ValueError", "ValueError: odd"),
        ("raise SystemExit(3)", "UserCodeError", "SystemExit"),
    ],
)
def test_a_play_that_ends_in_another_way_is_one_recorded_failure_per_trial(
    lab: Lab, ends: str, kind: str, reason: str
) -> None:
    lab.write(SOURCE.format(ends=ends, groups=TWO))
    lab.run().assert_outcomes(failed=2)
    failures = lab.lines(kind="trial_failure")
    assert [one["kind"] for one in failures] == [kind] * 4
    assert all(reason in one["reason"] for one in failures)
    assert len(lab.watched.calls) == 4
    lab.watched.forget()
    lab.run().assert_outcomes(failed=2)
    assert lab.watched.calls == [], "the replies are in the journal"


@pytest.mark.parametrize(
    "ends",
    [
        'return {"length": "three"}',
        'return {"length": float("nan")}',
        "return {}",
        "return None",
        'return TrialResult(plan.trial, (Sample("length", "three"),))',
        "return TrialResult(plan.trial, ())",
    ],
)
def test_a_play_without_a_usable_number_leaves_a_missing_sample_and_a_kept_trial(lab: Lab, ends: str) -> None:
    lab.write(SOURCE.format(ends=ends, groups=TWO))
    lab.run()
    assert len(lab.lines(kind="trial_result")) == 4
    assert [one["metric"] for one in lab.meta()["missing_samples"]] == ["length"] * 4
    lab.watched.forget()
    lab.run()
    assert lab.watched.calls == [] or len(lab.artifacts) == 2, (
        "open, it sends nothing; finished, it begins another"
    )


def test_two_arms_alike_in_everything_are_named_and_kept(lab: Lab) -> None:
    lab.write(SOURCE.format(ends=GOOD, groups=TWO.replace("warm", "dry")))
    result = lab.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*WARN treatment, Treatment against Control: the arms declare nothing that"])
    assert len(lab.watched.calls) == 4, "each arm has its own samples"
