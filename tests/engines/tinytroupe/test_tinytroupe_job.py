"""What is sent to a worker: rendered, plain, and the same for the same trial."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import pytest
from support.plans import SCRIPT, VARIETY, persona, plan, treatment

from harness.engines.tinytroupe.job import Job, job_of
from harness.errors import ConfigurationError
from harness.model import ActionsAtLeast, Intervention, Measure, TrialPlan

START = datetime(2025, 6, 2, 9)
ENDPOINT = ("http://127.0.0.1:1/v1", "token")


def made(trial: TrialPlan) -> Job:
    return job_of(trial, ENDPOINT, START)


def test_words_are_rendered_with_the_proposal() -> None:
    job = made(plan())
    assert job.introduction == "You are here to talk about umbrellas."
    assert job.task == "Find new uses for umbrellas."
    assert job.consolidation == "Sum up all that was proposed about umbrellas."
    assert job.task_description == "They were told: Find new uses for umbrellas."


def test_a_job_can_be_sent_whatever_the_plan_was_made_of() -> None:
    odd = persona("Ana Lima", likes=MappingProxyType({"tea": True}))
    measure = Measure("length", lambda events: len(events))
    job = made(treatment(personas=(odd,), metrics=(measure,), proposal=MappingProxyType({"topic": "tea"})))
    again = pickle.loads(pickle.dumps(job))
    assert again == job
    assert again.personas[0]["persona"]["likes"] == {"tea": True}


def test_a_persona_gets_the_keys_that_the_package_cannot_do_without() -> None:
    specification = made(plan(personas=(persona("Ana Lima", occupation={"title": "smith"}),))).personas[0]
    assert specification["type"] == "TinyPerson"
    assert specification["persona"]["name"] == "Ana Lima"
    assert specification["persona"]["age"] == 40
    assert specification["persona"]["occupation"] == {"title": "smith"}
    assert specification["persona"]["nationality"] is None


def test_a_script_may_have_no_introduction() -> None:
    assert made(plan(script=replace(SCRIPT, introduction=None))).introduction is None


def test_a_precondition_that_cannot_be_sent_is_named() -> None:
    local = Intervention("variety", "New!", functional=lambda person: True)
    with pytest.raises(
        ConfigurationError, match=r"Intervention 'variety': functional=<function .*ActionsAtLeast"
    ):
        made(plan(interventions=(VARIETY, local)))
    assert made(plan(interventions=(VARIETY,))).interventions[0].functional == ActionsAtLeast(7)


def test_the_seed_is_the_trial_s_own() -> None:
    here = plan()
    other = plan(trial=replace(here.trial, panel=1))
    assert made(here).seed == made(plan()).seed == 14377002886732427222
    assert len({made(here).seed, made(other).seed, made(plan(seed=2)).seed}) == 3
