"""Which model answers: by the name in the request, the role of the call, and the arm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from support.requests import ask

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.budget import Budget
from harness.gateway.calls import CallSite, Provider, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.prices import Price
from harness.gateway.providers import is_spec
from harness.gateway.requests.model_options import FIXED_MODEL, CallOptions
from harness.plugin.factories import NamedModels
from harness.runtime.settings import Settings

SITE = CallSite("act")


class Model:
    def __init__(self, spec: str) -> None:
        self.name, _, self.model = spec.partition(":")
        self.asked: list[str] = []

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked.append(request.model)
        return Reply(f"{request.model} by {self.name}", model=request.model)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        self.asked.append(model)
        return [[1.0] for _ in texts]

    async def aclose(self) -> None: ...


class Maker:
    """Makes and remembers models; ``is_spec`` is the real one."""

    def __init__(self) -> None:
        self.made: list[Model] = []

    def named(self, spec: str) -> Model:
        self.made.append(Model(spec))
        return self.made[-1]

    def beside(self, provider: Provider, model: str) -> Model:
        return self.named(f"{provider.name}:{model}")

    def is_spec(self, name: str) -> bool:
        return is_spec(name)


def answers(
    *names: str, arm: str | None = None, kind: str = "act", role: str = "", options: CallOptions | None = None
) -> list[str]:
    gateway = Gateway(Model("openai:s"), roles={"judge": Model("anthropic:j")}, maker=Maker())
    client = gateway.open_trial("t", options=options, model=arm)

    async def main() -> list[str]:
        site = CallSite(kind, role=role)
        return [(await client.complete(ask("x", model=name), site)).text for name in names]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "arm", "answered"),
    [
        ("", None, "s by openai"),
        ("default", None, "s by openai"),
        ("s", None, "s by openai"),
        ("openai:s", None, "s by openai"),
        ("other", None, "other by openai"),
        ("openai:other", None, "other by openai"),
        ("anthropic:c", None, "c by anthropic"),
        ("", "openrouter:a/b", "a/b by openrouter"),
        ("other", "openrouter:a/b", "other by openrouter"),
        ("openai:s", "openrouter:a/b", "s by openai"),
    ],
)
def test_the_named_model_answers_else_the_arm_s_else_the_session_s(
    name: str, arm: str | None, answered: str
) -> None:
    assert answers(name, arm=arm) == [answered]


def test_a_program_with_model_names_of_its_own_gets_the_arm_s_model() -> None:
    fixed = CallOptions(replaced=FIXED_MODEL)
    assert answers("gpt-4.1-mini", "nonsense:x", options=fixed) == ["s by openai"] * 2


def test_a_name_goes_before_the_role() -> None:
    assert answers("", "other", "openai:o", kind="score_person") == [
        "j by anthropic", "other by anthropic", "o by openai",
    ]  # fmt: skip


def test_each_model_is_made_once() -> None:
    maker = Maker()
    client = Gateway(Model("openai:s"), maker=maker).open_trial("t")

    async def main() -> None:
        for name in ("other", "openai:o", "other", "openai:o"):
            await client.complete(ask("x", model=name), SITE)

    asyncio.run(main())
    assert [one.model for one in maker.made] == ["other", "o"]


def test_an_unknown_provider_is_refused_with_a_way_out_and_ends_the_session() -> None:
    with pytest.raises(ModelCallError, match=r"unknown provider 'opnai'.*Did you mean 'openai'") as refused:
        answers("opnai:gpt-4o")
    assert refused.value.fatal and "openai:opnai:gpt-4o" in str(refused.value)


def test_equal_requests_to_two_models_are_two_questions_and_replayed_apart(tmp_path: Path) -> None:
    names = ["", "other", "anthropic:other"]

    def session() -> tuple[list[str], int]:
        player, maker = Model("openai:s"), Maker()
        gateway = Gateway(player, maker=maker, journal=Journal(tmp_path))

        async def main() -> list[str]:
            client = gateway.open_trial("t", "run")
            # The other way round on resuming: a reply may not be taken for another model's.
            order = names if not (tmp_path / "seen").exists() else names[::-1]
            found = {name: (await client.complete(ask("x", model=name), SITE)).text for name in order}
            await gateway.aclose()
            return [found[name] for name in names]

        texts = asyncio.run(main())
        asked = [one.asked for one in maker.made] + [player.asked]
        return texts, sum(map(len, asked))

    first = session()
    (tmp_path / "seen").touch()
    again = session()
    assert first[0] == ["s by openai", "other by openai", "other by anthropic"]
    assert again[0] == first[0] and (first[1], again[1]) == (3, 0)


def test_embeddings_are_the_session_s_provider_s_unless_another_is_named() -> None:
    player, maker = Model("openai:s"), Maker()
    client = Gateway(player, maker=maker).open_trial("t", model="anthropic:c")

    async def main() -> None:
        for name in ("small", "nomic-embed:latest", "openrouter:big"):
            await client.embed(["x"], name)

    asyncio.run(main())
    assert player.asked == ["small", "nomic-embed:latest"]
    assert [one.asked for one in maker.made if one.name == "openrouter"] == [["big"]]


def test_a_model_named_under_a_budget_in_dollars_needs_a_price_unless_it_is_free() -> None:
    budget = Budget(max_cost=1.0, price=lambda request: Price(1.0, 1.0) if request.model == "s" else None)
    client = Gateway(Model("openai:s"), maker=Maker(), budget=budget).open_trial("t")

    async def main(name: str) -> str:
        return (await client.complete(ask("x", model=name), SITE)).text

    assert [asyncio.run(main(name)) for name in ("s", "local:tiny")] == ["s by openai", "tiny by local"]
    for name in ("other", "openai:other"):
        with pytest.raises(ModelCallError, match="No price is known for the model 'other'") as refused:
            asyncio.run(main(name))
        assert refused.value.fatal


def test_a_rehearsal_stands_in_for_every_model_and_a_real_session_takes_no_rehearsed_one() -> None:
    rehearsed = NamedModels(Settings(), Model("rehearsal:r"))
    assert (rehearsed.named("openai:gpt-4o").name, rehearsed.named("openai:gpt-4o").model) == (
        "rehearsal", "openai:gpt-4o",
    )  # fmt: skip
    assert rehearsed.beside(Model("rehearsal:r"), "gpt-4o").model == "gpt-4o"
    with pytest.raises(ConfigurationError, match="unknown provider 'opnai'"):
        rehearsed.named("opnai:x")
    real = NamedModels(replace(Settings(), model="openai:s"), Model("openai:s"))
    with pytest.raises(ConfigurationError, match="answers offline"):
        real.named("rehearsal")


def test_a_call_says_its_role_over_http_too_and_a_misspelt_one_is_refused() -> None:
    async def main() -> tuple[list[str], dict[str, int], str]:
        gateway = Gateway(Model("openai:s"), roles={"judge": Model("anthropic:j")}, maker=Maker())
        client = gateway.open_trial("t")
        messages: Any = [{"role": "user", "content": "x"}]
        texts = []
        try:
            for role, name in (("", ""), ("judge", ""), ("judge", "other")):
                async with client.openai(role=role, kind="grade" if role else "") as sdk:
                    answer = await sdk.chat.completions.create(model=name, messages=messages)
                    texts.append(str(answer.choices[0].message.content))
            async with client.openai(role="juge") as sdk:
                with pytest.raises(openai.BadRequestError) as refused:
                    await sdk.chat.completions.create(model="", messages=messages)
        finally:
            await gateway.aclose()
        return texts, dict(client.usage().calls), str(refused.value)

    texts, calls, said = asyncio.run(main())
    assert texts == ["s by openai", "j by anthropic", "other by anthropic"]
    assert calls == {"other": 1, "grade": 2}
    assert "unknown role 'juge'" in said and "Did you mean 'judge'?" in said
