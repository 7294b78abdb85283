"""Metrics that a model scores: propositions about a person, or about the whole panel."""

from __future__ import annotations

from collections.abc import Sequence

from harness.engines.embedded import prompts, schemas
from harness.engines.embedded.model_requests import NoUsableReply, ask, together
from harness.engines.embedded.persona import Person
from harness.engines.embedded.scoring import read_score
from harness.engines.embedded.transcript import line, newest
from harness.engines.embedded.world import World
from harness.errors import RefusedError
from harness.gateway.calls import CallSite, Message, ModelClient
from harness.model import Proposition, Sample

RECORD_CHARS = 200_000
"""How much of a record a judge reads: the newest part, about 50,000 tokens."""
_PANEL = "the group"
NO_ACTION = "No action: neither a thought nor a word in any turn, so there is nothing to score."


async def score_panel(
    world: World, claims: Sequence[Proposition], task: str, step: int, client: ModelClient
) -> list[Sample]:
    """One sample per claim about the whole panel; missing where no one did anything."""
    if not any(person.acted for person in world.people):
        return [Sample(claim.name, None, reason=NO_ACTION) for claim in claims]
    record = newest([text for event in world.transcript if (text := line(event))], RECORD_CHARS)
    evidence = prompts.evidence(task, record)
    described = "\n\n".join(f"## {person.name}\n\n{person.description}" for person in world.people)
    return await together(
        score(
            claim,
            prompts.judge(_PANEL, evidence, described * claim.include_persona, claim.claim),
            CallSite("score_panel", "", step),
            client,
        )
        for claim in claims
    )


async def score_people(
    people: Sequence[Person], claims: Sequence[Proposition], task: str, step: int, client: ModelClient
) -> list[Sample]:
    """For each claim, one sample per person in the panel's order; missing for a person who did nothing."""
    evidence = {person.name: prompts.evidence(task, person.memory.recent(RECORD_CHARS)) for person in people}
    return await together(
        _score_person(
            person,
            claim,
            prompts.judge(
                person.name, evidence[person.name], person.description * claim.include_persona, claim.claim
            ),
            CallSite("score_person", person.name, step),
            client,
        )
        for claim in claims
        for person in people
    )


async def _score_person(
    person: Person, claim: Proposition, asked: Sequence[Message], site: CallSite, client: ModelClient
) -> Sample:
    if not person.acted:
        return Sample(claim.name, None, person.name, reason=NO_ACTION)
    return await score(claim, asked, site, client)


async def score(claim: Proposition, asked: Sequence[Message], site: CallSite, client: ModelClient) -> Sample:
    """The sample of ``claim`` by the judge; missing where no reply was usable. Raises `ModelCallError`."""
    person = site.person or None
    try:
        value, why = await ask(client, asked, schemas.SCORE, site, read_score, max_rejections=1)
    except NoUsableReply as fault:
        return Sample(claim.name, None, person, reason=str(fault))
    except RefusedError as fault:
        return Sample(claim.name, None, person, reason=f"refused: {fault}")
    return Sample(claim.name, value, person, justification=why)
