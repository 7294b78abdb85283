"""One persona's way through a survey: pages of questions, what is skipped, and what each reply answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.engines.embedded.prompts import assistant, user
from harness.engines.embedded.transcript import clean
from harness.engines.survey import prompts
from harness.engines.survey.answers import SurveyAnswer, answered
from harness.engines.survey.coding import code_answers
from harness.engines.survey.order import Order, order_of
from harness.engines.survey.probabilities import ask_probabilities
from harness.errors import HarnessError, RefusedError, RejectedError, UnacceptableReplyError
from harness.gateway.calls import CallSite, Message, ModelClient, Request
from harness.gateway.replies.reply_json import UnreadableReplyError, find
from harness.model import Event, FreeText, Survey, TrialPlan, TrialResult, render
from harness.model.survey.conditions import holds
from harness.model.survey.item import AnswerFault, Item
from harness.model.survey.survey import ANSWER, SURVEY

MOST_ASKED = 3
"""How often a page is asked while an answer on it breaks a rule that its schema cannot state."""
LONGEST_QUESTION = 20_000
"""Characters of a question that the transcript keeps."""


@dataclass
class _Interview:
    """The answers so far, and the conversation that later calls remember."""

    plan: TrialPlan
    survey: Survey
    order: Order
    client: ModelClient
    answers: dict[str, SurveyAnswer] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)
    memory: list[Message] = field(default_factory=list)
    transcript: list[Event] = field(default_factory=list)
    asked: int = 0
    calls: int = 0

    @property
    def person(self) -> str:
        return self.plan.personas[0].name

    @property
    def known(self) -> dict[str, Any]:
        """Item → answer, of those that have one."""
        return {
            name: one.value for name, one in self.answers.items() if one.status in ("answered", "opt out")
        }


async def run_survey(plan: TrialPlan, client: ModelClient) -> TrialResult:
    """Run the trial: ask the persona every item that is not skipped.

    An answer that cannot be used is missing, with its reason, and the survey goes on. Raises `ModelCallError` where a
    call failed for another cause.
    """
    survey = plan.play
    assert isinstance(survey, Survey)
    if not plan.personas:
        raise HarnessError(f"Trial {plan.trial.id}: has no persona to answer the survey; expected one.")
    talk = _Interview(plan, survey, order_of(survey, plan), client)
    for page in survey.pages(talk.order.items):
        await _ask_page(talk, page)
    await code_answers(list(talk.answers.values()), talk.questions, client)
    answers = [talk.answers[item.name] for item in survey.items]
    samples = tuple(sample for one in answers for sample in one.samples(talk.person))
    details = {"answers": {one.item.name: one.recorded for one in answers}, "order": talk.order.recorded}
    return TrialResult(plan.trial, samples, tuple(talk.transcript), details=details)


async def _ask_page(talk: _Interview, page: Sequence[Item]) -> None:
    """Ask the items of a page that are not skipped, in one call."""
    asked = []
    for item in page:
        reason = _skipped(item, talk)
        if reason is None:
            asked.append(item)
        else:
            talk.answers[item.name] = SurveyAnswer(item, "skipped", reason=reason)
    if not asked:
        return
    first = talk.asked + 1
    talk.asked += len(asked)
    talk.calls += 1
    introduction = render(talk.survey.introduction or "", talk.plan.proposal)
    said = [message["content"] for message in talk.memory]
    introduction = "" if introduction and said else introduction
    words = [_words_of(item, talk) for item in asked]
    site = CallSite(SURVEY, talk.person, talk.calls, can_wait=True)
    start = (prompts.opening(talk.plan.personas[0], talk.plan.instructions), *talk.memory)
    if talk.survey.gives_probabilities(asked[0]):
        item, (question, choices) = asked[0], words[0]
        tokens = prompts.lettered(item, choices)
        text = prompts.one_token_question(introduction, item, question, tokens)
        answer, reply = await ask_probabilities(talk.client, (*start, user(text)), site, item, tokens, first)
        found = [answer]
    else:
        text = prompts.questionnaire(
            introduction, [(item, *one) for item, one in zip(asked, words, strict=True)]
        )
        shown = [(item, choices) for item, (_, choices) in zip(asked, words, strict=True)]
        found, reply = await _answers(talk.client, (*start, user(text)), site, shown, first)
    for one in found:
        talk.answers[one.item.name] = one
    if reply and talk.survey.memory:
        talk.memory += [user(text), assistant(reply)]
    _note(talk, text, found)


def _skipped(item: Item, talk: _Interview) -> str | None:
    """Why ``item`` is not asked; ``None`` where it is."""
    known = talk.known
    lacking = [name for name in talk.survey.needs(item) if name not in known]
    if item.when is not None:
        found = holds(item.when, known)
        if found is False:
            return f"its condition does not hold: {item.when}"
        if found is None:
            return f"its condition is about {', '.join(lacking)}, without an answer"
    piped = [name for name in lacking if f"{{{name}}}" in item.question]
    return f"its question repeats the answer to {', '.join(piped)}, and there is none" if piped else None


def _words_of(item: Item, talk: _Interview) -> tuple[str, Sequence[str]]:
    """The question with its names in braces filled in, and the options in their order."""
    known = {name: (talk.answers[name].item, value) for name, value in talk.known.items()}
    talk.questions[item.name] = prompts.filled(item.question, talk.plan.proposal, known)
    return talk.questions[item.name], talk.order.choices(item)


async def _answers(
    client: ModelClient,
    messages: Sequence[Message],
    site: CallSite,
    asked: Sequence[prompts.Asked],
    first: int,
) -> tuple[list[SurveyAnswer], str]:
    """The answers to what is ``asked``, the first in place ``first``; and the reply, empty if none of it is used.

    A reply with an answer that cannot be used is rejected, and the page asked again. After the last, what is usable in
    it counts, and the rest is missing.
    """
    request = Request(messages=messages, response_format=prompts.answer_format(asked))
    data: Any = None
    reason = "no reply"
    for _ in range(MOST_ASKED):
        try:
            reply = await client.complete(request, site, max_rejections=MOST_ASKED)
        except (UnacceptableReplyError, RejectedError) as error:
            data, reason = _data_in(error.text), getattr(error, "reason", "") or str(error)
            break
        except RefusedError as error:
            return [
                SurveyAnswer(item, "missing", reason=str(error), position=first + at)
                for at, (item, _) in enumerate(asked)
            ], ""
        data = reply.data
        fault = next((one.reason for one in _read(data, asked, first, "") if one.status == "missing"), None)
        if fault is None:
            break
        reason = fault
        client.reject(reply, fault)
    found = _read(data, asked, first, reason)
    used = {
        key: prompts.with_letters(*shown, one.value)
        for key, shown, one in zip(prompts.keys(asked), asked, found, strict=True)
        if one.status != "missing"
    }
    return found, json.dumps(used, ensure_ascii=False) if used else ""


def _read(data: Any, asked: Sequence[prompts.Asked], first: int, reason: str) -> list[SurveyAnswer]:
    """What ``data`` answers, item by item; ``reason`` is why there is none where it has nothing to read."""
    found = []
    for at, (key, (item, choices)) in enumerate(zip(prompts.keys(asked), asked, strict=True)):
        if not isinstance(data, Mapping) or key not in data:
            missing = reason or "the reply has no answer to it"
            found.append(SurveyAnswer(item, "missing", reason=missing, position=first + at))
            continue
        try:
            value = item.read(prompts.with_names(item, choices, data[key]))
            value = (
                clean(value, item.longest)
                if isinstance(item, FreeText) and not item.is_opt_out(value)
                else value
            )
            found.append(answered(item, value, first + at))
        except AnswerFault as fault:
            found.append(SurveyAnswer(item, "missing", reason=f"{fault}.", position=first + at))
    return found


def _data_in(text: str) -> Any:
    """The JSON in a reply that was not acceptable as a whole; ``None`` without any."""
    try:
        return find(text, lambda _: None).data
    except UnreadableReplyError:
        return None


def _note(talk: _Interview, text: str, found: Sequence[SurveyAnswer]) -> None:
    """Add a page and its answers to the transcript, each answer as an action of the persona."""
    talk.transcript.append(Event(talk.calls, "", "stimulus", "CONVERSATION", clean(text, LONGEST_QUESTION)))
    for number, one in enumerate(found, start=1):
        if one.status in ("answered", "opt out"):
            kind = "TALK" if isinstance(one.item, FreeText) else ANSWER
            said = one.item.words(one.value)
            said = f"{number}. {said}" if len(found) > 1 else said
            content = clean(said, LONGEST_QUESTION)
            talk.transcript.append(Event(talk.calls, talk.person, "action", kind, content, talk.person))
