"""F32: a cache key leaves out part of the prompt. Here any change of what reaches the model counts."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.requests import SCORE

from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.requests.identity import identified

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def requests(content: Any, extra: Any) -> Request:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    return Request(
        [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": content}]},
        ],
        response_format=SCORE,
        temperature=0.5,
        max_tokens=100,
        extra={"tools": [tool], "top_p": 0.9, "more": extra},
    )


def altered(value: Any) -> Iterator[Any]:
    """``value`` with one leaf changed, for every leaf."""
    if isinstance(value, dict | list):
        for place in value if isinstance(value, dict) else range(len(value)):
            for other in altered(value[place]):
                changed = copy.deepcopy(value)
                changed[place] = other
                yield changed
    else:
        yield f"{value}!" if isinstance(value, str) else "changed"


def variants(request: Request) -> Iterator[Request]:
    parts = {name: getattr(request, name) for name in ("messages", "response_format", "extra")}
    for name, part in parts.items():
        for other in altered(part):
            yield Request(**{**parts, name: other}, temperature=0.5, max_tokens=100)
    yield Request(**parts, temperature=0.6, max_tokens=100)
    yield Request(**parts, temperature=0.5, max_tokens=101)


def key(request: Request, model: str = "m") -> str:
    return identified(request, model=model)[0].digest


@given(JSON, JSON)
def test_every_leaf_counts(content: Any, extra: Any) -> None:
    request = requests(content, extra)
    others = list(variants(request))
    assert len(others) > 10
    assert key(request) not in {key(other) for other in others}
    assert key(request) != key(request, "another model")
    assert key(request) == key(copy.deepcopy(request))


def test_a_changed_prompt_is_asked_and_not_answered_from_the_journal(tmp_path: Path) -> None:
    class Counting:
        name, model, asked = "counting", "counting-1", 0

        async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
            self.asked += 1
            return Reply("{}", refusal=True)

        async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
            return []

        async def aclose(self) -> None: ...

    provider = Counting()
    free = [
        Request(each.messages, temperature=each.temperature, extra=each.extra)
        for each in (requests("a", "x"), requests("b", "x"), requests("a", "y"))
    ]

    async def session() -> None:
        gateway = Gateway(provider, journal=Journal(tmp_path))
        client = gateway.open_trial("t", "run")
        for request in free:
            await client.complete(request, CallSite("act"))
        await gateway.aclose()

    asyncio.run(session())
    asyncio.run(session())
    assert provider.asked == 3
