"""Action correction: score a turn, and regenerate it while it is not good enough."""

from __future__ import annotations

from dataclasses import dataclass

from harness.console import logger
from harness.engines.embedded import prompts, schemas
from harness.engines.embedded.model_requests import NoUsableReply, ask, together
from harness.engines.embedded.persona import Person
from harness.engines.embedded.scoring import read_score
from harness.engines.embedded.turn import DONE, EMPTY, Turn, as_json, as_text, read_turn
from harness.errors import ContextOverflowError
from harness.gateway.calls import CallSite, Message, ModelClient
from harness.model import MAX_SCORE, Correction, CorrectionEvent

log = logger()

CHECKED = (
    "The actions are what this very person would think, say and do at this moment: they follow from the "
    "description in content, attitude and tone, and hardly anyone else would have acted just so.",
)
"""The claims that each turn is checked on. A turn is as good as its worst one."""
CONTEXT_CHARS = 8_000
"""How much of the preceding conversation the checker sees."""


@dataclass(frozen=True, slots=True)
class Attempt:
    turn: Turn
    score: int
    feedback: str


async def act(
    person: Person, step: int, correction: Correction | None, client: ModelClient
) -> tuple[Turn, CorrectionEvent | None]:
    """One person's turn, corrected if ``correction`` is given, and the event of a turn that was sent back.

    The best attempt is kept, the earliest of equals. Raises `ModelCallError`.
    """
    asked, turn = await _own_turn(person, step, client)
    if correction is None:
        return turn, None
    attempts = [await _check(person, turn, step, 0, client)]
    while _sent_back(attempts, correction):
        last, number = attempts[-1], len(attempts)
        again = (*asked, *_feedback(last))
        turn = await _generate(person, again, CallSite("regenerate", person.name, step, number), client)
        attempts.append(await _check(person, turn, step, number, client))
    kept = max(range(len(attempts)), key=lambda number: attempts[number].score)
    return attempts[kept].turn, _event(person, step, attempts, kept)


async def _own_turn(person: Person, step: int, client: ModelClient) -> tuple[tuple[Message, ...], Turn]:
    """The prompt of a turn, and the turn. The memory shrinks until the prompt fits the model's context."""
    while True:
        asked = person.prompt()
        try:
            return asked, await _generate(person, asked, CallSite("act", person.name, step), client)
        except ContextOverflowError:
            if not person.memory.shrink():
                raise
            log.warning(
                "The prompt of %s at step %d is longer than the model's context: the older half of the memory is "
                "forgotten (%d entries so far).",
                person.name,
                step,
                person.memory.forgotten,
            )


def _sent_back(attempts: list[Attempt], correction: Correction) -> bool:
    return (
        correction.regeneration
        and attempts[-1].score < correction.quality_threshold
        and len(attempts) <= correction.max_attempts
    )


def _feedback(attempt: Attempt) -> tuple[Message, Message]:
    again = prompts.try_again(attempt.score, attempt.feedback)
    return prompts.assistant(as_json(attempt.turn)), prompts.user(again)


def _event(person: Person, step: int, attempts: list[Attempt], kept: int) -> CorrectionEvent | None:
    if len(attempts) == 1:
        return None
    told = tuple((as_text(attempt.turn), float(attempt.score)) for attempt in attempts)
    return CorrectionEvent(step, person.name, told, kept)


async def _generate(person: Person, asked: tuple[Message, ...], site: CallSite, client: ModelClient) -> Turn:
    """The turn; one of DONE alone if every reply was empty: the person did nothing, and that is recorded."""
    try:
        return await ask(
            client,
            asked,
            schemas.turn(person.others),
            site,
            lambda data: read_turn(data, person.others),
            accepts=schemas.any_turn(person.others),
        )
    except NoUsableReply as fault:
        if fault.reason != EMPTY:
            raise
        return (DONE,)


async def _check(person: Person, turn: Turn, step: int, attempt: int, client: ModelClient) -> Attempt:
    """A turn with its score. A turn without actions passes unchecked."""
    actions = as_text(turn)
    if not actions:
        return Attempt(turn, MAX_SCORE, "")
    site, before = CallSite("quality_check", person.name, step, attempt), person.memory.recent(CONTEXT_CHARS)
    asked = [prompts.check_turn(person.name, person.description, before, actions, claim) for claim in CHECKED]
    scores = await together(ask(client, messages, schemas.SCORE, site, read_score) for messages in asked)
    score, feedback = min(scores, key=lambda scored: scored[0])
    return Attempt(turn, score, feedback)
