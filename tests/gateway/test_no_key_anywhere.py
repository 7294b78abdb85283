"""A key comes from the environment and goes to its provider, and nowhere else.

Whole sessions against endpoints on loopback, faults included, told to show as much as pytest can show; then every byte
that they wrote, and all that they printed, is searched for the key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from harness.addresses import without_secrets
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request
from tests.support.anthropic_endpoint import AnthropicEndpoint, Trouble
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import Lab

pytestmark = pytest.mark.slow

KEY = "fk-Zq7vT3mXw9LbRk2NhPc5YdJs8"
PASSWORD = "pw-Hn4KxVt6BqWz"
TALKATIVE = ("-vv", "-rA", "--showlocals", "--tb=long", "--log-level=DEBUG", "--log-cli-level=DEBUG")
_REHEARSAL = RehearsalProvider(1)


def said(body: Mapping[str, Any], number: int) -> str:
    return _REHEARSAL.answer(chat_request(body), trial="t", occurrence=number).text


def openai_message(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    return {"content": said(body, number)}


def anthropic_message(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    wanted = body.get("output_config", {}).get("format")
    form = (
        {"type": "json_schema", "json_schema": {"name": "x", "schema": wanted["schema"]}} if wanted else None
    )
    text = said({"messages": body["messages"], "response_format": form}, number)
    return {"content": [{"type": "text", "text": text}]}


Endpoint = AbstractContextManager[Any]
_SOON = {"retry-after-ms": "1"}
_TOLD = f"Incorrect API key provided: {KEY}."


def _soon(status: int) -> Fault:
    return Fault(status, _TOLD, headers=_SOON)


ENDPOINTS: Mapping[str, Callable[[str], Endpoint]] = {
    "openai": lambda fault: FakeEndpoint(
        {
            "trouble": {0: _soon(500), 1: _soon(429), 2: Fault(cut=True)}.get,
            "401": lambda _: Fault(401, _TOLD),
            "400": lambda _: Fault(400, _TOLD),
        }[fault],
        openai_message,
    ),
    "anthropic": lambda fault: AnthropicEndpoint(
        {
            "trouble": {0: Trouble(529, _TOLD, headers=_SOON), 1: Trouble(200, body=_TOLD)}.get,
            "401": lambda _: Trouble(401, _TOLD),
            "400": lambda _: Trouble(400, _TOLD),
        }[fault],
        anthropic_message,
    ),
}  # fmt: skip


def leaks(lab: Lab, printed: str) -> list[str]:
    """Where the key or the password stands, plain or in base64."""
    secrets = [
        form
        for secret in (KEY, PASSWORD)
        for form in (secret.encode(), base64.b64encode(secret.encode())[:-4])
    ]
    files = [path for path in lab.path.rglob("*") if path.is_file()]
    everything = {str(path): path.read_bytes() for path in files} | {"output": printed.encode()}
    return [
        f"{place}: {secret!r}" for place, text in everything.items() for secret in secrets if secret in text
    ]


def names_and_bytes(folder: Path) -> set[str]:
    return {path.suffix for path in folder.rglob("*") if path.is_file() and path.stat().st_size}


@pytest.mark.parametrize(
    ("maker", "fault"),
    [
        ("openai", "trouble"),
        ("openai", "401"),
        ("openai", "400"),
        ("openrouter", "401"),
        ("anthropic", "trouble"),
        ("anthropic", "401"),
    ],
)
def test_a_session_shows_no_key(lab: Lab, maker: str, fault: str) -> None:
    variables = {f"{maker.upper()}_API_KEY": KEY}
    with ENDPOINTS["anthropic" if maker == "anthropic" else "openai"](fault) as endpoint:
        options = (f"--model={maker}:m-1", f"--model-base-url={endpoint.url}", "--concurrency=4", *TALKATIVE)
        session = lab.start(*options, **variables)
        printed, _ = session.communicate(timeout=60)
        assert endpoint.requests, printed
        keys = {
            getattr(each, "authorization", "") or each.headers["authorization"] for each in endpoint.requests
        }
    assert leaks(lab, printed) == []
    assert keys == {f"Bearer {KEY}"}, "the key did go to where it belongs"
    assert (session.returncode == 0) is (fault == "trouble"), printed[-3000:]
    assert ("[key]" in printed) is (fault != "trouble")
    assert {".jsonl", ".sqlite"} <= names_and_bytes(lab.results)


@pytest.mark.parametrize("fault", ["trouble", "401"])
def test_a_key_in_the_path_of_an_address_goes_to_its_server_alone(lab: Lab, fault: str) -> None:
    with ENDPOINTS["openai"](fault) as endpoint:
        address = endpoint.url.replace("/v1", f"/{KEY}/openai/v1")
        options = (
            "--model=openai:m-1",
            f"--model-base-url={address}",
            "--concurrency=4",
            "--report",
            *TALKATIVE,
        )
        session = lab.start(*options, OPENAI_API_KEY="any")
        printed, _ = session.communicate(timeout=60)
        assert {each.path for each in endpoint.requests} == {f"/{KEY}/openai/v1/chat/completions"}, printed
    assert leaks(lab, printed) == []
    assert (session.returncode == 0) is (fault == "trouble"), printed[-3000:]
    shown = without_secrets(address)
    assert shown in printed if fault == "401" else shown in (lab.results / "report.html").read_text()


def test_an_address_with_a_password_is_refused_without_showing_it(lab: Lab) -> None:
    address = f"http://me:{PASSWORD}@127.0.0.1:9/v1"
    session = lab.start("--model=openai:m-1", *TALKATIVE, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=address)
    printed, _ = session.communicate(timeout=60)
    assert session.returncode == 4
    assert "@127.0.0.1:9/v1' has a user, a password or a query with it" in printed
    assert leaks(lab, printed) == []


def test_the_search_finds_what_is_there(lab: Lab) -> None:
    lab.results.mkdir()
    (lab.results / "a.bin").write_bytes(b"\0" + KEY.encode() + b"\0")
    (lab.results / "b.json").write_text(json.dumps({"at": base64.b64encode(PASSWORD.encode()).decode()}))
    assert len(leaks(lab, f"Bearer {KEY}")) == 3
