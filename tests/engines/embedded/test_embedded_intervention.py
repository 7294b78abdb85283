"""Interventions: preconditions, effect, and what is recorded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.clients import FakeClient, score, well_behaved
from support.plans import PEOPLE, VARIETY, plan

from harness.engines.embedded import EmbeddedEngine
from harness.errors import HarnessError
from harness.model import Intervention, TrialResult


def run(client: FakeClient, *interventions: Intervention, steps: int = 4) -> TrialResult:
    return asyncio.run(EmbeddedEngine().run(plan(interventions=interventions, steps=steps), client))


def test_the_functional_precondition_is_asked_first_because_it_is_free() -> None:
    client = FakeClient()
    result = run(client, Intervention("never", "x", textual="anything", functional=lambda _: False))
    assert client.counts["intervention_check"] == 0
    assert result.interventions == ()


def test_the_paper_s_precondition_counts_done() -> None:
    client = FakeClient()  # three actions a turn, so that seven are reached after the third step (0, 1, 2)
    run(client, VARIETY)
    assert {site.step for _, site in client.of("intervention_check")} == {3, 4}


def test_the_effect_is_a_thought_in_the_next_prompt_of_that_person_alone() -> None:
    def answer(request: Any, site: Any) -> Any:
        if site.kind == "intervention_check":
            return score(site.person == PEOPLE[1] and site.step == 3)
        return well_behaved(request, site)

    client = FakeClient(answer)
    result = run(client, VARIETY)
    told = [s for r, s in client.of("act") if VARIETY.effect in str(r.messages[-1])]
    assert [(site.step, site.person) for site in told] == [(3, PEOPLE[1])]
    thoughts = [event for event in result.transcript if event.type == "THOUGHT"]
    assert [(e.step, e.person, e.kind, e.content) for e in thoughts] == [
        (3, PEOPLE[1], "stimulus", VARIETY.effect)
    ]
    fired = [(r["step"], r["person"]) for r in result.interventions if r["fired"]]
    assert fired == [(3, PEOPLE[1])]
    assert len(result.interventions) == 6


def test_without_a_textual_precondition_no_model_is_asked() -> None:
    client = FakeClient()
    result = run(client, Intervention("always", "Hm."), steps=1)
    assert client.counts["intervention_check"] == 0
    assert len([e for e in result.transcript if e.type == "THOUGHT"]) == 2 * len(PEOPLE)


def test_a_later_intervention_sees_the_earlier_one_s_thought() -> None:
    client = FakeClient()
    run(client, Intervention("one", "First thought."), Intervention("two", "x", textual="did think"), steps=1)
    assert all("First thought." in str(request.messages) for request, _ in client.of("intervention_check"))


def test_a_precondition_that_raises_is_named() -> None:
    with pytest.raises(HarnessError, match=r"Intervention 'odd': its functional precondition raised ZeroDiv"):
        run(FakeClient(), Intervention("odd", "x", functional=lambda _: 1 // 0 > 0))


def test_a_verdict_that_is_no_verdict_is_not_a_no() -> None:
    client = FakeClient(lambda r, s: score("yes") if s.kind == "intervention_check" else well_behaved(r, s))
    with pytest.raises(HarnessError, match="expected true or false"):
        run(client, VARIETY)
