"""Action correction: what is checked, sent back and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from support.clients import FakeClient, say, score, well_behaved
from support.plans import persona, plan

from harness.engines.embedded import EmbeddedEngine
from harness.errors import ModelCallError
from harness.gateway.calls import CallSite, Request
from harness.model import Correction, Intervention, TrialResult


def scored(values: Iterable[Any], *, at: int = 1) -> FakeClient:
    """A client whose quality checks at step ``at`` give ``values`` in turn, and 9 elsewhere."""
    waiting = iter(values)

    def answer(request: Request, site: CallSite) -> Any:
        if site.kind == "quality_check":
            return score(next(waiting), f"fault {site.attempt}") if site.step == at else score(9)
        if site.kind in ("act", "regenerate"):
            return say(f"step {site.step} attempt {site.attempt}")
        return well_behaved(request, site)

    return FakeClient(answer)


def run(client: FakeClient, correction: Correction) -> TrialResult:
    alone = plan(personas=(persona("Ana Lima"),), steps=1, correction=correction)
    return asyncio.run(EmbeddedEngine().run(alone, client))


@pytest.mark.parametrize(
    ("values", "correction", "kept"),
    [
        ([5], Correction(5, 2), 0),
        ([4, 5], Correction(5, 2), 1),
        ([4, 3, 2], Correction(5, 2), 0),
        ([1, 3, 2], Correction(5, 2), 1),
        ([1, 3, 3], Correction(5, 2), 1),
        ([0, 1, 2, 3, 4, 4], Correction(5, 5), 4),
        ([0], Correction(5, 2, regeneration=False), 0),
        ([0], Correction(0, 2), 0),
        ([8, 9], Correction(9, 1), 1),
    ],
)
def test_the_best_attempt_is_kept(values: list[int], correction: Correction, kept: int) -> None:
    client = scored(values)
    result = run(client, correction)
    assert client.counts["regenerate"] == len(values) - 1
    said = [e.content for e in result.transcript if e.type == "TALK" and e.step == 1]
    assert said == [f"step 1 attempt {kept}"]
    if len(values) == 1:
        assert result.corrections == ()
    else:
        (event,) = result.corrections
        assert (event.step, event.person, event.kept) == (1, "Ana Lima", kept)
        assert [value for _, value in event.attempts] == values
        assert event.attempts[kept][0] == f"TALK: step 1 attempt {kept}"


def test_a_regeneration_sees_the_turn_and_what_was_wrong_with_it() -> None:
    client = scored([2, 7])
    run(client, Correction(5, 2))
    ((request, site),) = client.of("regenerate")
    act = next(request for request, site in client.of("act") if site.step == 1)
    assert (site.step, site.attempt) == (1, 1)
    assert list(request.messages[:-2]) == list(act.messages)
    assert "step 1 attempt 0" in request.messages[-2]["content"]
    assert "scored 2 out of 9" in request.messages[-1]["content"]
    assert "fault 0" in request.messages[-1]["content"]


def test_what_was_sent_back_never_happened() -> None:
    client = scored([2, 7])
    run(client, Correction(5, 2))
    after = [request for request, site in client.calls if site.step == 2]
    assert after
    assert not any("step 1 attempt 0" in str(request.messages) for request in after)


def test_actions_of_attempts_that_were_not_kept_are_not_counted() -> None:
    seen: list[int] = []

    def watch(person: Any) -> bool:
        seen.append(person.actions_count)
        return False

    alone = plan(
        personas=(persona("Ana Lima"),),
        correction=Correction(5, 2),
        interventions=(Intervention("watch", "x", functional=watch),),
    )
    asyncio.run(EmbeddedEngine().run(alone, scored([1, 1, 1])))
    assert seen == [0, 2, 4]


def test_a_turn_of_nothing_needs_no_check() -> None:
    client = FakeClient(lambda r, s: {"actions": []} if s.kind == "act" else well_behaved(r, s))
    run(client, Correction(5, 2))
    assert client.counts["quality_check"] == 0


@pytest.mark.parametrize("value", [10, -1, "7", 4.5, True, None])
def test_a_check_that_is_no_score_is_asked_again_and_then_fails_the_trial(value: Any) -> None:
    client = scored([value, value, 8])
    run(client, Correction(5, 2))
    assert len(client.rejected) == 2
    with pytest.raises(ModelCallError, match="expected a whole number 0 to 9"):
        run(scored([value] * 3), Correction(5, 2))
