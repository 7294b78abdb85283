"""Runs a `Dialogue`: a simulated user and an agent under test take turns until one of the end conditions holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.engines.embedded import schemas
from harness.engines.embedded.model_requests import Unusable, ask
from harness.engines.embedded.prompts import assistant, describe, system, user
from harness.engines.embedded.scoring import read_verdict
from harness.engines.embedded.transcript import clean
from harness.engines.transcript_judge import check_claim
from harness.errors import HarnessError
from harness.gateway.calls import CallSite, Message, ModelClient, Reply, Request
from harness.model import Dialogue, Event, Measure, Persona, Sample, TrialPlan, TrialResult, render
from harness.model.dialogue import GOAL_REACHED, TURNS
from harness.user_code import runner

LONGEST_MESSAGE = 20_000
"""Characters of one message that are kept."""
AGENT = "agent"

Ended = Literal["user", "goal", "turns"]
"""Who or what ended a dialogue: the user, ``until``, or the most turns."""

_USER = """\
You are {name}, and you are writing to an agent in a chat. Everything below is about who you are and what you want.
Judge, want, write and make mistakes as {name} does. You know only what {name} could know. Be polite, patient or
agreeable only when {name} would be.

# Who you are

{description}

# What you want

{goal}

# How to write

- Write one message at a time, as {name} would type it, in the words of someone with that past and temper.
- Work towards what you want. If the agent asks you for something, answer; make up plausible details that are not
  given here, and stick to them.
- React to what the agent has just written. Do not repeat yourself.
- You are the user: never write the agent's part, and do not offer it your help.
- Never mention these instructions, a persona, a model or a simulation.

# How to end

End the conversation when {name} would: because you have what you want, because it is clear that you will not get
it, or because you have run out of patience. Then set "done" to true, and your message is the last one. Otherwise set
it to false.

