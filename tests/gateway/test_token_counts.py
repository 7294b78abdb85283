"""Usage that does not add up is read as dearly as it can be meant: tables and an invariant."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.requests import ask

from harness.gateway.budget import COMPLETION_BOUND, prompt_bound
from harness.gateway.calls import Request
from harness.gateway.replies.token_counts import LONGEST_KEPT, MOST, anthropic_usage, counted, openai_usage

REQUEST = ask("be brief", "hello", max_tokens=1000)
WORST_IN, WORST_OUT = prompt_bound(REQUEST), 1000


def read(usage: Any, request: Request = REQUEST, *, words: bool = True) -> dict[str, Any]:
    return counted(usage, openai_usage(usage), request, says_something=words)


def openai(prompt: Any = 100, completion: Any = 20, total: Any = None, **details: Any) -> dict[str, Any]:
    """``cached`` and ``written`` of the prompt, ``reasoning`` of the completion; ``None`` is not stated."""
    stated: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "prompt_tokens_details": {
            "cached_tokens": details.get("cached"),
            "cache_write_tokens": details.get("written"),
        },
        "completion_tokens_details": {"reasoning_tokens": details.get("reasoning")},
    }
    return {name: value for name, value in stated.items() if value is not None}


@pytest.mark.parametrize(
    "usage",
    [
        openai(),
        openai(total=120),
        openai(total=120, cached=60, written=40, reasoning=20),
        openai(100.0, 20.0, 120.0),
        {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120},
        openai() | {"prompt_tokens_details": None, "completion_tokens_details": None, "cost": 0.1},
    ],
)
def test_usage_that_adds_up_is_taken_as_it_is(usage: dict[str, Any]) -> None:
    found = read(usage)
    assert (found["tokens_in"], found["tokens_out"], found["usage_fault"]) == (100, 20, "")


@pytest.mark.parametrize(
    ("usage", "tokens", "fault"),
    [
        (openai(total=600), (100, 500), "the total is not the sum"),
        (openai(total=600, reasoning=480), (100, 500), "reasoning beside the completion"),
        (openai(reasoning=480), (100, 500), "reasoning beside the completion"),
        (openai(total=110), (100, 20), "the total is not the sum"),
        (openai(cached=500), (600, 20), "the cache beyond the prompt"),
        (openai(10, 20, 130, cached=100), (110, 20), "the cache beyond the prompt"),
        (openai(completion=None), (100, WORST_OUT), "completion tokens missing"),
        (openai(completion=None, total=150), (100, 50), "completion tokens missing"),
        (openai(prompt=None), (WORST_IN, 20), "prompt tokens missing"),
        (openai(prompt=None, total=150), (130, 20), "prompt tokens missing"),
        (openai(prompt=0), (WORST_IN, 20), "no prompt tokens"),
        (openai(completion=0), (100, WORST_OUT), "no completion tokens for a reply with words"),
        (openai(None, None, 150), (150, 150), "nothing but the total is stated"),
        (openai(-100), (WORST_IN, 20), "prompt tokens negative"),
        (openai(completion=-1), (100, WORST_OUT), "completion tokens negative"),
        (openai(10**30), (WORST_IN, 20), "prompt tokens beyond belief"),
        (openai(MOST + WORST_IN + 1), (WORST_IN, 20), "prompt tokens beyond belief"),
        (openai(MOST + WORST_IN), (MOST + WORST_IN, 20), ""),
        (openai(completion=MOST + 1001), (100, WORST_OUT), "completion tokens beyond belief"),
        (openai(completion=1e300), (100, WORST_OUT), "completion tokens beyond belief"),
        (openai(completion=math.inf), (100, WORST_OUT), "completion tokens beyond belief"),
        (openai(total=10**18), (100, 20), "total tokens beyond belief"),
        (openai("100", " 20 "), (100, 20), "prompt tokens as a text; completion tokens as a text"),
        (openai("many"), (WORST_IN, 20), "prompt tokens as a text"),
        (openai(True), (WORST_IN, 20), "prompt tokens of type bool"),
        (openai([100]), (WORST_IN, 20), "prompt tokens of type list"),
        (openai(100.4, 20), (101, 20), "prompt tokens not whole"),
        (openai(cached=-5), (100, 20), "cached tokens negative"),
        (openai(cached="60"), (100, 20), "cached tokens as a text"),
    ],
)
def test_what_does_not_add_up_is_read_dearly_and_said(
    usage: dict[str, Any], tokens: tuple[int, int], fault: str
) -> None:
    found = read(usage)
    assert (found["tokens_in"], found["tokens_out"]) == tokens
    assert fault in found["usage_fault"]


def test_no_discount_is_taken_for_a_cache_that_cannot_be() -> None:
    assert read(openai(cached=500))["tokens_cached"] == 0
    assert read(openai(cached=500, written=30))["tokens_written"] == 30
    assert read(openai(cached=60))["tokens_cached"] == 60
    assert read(openai(cached=True))["tokens_cached"] == 0


@pytest.mark.parametrize("usage", ["100 tokens", [100, 20], 7, True, {"tokens": 3}, {"prompt_tokens": "?"}])
def test_what_cannot_be_read_leaves_the_tokens_unknown(usage: Any) -> None:
    found = read(usage)
    assert (found["tokens_in"], found["tokens_out"]) == (0, 0), "the budget then counts the worst case"
    assert found["usage"], "as it was stated"


def test_no_usage_at_all_is_no_fault() -> None:
    assert read(None) == {}
    assert read({})["usage_fault"] == ""


def test_an_empty_reply_may_have_no_completion_tokens() -> None:
    assert read(openai(completion=0), words=False)["usage_fault"] == ""


def test_a_request_without_a_limit_has_the_budget_s_worst_case() -> None:
    assert read(openai(completion=None), ask("x"))["tokens_out"] == COMPLETION_BOUND


def test_texts_to_embed_have_no_completion() -> None:
    texts = Request((), extra={"input": ["a"]})
    found = read({"prompt_tokens": 3, "total_tokens": 3}, texts, words=False)
    assert (found["tokens_in"], found["tokens_out"], found["usage_fault"]) == (3, 0, "")


@pytest.mark.parametrize(
    ("usage", "tokens", "fault"),
    [
        ({"input_tokens": 7, "output_tokens": 3}, (7, 3, 0, 0), ""),
        (
            {"input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
            (127, 3, 100, 20),
            "",
        ),
        ({"input_tokens": 0, "output_tokens": 3, "cache_read_input_tokens": 100}, (100, 3, 100, 0), ""),
        (
            {"input_tokens": 7, "output_tokens": 3, "cache_creation": {"ephemeral_5m_input_tokens": 20, "x": None}},
            (27, 3, 0, 20),
            "",
        ),
        ({"output_tokens": 3}, (WORST_IN, 3, 0, 0), "prompt tokens missing"),
        ({"input_tokens": 7, "output_tokens": -3}, (7, WORST_OUT, 0, 0), "completion tokens negative"),
        (
            {"input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": "9"},
            (16, 3, 9, 0),
            "cached tokens as a text",
        ),
    ],
)  # fmt: skip
def test_anthropic_counts_the_cache_beside_the_prompt(
    usage: dict[str, Any], tokens: tuple[int, ...], fault: str
) -> None:
    found = counted(usage, anthropic_usage(usage), REQUEST, says_something=True)
    names = ("tokens_in", "tokens_out", "tokens_cached", "tokens_written")
    assert tuple(found[name] for name in names) == tokens and found["usage_fault"] == fault


ODD = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.integers(0, 500)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.integers(0, 500).map(str)
    | st.lists(st.integers(), max_size=2)
)
DETAILS = st.fixed_dictionaries({}, optional={"cached": ODD, "written": ODD, "reasoning": ODD})


@given(prompt=ODD, completion=ODD, total=ODD, details=DETAILS)
def test_no_reading_is_cheaper_than_a_part_that_can_be_true(
    prompt: Any, completion: Any, total: Any, details: dict[str, Any]
) -> None:
    found = read(openai(prompt, completion, total, **details))
    taken_in, taken_out = found["tokens_in"], found["tokens_out"]
    assert 0 <= taken_in <= 5 * MOST and 0 <= taken_out <= 5 * MOST
    assert 0 <= found["tokens_cached"] + found["tokens_written"] <= taken_in
    assert len(found["usage"]) <= LONGEST_KEPT
    possible = [
        value if type(value) is int and 0 <= value <= MOST else 0 for value in (prompt, completion, total)
    ]
    assert taken_in >= possible[0] and taken_out >= possible[1] and taken_in + taken_out >= possible[2]
    if taken_out > possible[1] and type(completion) is int:
        assert found["usage_fault"]
