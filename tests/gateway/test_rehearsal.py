from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.requests import CHECK, COGNITIVE, FOREIGN, SCORE, TURN, ask, extraction

from harness.gateway.calls import Request
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.requests.schemas import wanted_schema

MODEL = RehearsalProvider(7)


def answers(request: Request, number: int = 40) -> list[Any]:
    """``number`` samples, parsed where the request asks for JSON."""
    texts = [MODEL.answer(request, trial="t", occurrence=each).text for each in range(number)]
    return [json.loads(text) for text in texts] if request.response_format else texts


def persona(name: str, *heard: str, form: Any = TURN) -> Request:
    return ask(f"You are {name}. You like plain talk.", *heard, response_format=form)


def test_a_sample_depends_on_seed_trial_request_and_occurrence_alone() -> None:
    one = MODEL.answer(ask("x"), trial="t", occurrence=0)
    assert one == RehearsalProvider(7).answer(ask("x"), trial="t", occurrence=0)
    others = [
        RehearsalProvider(8).answer(ask("x"), trial="t", occurrence=0),
        MODEL.answer(ask("x"), trial="u", occurrence=0),
        MODEL.answer(ask("x "), trial="t", occurrence=0),
        MODEL.answer(ask("x", temperature=0.1), trial="t", occurrence=0),
        MODEL.answer(ask("x"), trial="t", occurrence=1),
    ]
    assert len({one.text, *(other.text for other in others)}) == 6


def test_the_hash_seed_of_the_process_is_no_matter() -> None:
    program = (
        "import sys; sys.path[:0] = ['tests', '.']\n"
        "from support.requests import *; from harness.gateway.rehearsal.provider import RehearsalProvider\n"
        "for request in [*FOREIGN.values(), ask('x', response_format=TURN)]:\n"
        "    print(RehearsalProvider(7).answer(request, trial='t', occurrence=0).text)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=str(pytest.importorskip("pathlib").Path(__file__).parents[2]),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(said) == 1 and len(said.pop()) > 1000


def test_turns_are_a_thought_a_remark_or_both() -> None:
    seen = set()
    for turn in answers(persona("Ann Lee", "hello"), 300):
        seen.add(tuple(action["type"] for action in turn["actions"]))
        assert all(action["content"] for action in turn["actions"])
    assert seen == {("THINK",), ("TALK",), ("THINK", "TALK")}


@pytest.mark.parametrize("form", [TURN, COGNITIVE], ids=["embedded", "tinytroupe"])
def test_no_two_personas_speak_alike(form: Any) -> None:
    names = [f"Person {chr(65 + number)}" for number in range(20)]
    said = [
        action["content"]
        for name in names
        for turn in answers(persona(name, "Please brainstorm a product.", form=form), 10)
        for action in turn["actions"]
        if action["content"]
    ]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("Let us introduce ourselves.", "Dr. Zoë O'Hara"),
        ("Now brainstorm new products.", "Idea name: '"),
        ("Debate this bill.", ", because "),
        ("Please consolidate the ideas.", "'"),
    ],
)
def test_what_was_asked_last_is_answered(heard: str, expected: str) -> None:
    request = persona("Dr. Zoë O'Hara", "Introduce, brainstorm, debate, consolidate.", heard)
    talks = [a["content"] for turn in answers(request) for a in turn["actions"] if a["type"] == "TALK"]
    assert talks and all(expected in talk for talk in talks)


def test_debaters_take_both_sides() -> None:
    text = json.dumps(answers(persona("Ann", "A debate.")))
    assert "a good idea" in text and "a bad idea" in text


def test_a_name_is_found_in_tinytroupe_s_escaped_json() -> None:
    request = ask(
        'persona: {\\"name\\": \\"Lisa Carter\\"}', "introduce yourselves", response_format=COGNITIVE
    )
    assert "Lisa Carter" in json.dumps(answers(request, 1))


@pytest.mark.parametrize(
    "request_", [ask("x", response_format=SCORE), FOREIGN["score_person"]], ids=["ours", "theirs"]
)
def test_scores_are_whole_numbers_with_spread(request_: Request) -> None:
    values = [answer["value"] for answer in answers(request_, 2000)]
    assert set(values) == set(range(10)) and all(type(value) is int for value in values)
    assert 5.8 < sum(values) / 2000 < 6.2
    assert 0.21 < sum(value < 5 for value in values) / 2000 < 0.29


@pytest.mark.parametrize(
    "request_", [ask("x", response_format=CHECK), FOREIGN["intervention_check"]], ids=["ours", "theirs"]
)
def test_checks_are_true_and_false(request_: Request) -> None:
    assert {answer["value"] for answer in answers(request_)} == {True, False}
    assert all(type(answer["value"]) is bool for answer in answers(request_))


