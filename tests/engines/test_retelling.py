"""A conversation told again from its record: the judge is asked exactly what it was asked when it took place."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from support.clients import FakeClient, say, score, well_behaved
from support.plans import PEOPLE, plan, treatment

from harness.engines.embedded import EmbeddedEngine
from harness.engines.embedded.transcript_replay import score_again
from harness.gateway.calls import CallSite, Request
from harness.model import Event, Proposition, TrialPlan, render


def chatty(request: Request, site: CallSite) -> object:
    """Everyone talks to all, but the first whispers to the second; the quality check sends first tries back."""
    if site.kind in ("act", "regenerate"):
        target = PEOPLE[1] if site.person == PEOPLE[0] else ""
        return say(f"{site.person} at {site.step}\nand a second line", target, thought=f"hm {site.step}")
    if site.kind == "quality_check":
        return score(3 if site.attempt == 0 else 8)
    return well_behaved(request, site)


def claims(made: TrialPlan) -> list[Proposition]:
    return [metric for metric in made.metrics if isinstance(metric, Proposition)]


def asked(client: FakeClient) -> dict[tuple[str, str, int], list[str]]:
    found: dict[tuple[str, str, int], list[str]] = {}
    for request, site in client.calls:
        if site.kind.startswith("score"):
            key = (site.kind, site.person, site.step)
            found.setdefault(key, []).append(json.dumps(request.messages, default=dict))
    return {key: sorted(texts) for key, texts in found.items()}


@pytest.mark.parametrize(
    "made", [plan(), treatment(), treatment(steps=4), plan(script=replace(plan().script))]
)
def test_the_judge_is_asked_the_same_again(made: TrialPlan) -> None:
    first, second = FakeClient(chatty), FakeClient(chatty)
    result = asyncio.run(EmbeddedEngine().run(made, first))
    task = render(made.script.task, made.proposal)
    described = render(made.script.task_description, {**made.proposal, "task": task})
    samples = asyncio.run(
        score_again(made.personas, result.transcript, claims(made), described, made.steps, second)
    )
    assert asked(second) == asked(first) and len(asked(first)) == len(PEOPLE) + 1
    assert {site.kind for _, site in second.calls} == {"score_person", "score_panel"}
    scored = {(one.metric, one.person) for one in result.samples if one.metric != "ideas_qty"}
    assert {(one.metric, one.person) for one in samples} == scored


def test_what_another_engine_recorded_for_each_is_told_once() -> None:
    ana, bo, _ = PEOPLE
    transcript = [
        *(Event(1, name, "stimulus", "CONVERSATION", "Find uses.", source="Room") for name in PEOPLE),
        Event(1, ana, "action", "TALK", "A cane.", target=bo),
        Event(1, bo, "stimulus", "CONVERSATION", "A cane.", source=ana),
        Event(1, bo, "stimulus", "THOUGHT", "Be bold.", source="variety"),
        *(Event(1, name, "action", "THINK", "Hm.") for name in PEOPLE[1:]),
        Event(2, ana, "stimulus", "CONVERSATION", "Sum up."),
    ]
    client = FakeClient(chatty)
    asyncio.run(score_again(plan().personas, transcript, claims(plan()), "t", 1, client, foreign=True))
    (panel,) = [str(request.messages[1]["content"]) for request, _ in client.of("score_panel")]
    assert panel.count("Find uses.") == panel.count("A cane.") == panel.count("Be bold.") == 1
    assert f"Request to {ana}: Sum up." in panel and "Request to everyone: Find uses." in panel
    texts = {name: str(client.of("score_person", name)[0][0].messages[1]["content"]) for name in PEOPLE}
    assert all(text.count("Find uses.") == 1 for text in texts.values())
    assert [text.count("A cane.") for text in texts.values()] == [1, 1, 0]
    assert f"{ana} to {bo}: A cane." in texts[bo]
