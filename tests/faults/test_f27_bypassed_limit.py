"""F27: no call reaches the provider past the limits: not a retry, not an embedding, not one by HTTP."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.requests import SCORE, ask

import harness
from harness.errors import ModelCallError
from harness.gateway.budget import Budget, Reservation
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.limits import Limits, Permit
from harness.gateway.retry import RetryPolicy
from tests.support.lazy_modules import LazyModule

openai = LazyModule("openai")

GOOD = '{"reasoning": "r", "justification": "j", "value": 7}'
SITE = CallSite("score")


class Counting(Limits):
    """Counts the permits given and those not settled."""

    def __init__(self) -> None:
        super().__init__(rpm=10_000, tpm=10**8)
        self.given, self.open = 0, 0

    def of(self, provider: str) -> Limits:
        return self

    def narrowed(self, rpm: int | None = None, tpm: int | None = None) -> Limits:
        return self

    async def acquire(self, tokens: int) -> Permit:
        permit = await super().acquire(tokens)
        self.given, self.open = self.given + 1, self.open + 1
        return permit

    def settle(self, permit: Permit, used: int) -> None:
        super().settle(permit, used)
        self.open -= 1


class CountingBudget(Budget):
    def __init__(self) -> None:
        super().__init__(max_calls=10_000)
        self.given = 0

    async def reserve(self, request: Request) -> Reservation:
        self.given += 1
        return await super().reserve(request)


class Watching:
    """A provider that counts its calls and holds each against the permits given; fails every third."""

    name, model = "watching", "watching-1"

    def __init__(self, limits: Counting, budget: CountingBudget) -> None:
        self.limits, self.budget, self.calls = limits, budget, 0

    def seen(self) -> None:
        self.calls += 1
        assert self.limits.given == self.budget.given == self.calls, "a call passed without a permit"
        assert self.limits.open >= 1
        if self.calls % 3 == 0:
            raise ModelCallError("busy", retry_after=0.001)

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.seen()
        good = self.calls % 2 or request.response_format is None
        return Reply(GOOD if good else "no JSON", model=self.model, tokens_in=5, tokens_out=5)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        self.seen()
        return [[1.0] for _ in texts]

    async def aclose(self) -> None:
        pass


def test_every_way_to_the_provider_asks_for_a_permit_each_time() -> None:
    async def main() -> None:
        limits, budget = Counting(), CountingBudget()
        provider = Watching(limits, budget)
        retry = RetryPolicy(first=0.001, longest=0.001)
        gateway = Gateway(provider, concurrency=1, limits=limits, budget=budget, retry=retry)
        await gateway._attempts.greet(provider)
        assert provider.calls == 1, "the short call to the model of a role"
        await gateway.start_server()
        client = gateway.open_trial("t")
        foreign = openai.AsyncOpenAI(api_key=client.token, base_url=client.base_url, max_retries=0)
        try:
            for number in range(4):
                before = provider.calls
                await client.complete(ask(f"in process {number}", response_format=SCORE), SITE)
                await client.embed([f"text {number}"], "e")
                await foreign.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"by HTTP {number}"}]
                )
                await foreign.embeddings.create(model="e", input=[f"by HTTP {number}"])
                assert provider.calls >= before + 4
        finally:
            await gateway.aclose()
        assert limits.given == budget.given == provider.calls == gateway.calls > 20  # retries as well
        assert limits.open == 0 and budget.held.calls == 0 and budget.spent.calls == provider.calls

    asyncio.run(main())


def test_the_gateway_alone_calls_a_provider() -> None:
    """The source has no other place that could: a `complete` or `embed` of a provider is called in the gateway."""
    package = Path(harness.__file__).parent
    callers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("complete", "embed")
        and "provider" in ast.unparse(node.func.value)
    }
    assert callers == {"gateway/call_preparation.py", "gateway/attempts.py"}


def test_a_halted_gateway_gives_no_permit_either() -> None:
    async def main() -> None:
        limits, budget = Counting(), CountingBudget()
        gateway = Gateway(Watching(limits, budget), limits=limits, budget=budget)
        client = gateway.open_trial("t")
        gateway.halt()
        with pytest.raises(ModelCallError, match="stopped"):
            await client.embed(["x"], "e")
        assert limits.given == budget.given == 0

    asyncio.run(main())
