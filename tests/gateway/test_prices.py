from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigurationError, UnknownPriceError
from harness.gateway.budget import Budget
from harness.gateway.calls import Reply
from harness.gateway.price_library import _fields, listed_price
from harness.gateway.prices import REHEARSAL, Price, charged, find_prices, load_prices, price_of
from harness.text_files import named_path

library = pytest.mark.skipif(find_spec("genai_prices") is None, reason="the extra prices is not installed")


@library
@pytest.mark.parametrize(
    ("model", "tokens_in", "tokens_out"),
    [
        ("gpt-4o-mini", 0.15, 0.6),
        ("text-embedding-3-small", 0.02, 0),
        ("openai:text-embedding-3-large", 0.13, 0),
        ("openai:gpt-4o-mini", 0.15, 0.6),
        ("gpt-4o-mini-2024-07-18", 0.15, 0.6),
        ("openai:gpt-4o-2024-08-06", 2.5, 10),
        ("gpt-4o-2024-05-13", 5, 15),
        ("openrouter:openai/gpt-4o-mini", 0.15, 0.6),
        ("anthropic:claude-haiku-4-5-20251001", 1, 5),
        ("openrouter:anthropic/claude-sonnet-4.5", 3, 15),
        ("claude-opus-4-5@20251101", 5, 25),
        ("azure:gpt-4o-mini", 0.15, 0.6),
        ("bedrock:amazon.nova-lite-v1:0", 0.06, 0.24),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 1.1, 5.5),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", 1, 5),
        ("vertex:gemini-2.5-flash", 0.3, 2.5),
    ],
)
def test_prices_by_name(model: str, tokens_in: float, tokens_out: float) -> None:
    price = price_of(model)
    assert price is not None and (price.input, price.output) == (tokens_in, tokens_out)


@library
@pytest.mark.parametrize(
    "model",
    [
        "groq:llama-3.3-70b-versatile",
        "llama-3.3-70b-versatile",
        "deepseek:deepseek-chat",
        "gemini:gemini-2.5-flash",
    ],
)
def test_a_model_has_the_price_of_its_only_seller(model: str) -> None:
    price = price_of(model)
    assert price is not None and 0 < price.input < price.output < 100
    assert price.source == f"genai-prices {version('genai-prices')}", "a price says where it is from"


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai:gpt-4o-mini-2024-07-18", "llama-3.3-70b-versatile"])
def test_a_price_of_the_users_own_comes_before_the_librarys(model: str) -> None:
    own = {"gpt-4o-mini": Price(1, 2), "llama-3.3-70b-versatile": Price(1, 2)}
    assert price_of(model, own) == Price(1, 2)


def test_without_the_library_the_price_is_unknown_and_the_reason_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.gateway.price_library.missing", lambda _extra: ("genai_prices",))
    listed_price.cache_clear()
    try:
        assert price_of("gpt-4o-mini") is None
        command = "pip install 'persona-harness[prices]'"
        assert command in str(charged(REPLY, "gpt-4o-mini").cost_reason)
        with pytest.raises(UnknownPriceError, match=re.escape(command)):
            Budget(1.0, price=lambda request: price_of(request.model)).require_price("gpt-4o-mini")
    finally:
        listed_price.cache_clear()


def test_a_price_in_tiers_holds_up_to_the_first_of_them() -> None:
    tiers = SimpleNamespace(base=1.25, tiers=[SimpleNamespace(start=200_000), SimpleNamespace(start=400_000)])
    found = _fields(SimpleNamespace(input_mtok=tiers, output_mtok=10, cache_read_mtok=0.1))
    assert found is not None
    assert Price(**found) == Price(1.25, 10, cached=0.1, up_to=200_000, source=found["source"])
    assert _fields(SimpleNamespace(input_mtok=1)) is None


@pytest.mark.parametrize(
    "model",
    [
        "",
        "gpt-4o-mini-fast",
        "gpt-4o-mini:free",
        "openrouter:openai/gpt-4o-mini:free",
        "ft:gpt-4o-mini",
        "gpt",
        "rehearsal",
        "rehearsal-1",
        "llama3.1:8b",
        "mistral:7b",
    ],
)
def test_what_is_not_listed_has_no_price(model: str) -> None:
    assert price_of(model) is None


def test_what_a_call_costs() -> None:
    price = Price(2, 10, cached=0.5, written=3)
    assert price.cost(1_000_000, 100_000) == pytest.approx(3.0)
    assert price.cost(1_000_000, 0, cached=400_000, written=100_000) == pytest.approx(1.0 + 0.2 + 0.3)
    assert Price(2, 10).cost(1_000_000, 0, cached=500_000, written=500_000) == pytest.approx(2.0)
    assert (price.input_per_million, price.output_per_million) == (3, 10), "a budget reserves the worst"
    assert Price(2, 10).input_per_million == 2


