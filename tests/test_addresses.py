"""What is shown and kept of an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.addresses import (
    refuse_secrets,
    secrets_in,
    without_secret_addresses,
    without_secrets,
)
from harness.errors import ConfigurationError

KEY = "k3Yq7vT3mXw9Lb"

PLAIN = [
    "https://api.openai.com/v1",
    "http://127.0.0.1:8000/v1/",
    "http://[::1]:8000/v1",
    "https://openrouter.ai/api/v1",
    "https://api.groq.com/openai/v1",
    "https://generativelanguage.googleapis.com/v1beta/openai/",
    "https://dashscope.example/compatible-mode/v1",
    "https://api.fireworks.example/inference/v1",
    "https://my.openai.azure.com/openai/deployments/My-GPT4o-2024/",
    "https://host/v1beta1/locations/us-central1/endpoints/openapi",
    "localhost:8000/v1",
    "api.openai.com/v1",
    "",
]


@pytest.mark.parametrize("url", PLAIN)
def test_an_ordinary_address_stays_as_it_is(url: str) -> None:
    assert without_secrets(url) == url
    assert secrets_in(url) == []


@pytest.mark.parametrize(
    "url",
    [
        f"https://gateway.example/{KEY}/openai/v1",
        f"https://gateway.example/v1/{KEY}",
        f"https://gateway.example/v1/sk-{KEY.lower()}/",
        f"https://gateway.example/deployments/sk-{KEY}/x",
        f"https://gateway.example/a;key={KEY}/v1",
        f"https://gateway.example/{KEY}%2Fv1",
        f"https://{KEY}@gateway.example/v1",
        f"https://user:{KEY}@gateway.example/v1",
        f"https://gateway.example/v1?key={KEY}",
        f"https://gateway.example/v1?{KEY}",
        f"https://gateway.example/v1#{KEY}",
        KEY,
        f"sk-{KEY.lower()}",
    ],
)
def test_a_key_anywhere_in_an_address_is_hashed_and_known_to_be_one(url: str) -> None:
    shown = without_secrets(url)
    assert KEY not in shown and KEY.lower() not in shown
    assert without_secrets(shown) == shown
    assert without_secrets(url.replace(KEY[-4:], "aaaa").replace(KEY[-4:].lower(), "aaaa")) != shown
    assert any(KEY.lower() in one.lower() for one in secrets_in(url))


@given(st.text(), st.text(alphabet="abcXYZ019/?#@:;=&%~.-_ \n", max_size=60))
def test_any_text_is_shown_the_same_way_twice(text: str, strange: str) -> None:
    for url in (text, strange, f"https://host/{strange}", f"https://{strange}/v1"):
        shown = without_secrets(url)
        assert without_secrets(shown) == shown
        assert without_secrets(url) == shown


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789", min_size=20, max_size=60))
def test_a_long_segment_never_stays(key: str) -> None:
    for url in (f"https://host/{key}/v1", f"https://host/v1/deployments/{key}", f"https://host/v1/{key}"):
        assert key not in without_secrets(url)


def test_settings_are_changed_at_any_depth_and_only_where_needed() -> None:
    plain = {"model": "m", "base_url": "https://api.openai.com/v1", "own": {"seed": 1}}
    assert without_secret_addresses(plain) is plain
    keyed = {
        "settings": {"judge_base_url": f"https://host/{KEY}"},
        "base_url": None,
        "note": f"https://host/{KEY}",
    }
    shown = without_secret_addresses(keyed)
    assert KEY not in str(shown["settings"])
    assert (shown["base_url"], shown["note"]) == (None, keyed["note"])


def test_a_file_of_settings_refuses_an_address_with_a_key_without_showing_it() -> None:
    refuse_secrets(base_url=None, judge_base_url="https://api.openai.com/v1")
    with pytest.raises(ConfigurationError, match=r"base_url: .*may be a key.*OPENAI_BASE_URL") as caught:
        refuse_secrets(base_url=f"https://host/{KEY}/v1")
    assert KEY not in str(caught.value)
