from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import ConfigurationError, HarnessError
from harness.gateway import providers
from harness.gateway.calls import Provider
from harness.gateway.providers import make_provider
from harness.gateway.providers.factories import FORMS
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.runtime.settings import setting_fields
from tests.support.distributions import install


@pytest.mark.parametrize(
    ("spec", "latency"), [("rehearsal", 0.0), ("rehearsal:50ms", 0.05), ("rehearsal:0.2s", 0.2)]
)
def test_rehearsal_with_and_without_latency(spec: str, latency: float) -> None:
    provider = make_provider(spec, seed=3, environ={})
    assert isinstance(provider, RehearsalProvider)
    assert (provider.name, provider.model, provider._latency) == ("rehearsal", "rehearsal-1", latency)


def test_a_model_may_name_its_own_address() -> None:
    made = make_provider("openai:qwen3:8b@http://localhost:8000/v1", seed=0, environ={"OPENAI_BASE_URL": "x"})
    assert isinstance(made, OpenAICompatible)
    assert (made.model, made.base_url) == ("qwen3:8b", "http://localhost:8000/v1")
    with pytest.raises(ConfigurationError, match="two addresses"):
        make_provider("openai:m@http://localhost:1/v1", seed=0, base_url="http://localhost:2/v1", environ={})
    with pytest.raises(ConfigurationError, match="may be a key") as refused:
        make_provider("openai:m@http://me:hush@localhost:1/v1", seed=0, environ={})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("argument", ["fast", "50", "-1ms", "1e9s", "50 ms", "ms"])
def test_a_latency_that_is_no_time_is_refused(argument: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'rehearsal:{argument}'.*rehearsal:50ms"):
        make_provider(f"rehearsal:{argument}", seed=0, environ={})


@pytest.mark.parametrize(
    ("base_url", "environ", "where"),
    [
        (None, {"OPENAI_API_KEY": "k"}, "https://api.openai.com/v1"),
        (
            None,
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://llm.example/v1"},
            "https://llm.example/v1",
        ),
        (
            "https://mine.example/v1",
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "x"},
            "https://mine.example/v1",
        ),
        ("http://localhost:11434/v1", {}, "http://localhost:11434/v1"),
        ("http://127.0.0.1:8000/v1", {}, "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000/v1", {}, "http://[::1]:8000/v1"),
        (
            None,
            {"OPENAI_API_KEY": "k\n", "OPENAI_BASE_URL": " https://a.example/v1\n"},
            "https://a.example/v1",
        ),
    ],
)
def test_where_an_openai_compatible_model_is_asked(
    base_url: str | None, environ: Mapping[str, str], where: str
) -> None:
    provider = make_provider("openai:gpt-4o-mini", seed=0, base_url=base_url, environ=environ)
    assert isinstance(provider, OpenAICompatible)
    assert (provider.model, provider.base_url) == ("gpt-4o-mini", where)


