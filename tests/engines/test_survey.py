"""A persona's way through a survey: what it reads, what is skipped, and what becomes of each reply."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.engines.survey import run_survey
from harness.engines.survey.coding import code_again, open_answers
from harness.engines.survey.order import order_of
from harness.errors import ModelCallError, RefusedError, RejectedError, UnacceptableReplyError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.model import (
    Allocation,
    Cell,
    Choice,
    FreeText,
    Likert,
    Matrix,
    Persona,
    Ranking,
    Script,
    Survey,
    Trial,
    TrialPlan,
    TrialResult,
    YesNo,
)
from tests.support.clients import FakeClient

ADA = Persona("Ada", {"occupation": "trader"})
TRUST = Likert("trust", "How far do you trust the council?", labels=("not at all", "completely"))
STAY = Choice("stay", "Will you stay in {town}?", options=("yes", "no", "not sure"), opt_out=("no answer",))
WHY = FreeText("why", "You answered {stay}. Why?", categories={"money": "costs", "other": ""})
WORRY = YesNo("worry", "Are you worried?", when="trust <= 3")

Answers = Callable[[Request, CallSite], Any]


def plan(
    survey: Survey, person: Persona = ADA, *, group: str = "plain", rep: int = 1, **more: Any
) -> TrialPlan:
    fields: dict[str, Any] = {
        "trial": Trial(Cell("trust", group, rep), 0, 0),
        "personas": (person,),
        "script": Script(""),
        "proposal": {"town": "Ulm"},
        "steps": 5,
        "correction": None,
        "interventions": (),
        "metrics": survey.measures,
        "seed": 0,
        "play": survey,
    }
    return TrialPlan(**fields | more)


def run(survey: Survey, answer: Answers | list[Any], **more: Any) -> tuple[TrialResult, FakeClient]:
    replies = list(answer) if isinstance(answer, list) else None
    client = FakeClient(answer if replies is None else lambda request, site: replies.pop(0))  # type: ignore[arg-type]
    return asyncio.run(run_survey(plan(survey, **more), client)), client


def said(client: FakeClient, call: int) -> list[str]:
    return [str(message["content"]) for message in client.calls[call][0].messages]


def statuses(result: TrialResult) -> dict[str, str]:
    return {name: one["status"] for name, one in result.details["answers"].items()}


def test_all_items_are_asked_in_one_call_with_a_schema_of_their_answers() -> None:
    survey = Survey(items=[TRUST, STAY], introduction="A survey about {town}.")
    result, client = run(survey, [{"q1": 4, "q2": "no"}], instructions="You feel hopeful today.")
    system, user = said(client, 0)
    assert "Ada" in system
    assert system.endswith("You feel hopeful today.")
    assert user.startswith("A survey about Ulm.\n\n1. How far do you trust the council?\n")
    assert "from 1 (not at all) to 5 (completely)" in user
    assert "2. Will you stay in Ulm?\nChoose one:\n- yes\n- no\n- not sure\n- no answer" in user
    form = client.calls[0][0].response_format
    assert form is not None
    assert form["json_schema"]["schema"]["required"] == ["q1", "q2"]
    assert client.calls[0][1] == CallSite("survey", "Ada", 1)
    assert [(one.metric, one.value, one.person) for one in result.samples] == [
        ("trust", 4.0, "Ada"),
        ("stay=yes", 0.0, "Ada"),
        ("stay=no", 1.0, "Ada"),
        ("stay=not sure", 0.0, "Ada"),
    ]
    assert result.details["answers"]["stay"] == {"status": "answered", "value": "no", "position": 2}


def test_no_prompt_names_an_item_or_the_arm() -> None:
    survey = Survey(
        items=[Likert("secret_item", "How far?"), YesNo("other_item", "Really?")], ask="separately"
    )
    _, client = run(survey, [{"answer": 1}, {"answer": "yes"}], group="secret_arm")
    sent = json.dumps([request.messages for request, _ in client.calls], default=dict)
    assert "secret" not in sent
    assert "other_item" not in sent


def test_items_are_asked_one_a_call_with_or_without_memory_of_earlier_ones() -> None:
    replies = [{"answer": 4}, {"answer": "no"}]
    _, client = run(Survey(items=[TRUST, STAY], ask="separately", introduction="Hello."), replies)
    assert [len(said(client, call)) for call in (0, 1)] == [2, 4]
    assert said(client, 1)[2] == '{"answer": 4}'
    assert "Hello." not in said(client, 1)[3], "the introduction is read once"
    _, client = run(
        Survey(items=[TRUST, STAY], ask="separately", memory=False, introduction="Hello."), replies
    )
    assert [len(said(client, call)) for call in (0, 1)] == [2, 2]
    assert said(client, 1)[1].startswith("Hello.\n\nWill you stay")


def test_what_depends_on_an_answer_is_asked_in_a_later_call() -> None:
    result, client = run(
        Survey(items=[TRUST, STAY, WHY, WORRY]),
        [{"q1": 2, "q2": "no"}, {"q1": "Rents rise.", "q2": "yes"}, {"category": "money"}],
    )
    assert "1. You answered no. Why?" in said(client, 1)[3]
    assert statuses(result) == dict.fromkeys(("trust", "stay", "why", "worry"), "answered")
    assert result.details["answers"]["why"]["category"] == "money"
    assert {one.metric: one.value for one in result.samples}["why=money"] == 1.0
    request, site = client.calls[2]
    assert (site.kind, site.role) == ("code_answer", "judge")
    assert "Ada" not in json.dumps(request.messages, default=dict), "the judge does not know who answered"


def test_an_item_whose_condition_does_not_hold_is_skipped_with_the_reason() -> None:
    result, client = run(Survey(items=[TRUST, WORRY]), [{"answer": 5}])
    assert len(client.calls) == 1
    assert result.details["answers"]["worry"] == {
        "status": "skipped",
        "reason": "its condition does not hold: trust <= 3",
    }
    assert result.samples[1].reason == "skipped: its condition does not hold: trust <= 3"


def test_what_depends_on_a_missing_answer_is_skipped_too() -> None:
    broken = UnacceptableReplyError("no", reason="not JSON", text="I would rather not")
    result, client = run(Survey(items=[TRUST, STAY, WHY, WORRY]), [broken])
    assert statuses(result) == {"trust": "missing", "stay": "missing", "why": "skipped", "worry": "skipped"}
    assert result.details["answers"]["trust"]["reason"] == "not JSON"
    assert "about trust, without an answer" in result.details["answers"]["worry"]["reason"]
    assert len(client.calls) == 1


def test_an_opt_out_is_an_answer_without_a_number() -> None:
    result, _ = run(Survey(items=[STAY]), [{"answer": "no answer"}])
    assert result.details["answers"]["stay"]["status"] == "opt out"
    assert {one.reason for one in result.samples} == {"opt out: no answer"}


def test_a_row_of_a_matrix_may_opt_out_alone() -> None:
    grid = Matrix("inst", "How far?", rows=("police", "press"), opt_out=("don't know",))
    result, _ = run(Survey(items=[grid]), [{"answer": {"a": 3, "b": "don't know"}}])
    assert [(one.value, one.reason) for one in result.samples] == [(3.0, None), (None, "opt out: don't know")]


def test_rows_are_answered_under_letters_in_the_order_in_which_the_persona_reads_them() -> None:
    grid = Matrix("inst", "How far?", rows=("the police", "the press", "the church"), shuffle=True)
    survey = Survey(items=[grid, YesNo("stay", "Stay?")], ask="separately")
    ada = next(
        person
        for person in (Persona(f"P{number}", {}) for number in range(99))
        if order_of(survey, plan(survey, person)).choices(grid)[0] == "the church"
    )
    replies = [{"answer": {"a": 5, "b": 1, "c": 2}}, {"answer": "yes"}]
    client = FakeClient(lambda request, site: replies[len(client.calls) - 1])
    result = asyncio.run(run_survey(plan(survey, ada), client))
    assert "\na. the church\nb. " in said(client, 0)[1]
    form = client.calls[0][0].response_format
    assert form is not None
    rows = form["json_schema"]["schema"]["properties"]["answer"]["properties"]
    assert [one["description"] for one in rows.values()] == result.details["order"]["rows"]["inst"]
    assert result.details["answers"]["inst"]["value"]["the church"] == 5
    assert json.loads(said(client, 1)[2]) == {"answer": {"a": 5, "b": 1, "c": 2}}, (
        "remembered as it was given"
    )


def test_a_page_with_an_unusable_answer_is_asked_again_and_the_usable_ones_of_the_last_reply_count() -> None:
    budget = Allocation("budget", "Divide it.", options=("roads", "schools"))
    reply = {"q1": 4, "q2": {"a": 50, "b": 40}}
    result, client = run(Survey(items=[TRUST, budget]), lambda request, site: reply)
    assert len(client.calls) == 3
    assert len(client.rejected) == 3
    assert statuses(result) == {"trust": "answered", "budget": "missing"}
    assert result.samples[1].reason == "the amounts add up to 90; expected 100."
    assert result.samples[0].value == 4.0


@pytest.mark.parametrize(
    "error",
    [
        UnacceptableReplyError("no", reason="against its schema", text='{"q1": 9, "q2": "no"}'),
        RejectedError("against its rules", text='{"q1": 9, "q2": "no"}'),
    ],
)
def test_what_is_usable_in_the_last_reply_counts_however_the_asking_ended(error: Exception) -> None:
    result, _ = run(Survey(items=[TRUST, STAY]), [error])
    assert statuses(result) == {"trust": "missing", "stay": "answered"}
    assert "9 is not on the scale" in result.details["answers"]["trust"]["reason"]


def test_a_refusal_of_the_model_is_missing_and_the_survey_goes_on() -> None:
    replies = [RefusedError("Call 'survey': refused by the model: 'I cannot'."), {"answer": "no"}]
    result, _ = run(Survey(items=[TRUST, STAY], ask="separately"), replies)
    assert statuses(result) == {"trust": "missing", "stay": "answered"}
    assert "refused" in str(result.samples[0].reason)


def test_a_call_that_fails_for_another_cause_fails_the_trial() -> None:
    with pytest.raises(ModelCallError, match="no connection"):
        run(Survey(items=[TRUST]), [ModelCallError("no connection")])


def test_free_text_that_the_judge_cannot_code_stays_answered() -> None:
    replies = [{"answer": "no"}, {"answer": "Rents rise."}, *[{"category": "nonsense"}] * 3]
    result, _ = run(Survey(items=[STAY, WHY], ask="separately"), replies)
    assert result.details["answers"]["why"]["status"] == "answered"
    assert "not coded" in str(result.samples[-1].reason)


ORDERED = Survey(
    items=[
        *(Likert(f"q{number}", f"Question {number}?") for number in range(8)),
        Choice("c", "Which?", options=tuple("abcdef")),
        Ranking("after", "You said {q3}. Rank.", options=tuple("uvwxyz")),
    ],
    shuffle_items=True,
    shuffle_options=True,
)


def test_orders_are_drawn_per_persona_and_rep_and_are_the_same_in_every_arm() -> None:
    def order(name: str, **more: Any) -> Any:
        return order_of(ORDERED, plan(ORDERED, Persona(name, {}), **more)).recorded

    assert order("Ada") == order("Ada", group="hopeful")
    assert order("Ada") != order("Bo")
    assert order("Ada") != order("Ada", rep=2)
    assert order("Ada") != order("Ada", seed=1)
    assert sorted(order("Ada")["items"]) == sorted(item.name for item in ORDERED.items)


def test_a_shuffled_item_still_follows_what_it_depends_on() -> None:
    places = []
    for number in range(40):
        items = order_of(ORDERED, plan(ORDERED, Persona(f"P{number}", {}))).recorded["items"]
        assert items.index("q3") < items.index("after")
        places.append(items.index("q0"))
    assert len(set(places)) > 4


def test_the_shuffled_order_is_what_the_persona_reads_and_the_record_keeps() -> None:
    survey = Survey(items=[Choice("c", "Which?", options=tuple("abcdef"), shuffle=True)])
    result, client = run(survey, [{"answer": "a"}])
    order = result.details["order"]["options"]["c"]
    assert [
        line.removeprefix("- ") for line in said(client, 0)[1].splitlines() if line.startswith("- ")
    ] == order
    assert sorted(order) == list("abcdef")


class Logprobs(FakeClient):
    """Replies with these log probabilities of the first token."""

    def __init__(self, **tokens: float) -> None:
        super().__init__()
        self.tokens = tokens

    async def complete(self, request: Request, site: CallSite, **_: Any) -> Reply:
        self.calls.append((request, site))
        listed = [{"token": token, "logprob": math.log(share)} for token, share in self.tokens.items()]
        return Reply("x", logprobs={"content": [{**listed[0], "top_logprobs": listed}]})


def probable(item: Any, **tokens: float) -> tuple[TrialResult, FakeClient]:
    client = Logprobs(**tokens)
    survey = Survey(items=[item], ask="separately", probabilities=True)
    return asyncio.run(run_survey(plan(survey), client)), client


def test_probabilities_of_options_are_taken_from_the_first_token_without_sampling() -> None:
    result, client = probable(TRUST, **{"4": 0.5, " 4": 0.1, "5": 0.2, "The": 0.2})
    request = client.calls[0][0]
    assert (request.max_tokens, request.response_format) == (1, None)
    assert request.extra == {"logprobs": True, "top_logprobs": 20}
    assert str(request.messages[-1]["content"]).endswith("Answer with one number: 1, 2, 3, 4 or 5.")
    answer = result.details["answers"]["trust"]
    assert answer["covered"] == 0.8
    assert answer["probabilities"] == {"1": 0.0, "2": 0.0, "3": 0.0, "4": 0.75, "5": 0.25}
    assert answer["value"] == 4
    assert result.samples[0].value == pytest.approx(4.25)


def test_probable_opt_outs_are_left_out_of_the_mean() -> None:
    result, _ = probable(STAY, A=0.2, b=0.4, C=0.2, D=0.2)
    assert result.details["answers"]["stay"]["probabilities"]["no answer"] == 0.2
    assert [one.value for one in result.samples] == [
        pytest.approx(0.25),
        pytest.approx(0.5),
        pytest.approx(0.25),
    ]


def test_options_that_the_first_token_hardly_covers_are_missing() -> None:
    result, _ = probable(TRUST, **{"I": 0.9, "4": 0.1})
    assert result.details["answers"]["trust"]["status"] == "missing"
    assert "cover 10%" in str(result.samples[0].reason)


def test_recorded_answers_are_coded_again_with_the_questions_as_they_were_asked() -> None:
    survey = Survey(items=[STAY, WHY])
    replies = [{"answer": "no"}, {"answer": "Rents rise."}, {"category": "money"}]
    result, client = run(survey, replies)
    record = {**result.details, "proposal_fields": {"town": "Ulm"}}
    texts = open_answers(record, survey.items)
    again = FakeClient(lambda request, site: {"category": "other"})
    samples = asyncio.run(code_again(texts, "Ada", again))
    assert again.calls[0][0].messages == client.calls[2][0].messages
    assert "You answered no. Why?" in str(again.calls[0][0].messages)
    assert [(one.metric, one.value, one.person) for one in samples] == [
        ("why=money", 0.0, "Ada"),
        ("why=other", 1.0, "Ada"),
    ]


class Miscounting:
    """Divides 100 into 90, and answers the other question."""

    name, model = "miscounting", "miscounting-1"

    def __init__(self) -> None:
        self.asked = 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked += 1
        return Reply('{"q1": 4, "q2": {"a": 50, "b": 40}}')

    async def embed(self, texts: Any, model: str) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None: ...


class EndsAfter:
    """A client whose session ends right after so many rejections."""

    def __init__(self, client: Any, rejections: int) -> None:
        self._client, self._left = client, rejections

    async def complete(self, request: Request, site: CallSite, **more: Any) -> Reply:
        reply: Reply = await self._client.complete(request, site, **more)
        return reply

    def reject(self, reply: Reply, reason: str) -> None:
        self._client.reject(reply, reason)
        self._left -= 1
        if self._left == 0:
            raise asyncio.CancelledError


@pytest.mark.parametrize("rejections", [1, 2, 3])
def test_a_session_cut_off_while_a_page_is_asked_again_ends_like_an_uninterrupted_one(
    tmp_path: Path, rejections: int
) -> None:
    survey = Survey(items=[TRUST, Allocation("budget", "Divide it.", options=("roads", "schools"))])
    provider = Miscounting()

    async def session(cut: int) -> TrialResult:
        gateway = Gateway(provider, journal=Journal(tmp_path))
        try:
            client = gateway.open_trial("t", "run")
            return await run_survey(plan(survey), EndsAfter(client, cut))  # type: ignore[arg-type]
        finally:
            await gateway.aclose()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(session(rejections))
    result = asyncio.run(session(99))
    assert provider.asked == 3
    assert statuses(result) == {"trust": "answered", "budget": "missing"}