@given(*[st.integers(0, 10**7)] * 4)
def test_a_cost_is_never_negative_and_never_more_than_what_a_budget_reserves(
    tokens_in: int, tokens_out: int, cached: int, written: int
) -> None:
    cached = min(cached, tokens_in)
    written = min(written, tokens_in - cached)
    price = Price(2, 10, cached=0.5, written=2.5)
    worst = (tokens_in * price.input_per_million + tokens_out * price.output_per_million) / 1e6
    assert 0 <= price.cost(tokens_in, tokens_out, cached=cached, written=written) <= worst + 1e-9


REPLY = Reply(
    "x", model="gpt-4o-mini-2024-07-18", tokens_in=1_000_000, tokens_out=1_000_000, tokens_cached=500_000
)


@library
def test_a_reply_is_charged_by_the_model_that_answered() -> None:
    assert charged(REPLY, "gpt-4o").cost == pytest.approx(0.075 + 0.0375 + 0.6)
    assert charged(REPLY, "gpt-4o").cost_reason is None


@library
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": ""}, "the reply does not name the model that answered"),
        ({"model": "gpt-9"}, "no price is known for 'gpt-9'; list it in a file that HARNESS_PRICES names"),
        ({"model": "rehearsal-1"}, REHEARSAL),
        ({"tokens_in": 0, "tokens_out": 0}, "the reply does not say how many tokens were read"),
        (
            {"model": "claude-haiku-5-5"},
            "the price of 'claude-haiku-5-5' is known for requests of up to 100,000 tokens only",
        ),
        ({"cost_reason": "the seller does not say"}, "the seller does not say"),
    ],
)
def test_an_unknown_cost_is_none_with_a_reason_never_zero(change: dict[str, Any], reason: str) -> None:
    reply = charged(replace(REPLY, **change), "openai:gpt-4o-mini")
    assert (reply.cost, reply.cost_reason) == (None, reason)


def test_what_the_provider_states_stands() -> None:
    assert charged(replace(REPLY, cost=0.5), "gpt-4o", {"gpt-4o": Price(1, 1)}).cost == 0.5


def test_the_user_s_price_comes_first_by_either_name() -> None:
    own = {"mine": Price(1, 0)}
    assert charged(replace(REPLY, model="mine"), "gpt-4o", own).cost == 1
    assert charged(replace(REPLY, model="llama-x"), "azure:mine", own).cost == 1, "a deployment's own price"
    assert charged(replace(REPLY, model=""), "mine", own).cost == 1
    assert charged(REPLY, "other", {"gpt-4o-mini": Price(1, 0)}).cost == 1


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_prices_are_read_from_the_file_and_without_one_there_are_none(tmp_path: Path) -> None:
    path = written(
        tmp_path, {"a": {"input": 1, "output": 2, "as_of": "2026-11-01", "source": "the contract"}}
    )
    assert find_prices(path)["a"] == Price(1, 2, as_of="2026-11-01", source="the contract")
    assert find_prices(None) == {}


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "a": {"input": "1", "output": -1, "up_to": 0, "as_of": "May", "source": 3, "price": 4},
            "b": {"output": True, "cached": None},
            "c": [1, 2],
            "d": {"input": 1, "output": 2},
        },
    )
    with pytest.raises(ConfigurationError) as caught:
        load_prices(path)
    assert [problem.removeprefix(f"Prices {path}: ") for problem in caught.value.problems] == [
        "'a': unknown 'price'; expected as_of, cached, input, output, source, up_to, written.",
        "'a': input='1'; expected US dollars per million tokens, 0 or more.",
        "'a': output=-1; expected US dollars per million tokens, 0 or more.",
        "'a': up_to=0; expected a number of tokens.",
        "'a': as_of='May'; expected a date such as 2026-11-01.",
        "'a': source=3; expected a text.",
        "'b': input=None; expected US dollars per million tokens, 0 or more.",
        "'b': output=True; expected US dollars per million tokens, 0 or more.",
        "'b': cached=None; expected US dollars per million tokens, 0 or more.",
        "'c': '[1, 2]'; expected an object with input and output.",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "expected a JSON object of models, each once"),
        ("[]", "expected a JSON object of models"),
        ('{"a": {"input": NaN, "output": 1}}', "NaN is not a valid JSON number"),
        ('{"a": {"input": 1e999, "output": 1}}', "input=inf"),
        ('{"a": {"input": 1, "output": 1}, "a": {"input": 2, "output": 1}}', "the key 'a' occurs twice"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_is_no_price_list(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_prices(written(tmp_path, content))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No such file or directory\); expected a readable file"):
        find_prices(tmp_path / "none.json")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["a", "input", "output", "up_to", "as_of"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_a_price_list_or_an_error_for_people(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        load_prices(path)
    except ConfigurationError as error:
        assert str(path) in str(error)


def test_a_home_folder_of_nobody_is_a_folder_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"~no-such-user-here/prices.json"):
        find_prices(named_path("~no-such-user-here/prices.json"))
