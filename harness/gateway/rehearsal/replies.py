"""What the rehearsal model says, by kind of request: turns, scores, checks, extractions and plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from harness.gateway.calls import Request
from harness.gateway.rehearsal import phrases
from harness.gateway.requests.call_kinds import classify, texts_of, wants_boolean

SCORE_WEIGHTS = (1, 2, 4, 7, 11, 12, 15, 19, 18, 11)
"""Frequencies per hundred of a judge's scores 0 to 9: mean 6.0, a quarter below 5."""

_NAME = re.compile(
    r"""name\\*["']\s*:\s*\\*["']([^"'\\\n]{1,80})"""
    r"""|(?:You are|[Nn]ame is|Name:)\s+([A-ZÀ-Þ][\w.'’-]*(?: [A-ZÀ-Þ][\w.'’-]*){0,4})"""
)
_FIELDS = re.compile(r"be the following:\s*([\w ,]{1,500})")
_ROOT = re.compile(r"field `(\w{1,80})`: [^\n]{0,80}root")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
_ONE_WORD = re.compile(
    r"[Aa]nswer with one (?:word|letter|number): ((?:[\w-]{1,40}, ){0,20}[\w-]{1,40},? or [\w-]{1,40})[.]?\s*\Z"
)
_TOPICS = {"introduc": "introduction", "brainstorm": "idea", "debat": "debate", "consolidat": "summary"}


def actions(request: Request, rng: Random) -> dict[str, list[dict[str, str]]]:
    """One to three actions that end in DONE."""
    texts = list(texts_of(request.messages))
    name, topic = persona_name(texts), _topic(texts)
    said = _speech(topic, name, rng)
    done = [_action("TALK", said), _action("DONE", "")]
    if rng.random() < 0.6:
        done.insert(0, _action("THINK", f"{name or 'I'}, to myself: {phrases.sentence(rng)}"))
    elif rng.random() < 0.1:
        done = done[-1:]
    return {"actions": done}


def message(request: Request, rng: Random) -> dict[str, Any]:
    """One message of a simulated user; from the second on, the last one in one of five."""
    begun = any(one.get("role") == "assistant" for one in request.messages)
    name = persona_name(list(texts_of(request.messages)))
    return {
        "message": f"{phrases.opener(name, rng)} {phrases.sentence(rng)}",
        "done": begun and rng.random() < 0.2,
    }


def person_turn(request: Request, rng: Random) -> dict[str, list[dict[str, str]]]:
    """`actions` of the embedded engine's schema: without DONE, and one at least."""
    done = [action for action in actions(request, rng)["actions"] if action["type"] != "DONE"]
    return {"actions": done or [_action("THINK", phrases.sentence(rng))]}


def turn(request: Request, rng: Random) -> dict[str, Any]:
    """`actions`, with the state of mind that TinyTroupe's schemas have beside them."""
    acted = actions(request, rng)
    state = {
        "goals": f"Be heard on this: {phrases.sentence(rng)}",
        "context": [phrases.sentence(rng)],
        "attention": phrases.sentence(rng),
        "emotions": rng.choice(["calm", "curious", "impatient", "hopeful", "wary"]),
    }
    return {
        **acted,
        "action": acted["actions"][0],
        "cognitive_state": state,
        "reasoning": phrases.sentence(rng),
    }


def _action(kind: str, content: str) -> dict[str, str]:
    return {"type": kind, "content": content, "target": ""}


def _topic(texts: Sequence[str]) -> str:
    """The last request in the prompt."""
    for text in map(str.lower, reversed(texts)):
        latest, topic = max((text.rfind(mark), topic) for mark, topic in _TOPICS.items())
        if latest >= 0:
            return topic
    return "talk"


def _speech(topic: str, name: str, rng: Random) -> str:
    start, more = phrases.opener(name, rng), phrases.sentence(rng)
    if topic == "introduction":
        return f"I am {name or 'new here'}. {start} {more}"
    if topic == "idea":
        name = phrases.idea_name(rng.randrange(phrases.IDEAS))
        return f"{start} here is one. Idea name: '{name}'. {more}"
    if topic == "debate":
        favour = rng.random() < 0.5
        side = "a good idea" if favour else "a bad idea"
        return f"{start} this is {side}, because {phrases.argument(rng, favour=favour)}. {more}"
    if topic == "summary":
        numbers = rng.sample(range(phrases.IDEAS), 3)
        ideas = (f"'{phrases.idea_name(each)}': {phrases.sentence(rng)}" for each in numbers)
        return f"{start} we have {' '.join(ideas)}"
    return f"{start} {more}"


def persona_name(texts: Sequence[str]) -> str:
    """The first name given in the prompt, as JSON or as a sentence; empty when there is none."""
    found = next((found for found in map(_NAME.search, texts) if found), None)
    return (found[1] or found[2]).strip(" .") if found else ""