Answer with JSON: "message" is what you write, and is never empty; "done" is true or false."""

_FIRST = "The chat with the agent is open. You write first."


@dataclass
class _Talk:
    """The dialogue so far: as the agent reads it, as the user does, and as the transcript has it."""

    for_agent: list[Message] = field(default_factory=list)
    for_user: list[Message] = field(default_factory=lambda: [user(_FIRST)])
    transcript: list[Event] = field(default_factory=list)
    logged: int = 0


async def run_dialogue(plan: TrialPlan, client: ModelClient) -> TrialResult:
    """Run the trial. Raises `ModelCallError`, `UserCodeError` from ``until``, and whatever the agent raises.

    `HarnessError` if the agent's reply is not text, or empty.
    """
    dialogue = plan.play
    assert isinstance(dialogue, Dialogue)
    if not plan.personas:
        raise HarnessError(f"Trial {plan.trial.id}: has no persona to play the user; expected one.")
    person, goal = plan.personas[0], goal_of(plan)
    talk = _Talk(transcript=[Event(0, person.name, "stimulus", "CONVERSATION", goal)])
    prompt = system(_USER.format(name=person.name, description=describe(person), goal=goal))
    ended: Ended = "turns"
    turn = 0
    while ended == "turns" and turn < plan.steps:
        turn += 1
        done = await _user_turn(talk, prompt, person, turn, client)
        if done:
            ended = "user"
            break
        await _agent_turn(talk, dialogue, plan, person, turn, client)
        if await _holds(dialogue, talk, goal, turn, client):
            ended = "goal"
    reported = {TURNS: float(turn), GOAL_REACHED: float(ended == "goal")}
    samples = tuple(
        Sample(one.name, reported[one.name])
        for one in plan.metrics
        if isinstance(one, Measure) and one.function is None and one.name in reported
    )
    details = {"dialogue": {"ended": ended, "turns": turn}}
    return TrialResult(plan.trial, samples, tuple(talk.transcript), details=details)


def goal_of(plan: TrialPlan) -> str:
    """What the user wants in this trial."""
    assert isinstance(plan.play, Dialogue)
    return render(plan.play.goal, plan.proposal)


async def _user_turn(talk: _Talk, prompt: Message, person: Persona, turn: int, client: ModelClient) -> bool:
    """Let the user write a message; whether it is the last one."""

    def read(data: Any) -> tuple[str, bool]:
        return _read_message(data, first=turn == 1)

    site = CallSite("user", person.name, turn)
    form = schemas.FIRST_MESSAGE if turn == 1 else schemas.MESSAGE
    text, done = await ask(client, (prompt, *talk.for_user), form, site, read)
    written = json.dumps({"message": text, "done": done}, ensure_ascii=False)
    talk.for_user.append(assistant(written))
    talk.for_agent.append(user(text))
    talk.transcript.append(Event(turn, person.name, "action", "TALK", text, person.name, AGENT))
    return done


def _read_message(data: Any, *, first: bool) -> tuple[str, bool]:
    """A message, and whether it ends the dialogue. Raises `Unusable`, also for an empty message."""
    text, done = (data.get("message"), data.get("done")) if isinstance(data, dict) else (None, None)
    kept = clean(text, LONGEST_MESSAGE)
    if not kept:
        raise Unusable("The message is empty; expected what the user writes.")
    if not isinstance(done, bool):
        raise Unusable(f"done is {done!r:.80}; expected true or false.")
    if done and first:
        raise Unusable("The first message ends the conversation; expected one that the agent can answer.")
    return kept, done


async def _agent_turn(
    talk: _Talk, dialogue: Dialogue, plan: TrialPlan, person: Persona, turn: int, client: ModelClient
) -> None:
    if callable(dialogue.agent):
        said = await dialogue.agent(tuple(talk.for_agent), plan, client)
    else:
        request = Request((*_system_prompt(dialogue, plan), *talk.for_agent), dialogue.agent or "")
        said = await client.complete(request, CallSite(AGENT, "", turn))
    text = said.text if isinstance(said, Reply) else said
    if not isinstance(text, str) or not text.strip():
        what = "is empty" if isinstance(text, str) else f"is a {type(text).__name__}"
        raise HarnessError(f"{plan.trial.id}: the agent's reply in turn {turn} {what}; expected text.")
    talk.for_agent.append(assistant(text))
    talk.for_user.append(user(text))
    talk.transcript += await _tool_events(talk, turn, client)
    kept = clean(text, LONGEST_MESSAGE)
    talk.transcript.append(Event(turn, AGENT, "action", "TALK", kept, AGENT, person.name))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"the function returned {value!r:.60}; expected True or False")
    return value


def _system_prompt(dialogue: Dialogue, plan: TrialPlan) -> tuple[Message, ...]:
    """The agent's instructions, then those of the arm; nothing if there are none."""
    texts = [render(dialogue.instructions or "", plan.proposal), plan.instructions or ""]
    text = "\n\n".join(filter(None, texts))
    return (system(text),) if text else ()


async def _tool_events(talk: _Talk, turn: int, client: ModelClient) -> Sequence[Event]:
    """What the agent called since its last turn, and what came back."""
    logged = getattr(client, "transcript", None)
    events = await logged() if logged is not None else ()
    new, talk.logged = events[talk.logged :], len(events)
    return [
        Event(turn, AGENT, one.kind, one.type, one.content, one.source, one.target)
        for one in new
        if one.type in ("TOOL_CALL", "TOOL_RESULT")
    ]


async def _holds(dialogue: Dialogue, talk: _Talk, goal: str, turn: int, client: ModelClient) -> bool:
    """Whether ``until`` holds now."""
    until, transcript = dialogue.until, tuple(talk.transcript)
    if until is None:
        return False
    if callable(until):
        held: bool = await runner.get().call(until, transcript, what="The dialogue's until", then=_truth)
        return held
    asked = check_claim(transcript, goal, until)
    holds, _ = await ask(client, asked, schemas.CHECK, CallSite("goal_check", "", turn), read_verdict)
    return holds
