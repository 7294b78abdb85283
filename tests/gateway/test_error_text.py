"""A server's own words, whatever form it gives them: tables, and no key in any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.gateway.providers.error_text import LONGEST, presentable, words_of
from harness.gateway.providers.http_client import Answer
from harness.gateway.providers.provider_errors import Fault, fault_inside, fault_of

KEY = "not-a-real-key-0123456789"
TORN = "<html><head><script>var a = 1</script><style>b {}</style></head><body><h1>No</h1> <p>route</body>"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["error", "errors", "detail", "message", "msg", "loc", "code", "metadata", "raw"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "no such model", "type": "x", "code": None}}, "no such model"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "Overloaded"),
        ({"error": "model 'm' not found"}, "model 'm' not found"),
        ({"detail": "Not authenticated"}, "Not authenticated"),
        (
            {"detail": [{"loc": ["body", "top_p"], "msg": "too large"}, {"loc": ["body", 0], "msg": "odd"}]},
            "body.top_p: too large; body.0: odd",
        ),
        ({"detail": {"error": {"message": "deep"}}}, "deep"),
        ([{"error": {"code": 400, "message": "Schema too deep", "status": "INVALID_ARGUMENT"}}], "Schema too deep"),
        ({"errors": ["one", {"message": "two"}]}, "one; two"),
        ({"errors": {"top_p": "must be below 1"}}, '{"top_p": "must be below 1"}'),
        ({"error": "Bad Request", "message": "top_p is large", "statusCode": 400}, "Bad Request: top_p is large"),
        ({"title": "Bad Request", "detail": "top_p is too large"}, "top_p is too large"),
        ({"error": "invalid_request", "error_description": "no scope"}, "invalid_request: no scope"),
        ({"object": "error", "message": "too long", "code": 40303}, "too long"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error": "no room"}'}}},
            "Provider returned error: no room",
        ),
        ({"code": 7, "fault": [1, 2]}, '{"code": 7, "fault": [1, 2]}'),
        ("just a text", "just a text"),
        (17, "17"),
        ({}, ""),
        (None, ""),
    ],
)  # fmt: skip
def test_the_words_in_json(body: Any, said: str) -> None:
    assert words_of(json.dumps(body).encode()) == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"json_schema is not supported", "json_schema is not supported"),
        (b"", ""),
        (b"\xff\xfe bad bytes", "\ufffd\ufffd bad bytes"),
        (b"<!doctype html><html><head><title>502 Bad\n Gateway</title></head><body>nginx</body>", "502 Bad Gateway"),
        (TORN.encode(), "No route"),
        (b"  <html><title>Sign in &amp; go on", "Sign in & go on"),
        (b"<?xml version='1.0'?><Error><Message>Access Denied</Message></Error>", "Access Denied"),
        (b"<![bad", "<![bad"),
        (b"upstream connect error\x1b[31m or\x00 disconnect\r\n", "upstream connect error [31m or disconnect"),
        (b"safe \xe2\x80\xaegpj.exe", "safe gpj.exe"),
        (b"{" * 5000, "{" * 499 + "…"),
        (b"[" * 100_000, "[" * 499 + "…"),
    ],
)  # fmt: skip
def test_the_words_of_what_is_not_json(body: bytes, said: str) -> None:
    assert presentable(words_of(body)) == said


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}.",
        "see sk-proj-abcdefgh1234",
        "sk-abc*****wxyz",
        "Authorization: Bearer abcdef1234",
        "x-api-key: abcdef1234",
        '{"api_key": "abcdef1234"}',
        "{'headers': {'api-key': 'abcdef1234'}}",
        "GET https://x.example/v1?key=abcdef1234&alt=json",
        "gsk_abcdefgh12345678",
        "AIzaSyabcdefghijkl",
        "authorization: Basic dXNlcjpwYXNzd29yZA==",
        "eyJhbGciOiJI.eyJzdWIi.c2ln",
        "password=abcdef1234",
        "x" * 490 + f" {KEY}",
    ],
)
def test_no_key_is_shown(said: str) -> None:
    shown = presentable(said, [KEY])
    assert "[key]" in shown
    for secret in (KEY, "abcdef1234", "abcdefgh1234", "wxyz", "abcdefghijkl", "dXNlc", "eyJ", KEY[:8]):
        assert secret not in shown


@pytest.mark.parametrize(
    "said",
    [
        "unknown key: max_completion_tokens",
        "token: 128000 is too long",
        "Bearer tokens are required",
        "the key-value store failed",
        "model fw-llama-70b-instruct not found",
        "Invalid api key",
    ],
)
def test_what_only_speaks_of_keys_stays(said: str) -> None:
    assert presentable(said, [KEY]) == said


@pytest.mark.parametrize(
    "piece", ["key=", "bearer ", "sk-", "eyJ", "key-", "api key ", "key\\", "<!--", "<a ", "<!["]
)
def test_long_hostile_texts_are_read_in_no_time(piece: str) -> None:
    """Bounded work: no pattern looks at the rest of the text again from each of its places."""
    assert len(presentable(words_of(piece.encode() * 5000))) <= LONGEST


def inside(body: Any) -> Fault | None:
    return fault_inside(body, {})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"message": "m", "code": 502}, 502, ""),
        ({"message": "m", "code": "429"}, 429, ""),
        ({"message": "m", "code": 400, "status": "INVALID_ARGUMENT"}, 400, "INVALID_ARGUMENT"),
        ({"message": "m", "status": "RESOURCE_EXHAUSTED"}, 429, "RESOURCE_EXHAUSTED"),
        ({"message": "m", "type": "overloaded_error"}, 529, "overloaded_error"),
        ({"message": "m", "code": "rate_limit_exceeded"}, 429, "rate_limit_exceeded"),
        ({"message": "m", "code": "invalid_api_key"}, 401, "invalid_api_key"),
        ({"message": "m", "type": "server_error", "code": None}, 502, "server_error"),
        ({"message": "m", "code": 1305}, 502, ""),
        ({"message": "m", "code": [503]}, 502, ""),
        ("the text alone", 502, ""),
        (["a list"], 502, ""),
    ],
)
def test_the_status_of_an_error_inside_a_200(error: Any, status: int, code: str) -> None:
    fault = inside({"error": error})
    assert fault is not None and (fault.status, fault.code, fault.is_inside) == (status, code, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": None},
        {"error": ""},
        {"error": {}},
        {"error": {"message": None}},
        {"error": False},
        [],
        None,
    ],
)
def test_no_error_is_found_where_there_is_none(body: Any) -> None:
    assert inside(body) is None


@given(JSON, st.integers(400, 599))
@example({"error": {"message": {"error": [[[]]]}, "code": {}}}, 400)
def test_no_json_is_a_crash(body: Any, status: int) -> None:
    fault = fault_of(Answer(status, {}, json.dumps(body).encode()))
    assert fault.status == status and fault.text and isinstance(fault.code, str)
    found = inside(body)
    assert found is None or 400 <= found.status <= 599


@given(st.binary(max_size=200) | st.text(alphabet="<>!-[]&;a/ \"'=", max_size=80).map(str.encode))
def test_no_body_is_a_crash(body: bytes) -> None:
    shown = presentable(words_of(body))
    assert len(shown) <= LONGEST and shown.isprintable()