@pytest.mark.parametrize(
    "environ", [{}, {"OPENAI_API_KEY": " "}, {"OPENAI_BASE_URL": "https://localhost.evil/v1"}]
)
def test_a_missing_key_is_one_error_that_names_the_variable(environ: Mapping[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"OPENAI_API_KEY is not set.*Set it, or rehearse") as caught:
        make_provider("openai:gpt-4o-mini", seed=0, environ=environ)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("spec", "environ", "where"),
    [
        ("ollama:qwen3:4b", {}, "http://127.0.0.1:11434/v1"),
        ("vllm:Qwen/Qwen3-4B", {"VLLM_BASE_URL": "http://localhost:9/v1"}, "http://localhost:9/v1"),
        ("llamacpp:default", {}, "http://127.0.0.1:8080/v1"),
        ("gemini:g", {"GEMINI_API_KEY": "k"}, "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("mistral:m", {"MISTRAL_API_KEY": "k"}, "https://api.mistral.ai/v1"),
        ("deepseek:d", {"DEEPSEEK_API_KEY": "k"}, "https://api.deepseek.com/v1"),
        ("groq:l", {"GROQ_API_KEY": "k"}, "https://api.groq.com/openai/v1"),
        ("together:a/b", {"TOGETHER_API_KEY": "k"}, "https://api.together.xyz/v1"),
    ],
)
def test_a_known_server_needs_no_address(spec: str, environ: Mapping[str, str], where: str) -> None:
    provider = make_provider(spec, seed=0, environ=environ)
    assert isinstance(provider, OpenAICompatible)
    assert (f"{provider.name}:{provider.model}", provider.base_url) == (spec, where)
    elsewhere = make_provider(spec, seed=0, base_url="http://127.0.0.1:7/v1", environ=environ)
    assert isinstance(elsewhere, OpenAICompatible) and elsewhere.base_url == "http://127.0.0.1:7/v1"


def test_a_known_service_without_its_key_names_the_variable() -> None:
    with pytest.raises(
        ConfigurationError, match="Model 'groq:l': the environment variable GROQ_API_KEY is not set"
    ):
        make_provider("groq:l", seed=0, environ={"OPENAI_API_KEY": "another one's"})


@pytest.mark.parametrize(
    ("bare", "whole"),
    [
        ("gpt-4o-mini", "openai:gpt-4o-mini"),
        ("claude-haiku-4-5", "anthropic:claude-haiku-4-5"),
        ("o3", "openai:o3"),
    ],
)
def test_a_model_without_its_provider_is_answered_with_the_whole_name(bare: str, whole: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Model '{bare}': no provider named; expected {whole}"):
        make_provider(bare, seed=0, environ={})


def test_no_model_and_no_such_provider() -> None:
    with pytest.raises(ConfigurationError, match="expected for example openai:gpt-4o-mini"):
        make_provider("openai", seed=0, environ={})
    with pytest.raises(
        ConfigurationError, match=r"unknown provider 'claude'; known: anthropic:MODEL, .* rehearsal"
    ):
        make_provider("claude:opus", seed=0, environ={})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "localhost:8000"},
            "OPENAI_BASE_URL='localhost:8000'; expected http://",
        ),
        ({"OPENAI_API_KEY": "kéy"}, "OPENAI_API_KEY has characters"),
        ({"OPENAI_API_KEY": "k\ney"}, "OPENAI_API_KEY has characters"),
        ({"OPENAI_API_KEY": "k ey"}, "OPENAI_API_KEY has characters"),
        ({"OPENAI_API_KEY": "key" * 3000}, "OPENAI_API_KEY has 9,000 characters"),
        ({"OPENAI_BASE_URL": "http://a b/v1"}, "contains a space or a control character"),
        ({"OPENAI_BASE_URL": "http://a\n.b/v1"}, "contains a space or a control character"),
        ({"OPENAI_BASE_URL": "http://a:99999/v1"}, "its host or its port is malformed"),
        ({"OPENAI_BASE_URL": "http://a:x/v1"}, "its host or its port is malformed"),
        ({"OPENAI_BASE_URL": "http://:80/v1"}, "it has no host"),
        ({"OPENAI_BASE_URL": "http://[::1/v1"}, "OPENAI_BASE_URL="),
    ],
)
def test_an_address_or_a_key_that_cannot_be_is_refused(environ: Mapping[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        make_provider("openai:gpt-4o-mini", seed=0, environ=environ)
    assert "ey" not in str(caught.value).replace("key", "").replace("KEY", "")


@pytest.mark.parametrize("part", ["me@", "me:hidden@", "?key=hidden", "#hidden"])
@pytest.mark.parametrize("spec", ["openai:m", "openrouter:a/m", "azure:d", "anthropic:m"])
def test_an_address_with_a_secret_in_it_is_refused(spec: str, part: str) -> None:
    url = f"http://{part}127.0.0.1/v1" if "@" in part else f"http://127.0.0.1/v1{part}"
    with pytest.raises(ConfigurationError, match="keys come from the environment alone") as caught:
        make_provider(spec, seed=0, base_url=url, environ={})
    assert "hidden" not in str(caught.value)


def test_a_provider_can_be_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_factories", dict(providers._factories))

    def mine(argument: str, *, seed: int, base_url: str | None, environ: Mapping[str, str]) -> Provider:
        return RehearsalProvider(seed + len(argument))

    providers.register("mine", mine)
    assert isinstance(make_provider("mine:abc", seed=1, environ={}), RehearsalProvider)
    with pytest.raises(ConfigurationError, match="'mine' is registered already"):
        providers.register("mine", mine)
    with pytest.raises(ConfigurationError, match="mine"):
        make_provider("yours", seed=1, environ={})


PROVIDER = """
from harness.gateway.rehearsal.provider import RehearsalProvider

def far(argument, **_):
    return RehearsalProvider(len(argument))

def broken(argument, **_):
    raise LookupError("no such place")
"""


def installed(folder: Path, patch: pytest.MonkeyPatch, **points: str) -> None:
    install(folder, patch, "faraway", {"harness.providers": points}, PROVIDER)


def test_an_installed_provider_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, monkeypatch, far="faraway:far")
    assert make_provider("far:away", seed=1, environ={}).name == "rehearsal"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "faraway:broken",
            "Entry point far = faraway:broken of faraway 1.0 raised LookupError: no such place",
        ),
        ("faraway:missing", "Entry point far = faraway:missing of faraway 1.0 raised AttributeError"),
    ],
)
def test_a_broken_provider_names_its_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    installed(tmp_path, monkeypatch, far=value)
    with pytest.raises(HarnessError, match=re.escape(said)):
        make_provider("far:away", seed=1, environ={})


def test_a_packaged_provider_wins_over_an_installed_one_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, monkeypatch, rehearsal="faraway:broken")
    with pytest.warns(RuntimeWarning, match=r"faraway 1\.0 also registers the provider 'rehearsal'"):
        assert make_provider("rehearsal", seed=1, environ={}).name == "rehearsal"


def test_a_misspelt_provider_gets_the_nearest_name_and_a_recipe() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_provider("opnai:x", seed=1, environ={})
    assert str(caught.value).endswith("Did you mean 'openai'?")


def test_the_help_of_the_setting_names_every_provider_that_comes_with_the_package() -> None:
    said = setting_fields()["model"].help
    assert [name for name in FORMS if not re.search(rf"\b{re.escape(name)}\b", said)] == []
