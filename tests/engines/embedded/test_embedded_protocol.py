"""The order of a trial, its calls, and what comes out of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from support.clients import FakeClient, say, score, well_behaved
from support.plans import METRICS, PEOPLE, SCRIPT, VARIETY, persona, plan, treatment

from harness.engines.embedded import EmbeddedEngine, expected_calls
from harness.errors import HarnessError, ModelCallError
from harness.gateway.calls import CallSite, Request
from harness.model import Correction, Intervention, TrialPlan, TrialResult


def run(a_plan: TrialPlan, client: FakeClient) -> TrialResult:
    return asyncio.run(EmbeddedEngine().run(a_plan, client))


def texts(request: Request) -> str:
    return "\n".join(str(message["content"]) for message in request.messages)


EAGER = Intervention("eager", "Speak up.", textual="is silent")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"correction": False, "interventions": 0}),
        ({"interventions": (EAGER,)}, {"correction": False, "interventions": 1}),
        ({"correction": Correction(), "interventions": (EAGER,)}, {"correction": True, "interventions": 1}),
        ({"steps": 4}, {"correction": False, "interventions": 0, "steps": 4}),
        ({"script": replace(SCRIPT, introduction=None)}, {"introduction": False}),
        ({"script": replace(SCRIPT, consolidation=None, extraction=None)}, {"extraction": False}),
        ({"script": replace(SCRIPT, extraction=None)}, {"extraction": False, "consolidation": True}),
        (
            {"personas": (persona("Solo"),), "metrics": ()},
            {"people": 1, "person_metrics": 0, "panel_metrics": 0},
        ),
    ],
    ids=["plain", "nudged", "treated", "longer", "no-introduction", "talk-only", "no-extraction", "alone"],
)
def test_calls_are_those_expected(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    client = FakeClient()
    run(plan(**changes), client)
    usual = {"people": 3, "steps": 2, "correction": False, "interventions": 0, "extraction": True}
    settings: dict[str, Any] = {**usual, "person_metrics": 2, "panel_metrics": 1, **expected}
    assert client.counts == expected_calls(**settings)


def test_a_trial_of_the_published_size_makes_the_published_number_of_acts() -> None:
    usual = {"person_metrics": 3, "panel_metrics": 2, "extraction": True}
    control = expected_calls(5, 10, correction=False, interventions=0, **usual)
    assert control == {"act": 56, "extract": 1, "score_person": 15, "score_panel": 2}
    treated = expected_calls(5, 10, correction=True, interventions=1, **usual)
    assert (treated["quality_check"], treated["intervention_check"]) == (56, 55)


def test_the_protocol_goes_in_order() -> None:
    client = FakeClient()
    result = run(plan(), client)
    acts = [(site.step, site.person) for _, site in client.of("act")]
    assert acts == [(step, name) for step in (0, 1, 2) for name in PEOPLE] + [(3, PEOPLE[0])]
    said = [(e.step, e.person, e.content) for e in result.transcript if e.kind == "stimulus"]
    assert said == [
        (0, "", "You are here to talk about umbrellas."),
        (1, "", "Find new uses for umbrellas."),
        (3, PEOPLE[0], "Sum up all that was proposed about umbrellas."),
    ]
    kinds = [site.kind for _, site in client.calls]
    assert kinds[10:] == ["extract", "score_panel", *["score_person"] * 6]


def test_what_is_said_is_heard_in_the_next_prompt_and_not_in_the_same_step() -> None:
    client = FakeClient()
    run(plan(), client)
    first, second = (texts(request) for request, _ in client.of("act", PEOPLE[1])[:2])
    assert f"{PEOPLE[0]} at 0" not in first
    assert f"{PEOPLE[0]}, to everyone: {PEOPLE[0]} at 0" in second
    assert "thought of Ana" not in second
    assert f"thought of {PEOPLE[1]} at 0" in second


def test_prompts_only_grow_at_their_end_and_alternate() -> None:
    client = FakeClient()
    run(plan(), client)
    one, two, three = ([*request.messages] for request, _ in client.of("act", PEOPLE[1]))
    assert two[: len(one)] == one
    assert three[: len(two)] == two
    assert [m["role"] for m in three] == ["system", *["user", "assistant"] * 2, "user"]


def test_a_panel_where_nobody_speaks_still_alternates() -> None:
    client = FakeClient(lambda r, s: {"actions": []} if s.kind == "act" else well_behaved(r, s))
    run(plan(steps=3), client)
    request, _ = client.of("act", PEOPLE[2])[-1]
    assert [m["role"] for m in request.messages] == ["system", *["user", "assistant"] * 3, "user"]
    assert request.messages[-1]["content"] == "No one has said anything to you since your last turn."


def test_the_order_of_replies_does_not_show() -> None:
    straight, reverse = FakeClient(), FakeClient(reverse=True)
    results = [run(treatment(steps=3), client) for client in (straight, reverse)]
    assert straight.completed != reverse.completed, "the fake must in fact answer in another order"
    assert results[0] == results[1]
    assert _prompts(straight) == _prompts(reverse)


def test_the_same_trial_twice_is_the_same() -> None:
    clients = FakeClient(), FakeClient()
    engine = EmbeddedEngine()

    async def both() -> list[TrialResult]:
        return [*await asyncio.gather(*(engine.run(treatment(), client) for client in clients))]

    first, second = asyncio.run(both())
    assert first == second
    assert _prompts(clients[0]) == _prompts(clients[1])


def _prompts(client: FakeClient) -> dict[CallSite, list[str]]:
    found: dict[CallSite, list[str]] = {}
    for request, site in client.calls:
        found.setdefault(site, []).append(texts(request))
    return found


def test_samples_come_in_order_with_their_justifications() -> None:
    values = {"score_person": 4, "score_panel": 9}
    client = FakeClient(
        lambda r, s: score(values[s.kind], "so it is") if s.kind in values else well_behaved(r, s)
    )
    samples = run(plan(), client).samples
    assert [(s.metric, s.person, s.value) for s in samples] == [
        *[("adherence", name, 4) for name in PEOPLE],
        *[("fluency", name, 4) for name in PEOPLE],
        ("ideas_qty", None, 3),
        ("completion", None, 9),
    ]
    assert samples[0].justification == "so it is"


def test_a_word_to_one_person_is_heard_by_that_person_alone() -> None:
    def whisper(request: Request, site: CallSite) -> Any:
        if site.kind == "act" and site.person == PEOPLE[0] and site.step == 0:
            return say("between us", target="bo")
        return well_behaved(request, site)

    client = FakeClient(whisper)
    result = run(plan(), client)
    heard = {name: texts(client.of("act", name)[1][0]) for name in PEOPLE}
    assert "Ana Lima, to you: between us" in heard["Bo Strand"]
    assert "between us" not in heard["Cy Okoro"]
    assert [e.target for e in result.transcript if e.content == "between us"] == ["Bo Strand"]


@pytest.mark.parametrize("target", ["Nobody Known", "Ana Lima", "x" * 100_000, None, 7])
def test_an_unknown_target_speaks_to_everyone(target: Any) -> None:
    client = FakeClient(lambda r, s: say("hello there", target) if s.kind == "act" else well_behaved(r, s))
    run(plan(), client)
    assert "Ana Lima, to everyone: hello there" in texts(client.of("act", "Cy Okoro")[1][0])


def test_a_failed_act_fails_the_trial_after_the_others_were_heard_out() -> None:
    def fail(request: Request, site: CallSite) -> Any:
        broken = site.kind == "act" and site.step == 1 and site.person != PEOPLE[2]
        return ModelCallError(f"no reply for {site.person}") if broken else well_behaved(request, site)

    client = FakeClient(fail, reverse=True)
    with pytest.raises(ModelCallError, match=f"no reply for {PEOPLE[0]}"):
        run(plan(), client)
    assert {s.person for s in client.completed if s.step == 1} == set(PEOPLE)


def test_a_fatal_failure_goes_before_others() -> None:
    def fail(_: Request, site: CallSite) -> Any:
        return ModelCallError(site.person, fatal=site.person == PEOPLE[1])

    with pytest.raises(ModelCallError, match=PEOPLE[1]):
        run(plan(), FakeClient(fail))


def test_nobody_is_no_panel() -> None:
    with pytest.raises(HarnessError, match="has no personas; expected at least one"):
        run(plan(personas=()), FakeClient())


def test_control_and_treatment_ask_alike_but_for_the_intervention() -> None:
    """As in exp_2_2, where the arms differ in the intervention alone."""
    control, treated = FakeClient(), FakeClient()
    run(plan(steps=4), control)
    result = run(plan(steps=4, interventions=(VARIETY,)), treated)
    effect = f"A thought occurs to you: {VARIETY.effect}"
    assert any(record["fired"] for record in result.interventions)
    before, after = _prompts(control), _prompts(treated)
    checks = {site for site in after if site.kind == "intervention_check"}
    assert before.keys() == after.keys() - checks
    acts = [site for site in before if site.kind == "act"]
    for site in acts:
        told = after[site][0].replace(f"\n\n{effect}", "")
        assert [told] == before[site], site
    assert sum(effect in after[site][0] for site in acts) > 0


def test_every_metric_sees_the_persona_only_where_it_says_so() -> None:
    client = FakeClient()
    run(
        plan(personas=tuple(persona(name, secret=f"likes {name[0]}-shaped clouds") for name in PEOPLE)),
        client,
    )
    for request, site in client.of("score_person"):
        told = texts(request)
        own = f"likes {site.person[0]}-shaped clouds" in told
        assert own == (METRICS[0].claim in told)
    panel = texts(client.of("score_panel")[0][0])
    assert all(f"likes {name[0]}-shaped clouds" in panel for name in PEOPLE)
    assert "They were told: Find new uses for umbrellas." in panel