def test_extraction_has_two_to_nine_distinct_items() -> None:
    request = ask("x", response_format=extraction("ideas", "name", "description", "problem"))
    for answer in answers(request):
        assert list(answer) == ["ideas"] and 2 <= len(answer["ideas"]) <= 9
        assert all(list(item) == ["name", "description", "problem"] for item in answer["ideas"])
        assert len({item["name"] for item in answer["ideas"]}) == len(answer["ideas"])


def test_extraction_by_prompt_alone_takes_root_and_fields_from_the_prompt() -> None:
    answer = json.loads(answers(FOREIGN["extract"], 1)[0])
    assert list(answer) == ["opinions"] and 2 <= len(answer["opinions"]) <= 9
    assert all(list(item) == ["opinion", "pros", "cons"] for item in answer["opinions"])


def test_consolidated_memories_are_as_tinytroupe_wants_them() -> None:
    memories = answers(FOREIGN["consolidate"], 1)[0]["consolidation"]
    assert {memory["type"] for memory in memories} == {"consolidated"}
    assert {memory["simulation_timestamp"] for memory in memories} == {"2025-06-02T10:00:00"}


@pytest.mark.parametrize("kind", ["combine", "minibio", "other"])
def test_free_text_is_text(kind: str) -> None:
    text = answers(FOREIGN[kind], 1)[0]
    assert len(text) > 40 and text[0] not in "[{"


@pytest.mark.parametrize("kind", FOREIGN)
def test_every_kind_of_tinytroupe_gets_a_valid_reply(kind: str) -> None:
    schema = wanted_schema(FOREIGN[kind].response_format)
    for answer in answers(FOREIGN[kind]):
        assert answer
        if schema is not None:
            Draft202012Validator(schema).validate(answer)


def test_a_known_name_with_another_schema_is_answered_by_the_schema() -> None:
    for schema in (
        {"type": "array", "items": {"type": "integer"}},
        {"properties": {"value": {"const": "x"}}, "required": ["value"], "type": "object"},
    ):
        form = {"type": "json_schema", "json_schema": {"name": "score", "schema": schema}}
        for answer in answers(ask("x", response_format=form)):
            Draft202012Validator(schema).validate(answer)


def test_a_tool_that_is_required_is_called_with_valid_arguments() -> None:
    parameters = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tools = [{"type": "function", "function": {"name": "look", "parameters": parameters}}]
    for choice in ("required", {"type": "function", "function": {"name": "look"}}):
        reply = MODEL.answer(ask("x", extra={"tools": tools, "tool_choice": choice}), trial="t", occurrence=0)
        assert reply.finish_reason == "tool_calls" and reply.text == ""
        Draft202012Validator(parameters).validate(json.loads(reply.tool_calls[0]["function"]["arguments"]))
    free = [MODEL.answer(ask("x", extra={"tools": tools}), trial="t", occurrence=n) for n in range(50)]
    assert 20 < sum(bool(reply.tool_calls) for reply in free) < 40
    assert all(bool(reply.tool_calls) != bool(reply.text) for reply in free)
    never = ask("x", extra={"tools": tools, "tool_choice": "none"})
    assert not any(MODEL.answer(never, trial="t", occurrence=n).tool_calls for n in range(50))


def test_tokens_are_a_quarter_of_the_characters() -> None:
    reply = MODEL.answer(ask("a" * 9, "b" * 4), trial="t", occurrence=0)
    assert (reply.tokens_in, reply.tokens_out) == (4, math.ceil(len(reply.text) / 4))
    assert reply.model == "rehearsal-1"


def test_embeddings_are_unit_vectors_from_the_text() -> None:
    one, again, other = asyncio.run(MODEL.embed(["a", "a", "b"], "any"))
    assert one == again != other and len(one) == 1536
    assert math.fsum(number * number for number in one) == pytest.approx(1)


def test_latency_is_slept_once_per_call() -> None:
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    slow = RehearsalProvider(1, latency=0.05, sleep=sleep)
    asyncio.run(slow.complete(ask("x"), trial="t", occurrence=0))
    asyncio.run(slow.embed(["x", "y"], "e"))
    assert naps == [0.05, 0.05]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Your turn. Answer with one word: JADE or RUST", {"JADE", "RUST"}),
        ("Your turn.\nAnswer with one word: yes, no, or maybe.", {"yes", "no", "maybe"}),
        ("Please answer with one word: half-time or on", {"half-time", "on"}),
    ],
)
def test_who_asks_for_one_of_the_words_gets_one_of_them(asked: str, words: set[str]) -> None:
    assert set(answers(ask("Rules.", asked))) == words


@pytest.mark.parametrize(
    "asked", ["Answer with one word: A or B, and say why.", "Answer with one word.", "Say A or B"]
)
def test_any_other_question_gets_sentences(asked: str) -> None:
    assert all(len(text.split()) > 20 for text in answers(ask("Answer with one word: A or B", asked)))