def score(request: Request, rng: Random) -> dict[str, Any]:
    """A whole number 0 to 9, or a boolean where that is what the request asks for, with reasons."""
    value: int | bool = rng.choices(range(10), SCORE_WEIGHTS)[0]
    return _judged(value > 5 if wants_boolean(request) else value, rng)


def check(request: Request, rng: Random) -> dict[str, Any]:  # noqa: ARG001
    """A boolean, true in two of five, with reasons."""
    return _judged(rng.random() < 0.4, rng)


def _judged(value: int | bool, rng: Random) -> dict[str, Any]:
    return {
        "reasoning": f"A rehearsal, not a judgement: {phrases.sentence(rng)}",
        "justification": f"A rehearsal, not a judgement: {phrases.sentence(rng)}",
        "value": value,
        "confidence": round(rng.uniform(0.5, 0.95), 2),
    }


def preference(request: Request, rng: Random) -> dict[str, Any]:  # noqa: ARG001
    """A, B or tie, one in five a tie, with a reason."""
    preferred = rng.choices(["A", "B", "tie"], [2, 2, 1])[0]
    return {"reason": f"A rehearsal, not a judgement: {phrases.sentence(rng)}", "preferred": preferred}


def reaction(request: Request, rng: Random) -> dict[str, Any]:  # noqa: ARG001
    """A person's reaction to news, long enough to be unique, because its classifier gets nothing else."""
    return {
        "reasoning": " ".join(phrases.capitalised(phrases.sentence(rng)) for _ in range(3)),
        "public_statement": phrases.capitalised(phrases.sentence(rng)),
        "reasoning_summary": phrases.capitalised(phrases.sentence(rng)),
        "sentiment": round(rng.uniform(-1, 1), 2),
        "conviction": rng.randint(0, 100),
        "will_share": rng.random() < 0.5,
    }


def extraction(root: str, fields: Sequence[str], rng: Random) -> dict[str, Any]:
    """Two to nine distinct items under ``root``."""
    numbers = rng.sample(range(phrases.IDEAS), rng.randint(2, 9))
    return {root: [_item(fields, number, rng) for number in numbers]}


def _item(fields: Sequence[str], number: int, rng: Random) -> dict[str, str]:
    name = phrases.idea_name(number)
    item = {field: phrases.sentence(rng) for field in fields}
    return item | {field: f"{name}: {item[field]}" if at else name for at, field in enumerate(fields[:1])}


def extraction_from_schema(schema: Mapping[str, Any], rng: Random) -> dict[str, Any]:
    """`extraction` with the root and the fields that a schema names; empty when it names none."""
    for root, part in schema.get("properties", {}).items():
        fields = part.get("items", {}).get("properties", {}) if isinstance(part, dict) else {}
        if fields:
            return extraction(root, list(fields), rng)
    return {}


def extraction_from_prompt(request: Request, rng: Random) -> dict[str, Any]:
    """`extraction` with the root and the fields that the prompt names."""
    text = next(iter(texts_of(request.messages)), "")
    fields, root = _FIELDS.search(text), _ROOT.search(text)
    names = (
        [name.strip() for name in fields[1].split(",") if name.strip()] if fields else ["name", "description"]
    )
    return extraction(root[1] if root else "results", names, rng)


def words_to_choose_from(request: Request) -> Sequence[str]:
    """What a prompt allows that ends ``Answer with one word: X, Y or Z``; nothing for any other.

    It may also say ``letter`` or ``number``.
    """
    last = next(iter(texts_of(request.messages[-1:])), "")
    found = _ONE_WORD.search(last[-1000:])
    return re.split(r",? or |, ", found[1]) if found else ()


def consolidation(request: Request, rng: Random) -> dict[str, Any]:
    """What TinyTroupe's memory asks for."""
    found = next((found for found in map(_TIME.search, texts_of(request.messages)) if found), None)
    memory = {"type": "consolidated", "simulation_timestamp": found[0] if found else ""}
    return {
        "consolidation": [{"content": f"I noted that {phrases.sentence(rng)}", **memory} for _ in range(3)]
    }


def json_object(request: Request, rng: Random) -> dict[str, Any]:
    """An answer where any JSON object will do."""
    if classify(request) == "consolidate":
        return consolidation(request, rng)
    return {"answer": phrases.sentence(rng)}


def plain_text(request: Request, rng: Random) -> str | dict[str, Any]:
    """An answer without a response format: text, one of the named words, or the requested object."""
    if classify(request) == "extract":
        return extraction_from_prompt(request, rng)
    words = words_to_choose_from(request)
    if words:
        return rng.choice(words)
    return " ".join(phrases.capitalised(phrases.sentence(rng)) for _ in range(3))
