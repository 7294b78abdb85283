"""Requests of every kind, sane and not, for the gateway's HTTP face, and what must hold after each of them.

The face runs on an event loop in a thread, as it does in a session. Requests are bytes on a socket of their own, so
that they may be as wrong as they like; a request that is torn off is followed by the end of the stream.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from hypothesis import strategies as st

from harness.gateway.gateway import Gateway
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.trial_client import TrialClient

T = TypeVar("T")

EXPECTED = {200, 400, 401, 404, 405, 413}
PATIENCE = 20.0
"""Seconds that an answer may take; the slowest are replies that no draw of the schema made valid."""

TOKEN = "{TOKEN}"
"""Stands for the open trial's token, which is another in every run."""


# What is sent

_JUNK = st.text(max_size=20)
_NUMBER = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, -1, 1e308, 2**31])
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBER | _JUNK,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_JUNK, inner, max_size=4),
    max_leaves=12,
)
_KEYWORDS = [
    "type", "properties", "required", "items", "anyOf", "oneOf", "allOf", "not", "enum", "const", "$ref", "$defs",
    "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "multipleOf", "pattern", "format",
    "additionalProperties", "prefixItems", "uniqueItems", "patternProperties", "minProperties", "if", "then",
]  # fmt: skip
_SCHEMA = st.recursive(
    st.sampled_from(
        [
            True,
            False,
            {},
            {"type": "string"},
            {"type": "integer", "minimum": 5, "maximum": 1},
            {"type": "number", "multipleOf": 0.01},
            {"$ref": "#"},
            {"$ref": "#/$defs/A"},
            {"$ref": "http://127.0.0.1:9/schema"},
            {"type": "array", "minItems": 10**12},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 10**6},
            {"type": "string", "minLength": 10**12},
            {"type": "object", "minProperties": 10**9},
            {"type": "integer", "minimum": 10**400},
            {"type": "string", "pattern": "[unclosed"},
            {"enum": []},
        ]
    )
    | _JSON,
    lambda inner: st.dictionaries(
        st.sampled_from(_KEYWORDS), inner | st.lists(inner, max_size=3), max_size=5
    ),
    max_leaves=8,
)
_CONTENT = (
    _JUNK
    | st.none()
    | _JSON
    | st.lists(st.fixed_dictionaries({"type": _JUNK, "text": _JUNK | _JSON}), max_size=2)
)
_MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "tool", "x"]) | _JSON,
        "content": _CONTENT,
        "tool_calls": _JSON,
    },
)
_FORMAT = (
    _JSON
    | st.sampled_from([{"type": "text"}, {"type": "json_object"}])
    | st.fixed_dictionaries(
        {
            "type": st.just("json_schema"),
            "json_schema": st.fixed_dictionaries({"schema": _SCHEMA}, optional={"name": _JUNK | _JSON}),
        }
    )
)
_TOOL = st.fixed_dictionaries(
    {"type": st.just("function"), "function": st.fixed_dictionaries({"name": _JUNK, "parameters": _SCHEMA})}
)
_CHAT = st.fixed_dictionaries(
    {"messages": st.lists(_MESSAGE, max_size=3) | _JSON},
    optional={
        "model": _JUNK | _JSON,
        "response_format": _FORMAT,
        "temperature": _NUMBER | _JSON,
        "max_tokens": _NUMBER,
        "max_completion_tokens": _NUMBER,
        "tools": st.lists(_TOOL, max_size=2) | _JSON,
        "tool_choice": st.sampled_from(["auto", "required", "none"]) | _JSON,
        "n": _JSON,
        "stream": st.booleans() | _JSON,
        "seed": _JSON,
        "stop": _JSON,
    },
)
_EMBED = st.fixed_dictionaries(
    {"input": _JUNK | st.lists(_JUNK, max_size=5) | _JSON},
    optional={"model": _JSON, "encoding_format": st.sampled_from(["base64", "float"]) | _JSON},
)
_BODY = st.one_of(
    (_CHAT | _EMBED).map(lambda value: json.dumps(value).encode()),
    (_CHAT | _EMBED).map(lambda value: json.dumps(value).encode()),
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            b"[" * 50_000,
            b'{"messages":' * 20_000,
            b'{"messages": [{"content": "\\ud800"}]}',
            b'{"messages": [{"content": "' + b"a" * 300_000 + b'"}]}',
            b'{"input": [' + b'"",' * 100_000 + b'""]}',
            b'{"messages": [{}], "temperature": 1e999}',
            b"\xff\xfe{}",
            b'{"a": 1, "a": 2}',
        ]
    ),
)
_METHOD = st.sampled_from(
    ["POST"] * 6 + ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT", "post"]
) | (st.text("ABCXYZ!#$%&'*+-.^_`|~0", min_size=1, max_size=12))
_PATH = st.one_of(
    st.sampled_from(["/v1/chat/completions"] * 6 + ["/v1/embeddings"] * 2 + ["/v1/models"]),
    st.sampled_from(
        [
            "/",
            "*",
            "/v1",
            "/v1/",
            "/v1/chat/completions/",
            "//v1/chat/completions",
            "/v1/../v1/models",
            "/v1/chat%2Fcompletions",
            "/v1/models?x=%ff",
            "/%00",
            "http://evil.example/v1/models",
            "/v1/responses",
            "/V1/MODELS",
            "/" + "a" * 3000,
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(lambda text: "/" + text),
)
_TOKEN = st.one_of(
    *[st.just(f"Bearer {TOKEN}")] * 4,
    st.sampled_from(
        [
            "",
            "Bearer",
            "Bearer ",
            f"Basic {TOKEN}",
            f"bearer   {TOKEN}",
            f"Bearer {TOKEN}x",
            "Bearer t1.",
            "Bearer t1",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40).map(
        lambda text: "Bearer " + text
    ),
)
_HEADER = st.tuples(
    st.text("abcXYZ-", min_size=1, max_size=10),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)


@dataclass(frozen=True)
class Sent:
    """One request. ``length`` is what Content-Length says beside the truth; ``chunked`` sends chunks instead."""

    method: str
    path: str
    token: str
    headers: list[tuple[str, str]]
    body: bytes = field(repr=False)
    length: str | None
    chunked: bool
    shown: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", f"{self.body[:300]!r} of {len(self.body)} bytes")

    @property
    def is_torn(self) -> bool:
        """Whether the server is made to wait for more than is sent."""
        return (self.length or "").isdecimal() and int(self.length or "0") > len(self.body)

    def bytes(self, token: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
        lines += [f"Authorization: {self.token.replace(TOKEN, token)}"] if self.token else []
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        if self.length is not None or (body and not self.chunked):
            lines.append(f"Content-Length: {len(body) if self.length is None else self.length}")
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


_ANYTHING = st.builds(
    Sent,
    method=_METHOD,
    path=_PATH,
    token=_TOKEN,
    headers=st.lists(_HEADER, max_size=2)
    | st.sampled_from([[("Expect", "100-continue")], [("Upgrade", "websocket")]]),
    body=_BODY,
    length=st.none()
    | st.none()
    | st.none()
    | st.sampled_from(["0", "5", "99999999", "-1", "x", "1, 1", "1e3"]),
    chunked=st.sampled_from([False] * 5 + [True]),
)


_VALID = st.just(f"Bearer {TOKEN}")


def _aimed(
    path: str, body: st.SearchStrategy[bytes], token: st.SearchStrategy[str] = _VALID
) -> st.SearchStrategy[Sent]:
    """Requests that are in order as far as their body; with ``token`` as far as that."""
    right = {"method": st.just("POST"), "path": st.just(path), "token": token}
    more = {"headers": st.just([]), "length": st.none(), "chunked": st.booleans()}
    return st.builds(Sent, body=body, **right, **more)


def _as_json(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return values.map(lambda value: json.dumps(value).encode())


_NEARLY = st.fixed_dictionaries(
    {
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": _JUNK | _CONTENT}),
            min_size=1,
            max_size=2,
        )
    },
    optional={
        "response_format": _FORMAT,
        "tools": st.lists(_TOOL, min_size=1, max_size=2),
        "tool_choice": st.sampled_from(["required", "auto"]),
        "temperature": st.floats(0, 2),
        "seed": st.integers(),
    },
)
_REJECTION = st.fixed_dictionaries(
    {"kind": st.sampled_from(["other", "act", "extract"]) | _JUNK}, optional={"reason": st.text() | _JUNK}
)
_ITEM = st.fixed_dictionaries({"role": st.just("user"), "content": _JUNK | _CONTENT})
_RESPONSE = st.fixed_dictionaries(
    {"input": _JUNK | st.lists(_ITEM | _JSON, max_size=2) | _JSON},
    optional={
        "instructions": _JUNK | _JSON,
        "text": _JSON | st.fixed_dictionaries({"format": _FORMAT}),
        "tools": st.lists(_TOOL, max_size=1) | _JSON,
        "max_output_tokens": _NUMBER | _JSON,
        "temperature": _NUMBER | _JSON,
        "stream": st.booleans() | _JSON,
        "metadata": _JSON,
    },
)
requests = st.one_of(
    _ANYTHING,
    _aimed("/v1/responses", _as_json(_RESPONSE), _TOKEN),
    _aimed("/v1/chat/completions", _BODY),
    _aimed("/v1/chat/completions", _as_json(_CHAT)),
    _aimed("/v1/chat/completions", _as_json(_NEARLY)),
    _aimed("/v1/chat/completions", _as_json(_NEARLY)),
    _aimed("/v1/responses", _as_json(_RESPONSE)),
    _aimed("/v1/embeddings", _as_json(_EMBED)),
    _aimed("/v1/harness/rejections", _as_json(_REJECTION)),
)


# Where it is sent


@dataclass
class FuzzedFace:
    """A face with one open trial, and one that was closed; counts what it answered."""

    statuses: Counter[int] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.gateway = self.run(self._start())
        self.port = int(self.gateway.base_url.rsplit(":")[-1].removesuffix("/v1"))
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.gateway.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> Gateway:
        gateway = Gateway(RehearsalProvider(1))
        await gateway.start_server()
        self.trial = gateway.open_trial("fuzzed")
        return gateway

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` gives on the face's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def renew(self) -> None:
        """Close the trial and open another, as a session does."""

        async def work() -> TrialClient:
            self.gateway.close_trial(self.trial)
            return self.gateway.open_trial("fuzzed")

        self.trial = self.run(work())

    def send(self, request: Sent) -> tuple[int, bytes]:
        """Status and body of the answer; 0 when the connection was closed without one."""
        answer = self.exchange(request.bytes(self.trial.token), torn=request.is_torn)
        answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").removeprefix(b"HTTP/1.1 100 \r\n\r\n")
        found = re.match(rb"HTTP/1\.[01] (\d{3}) .*?\r\n\r\n(.*)", answer, re.DOTALL)
        status = int(found[1]) if found else 0
        self.statuses[status] += 1
        return status, found[2] if found else answer

    def exchange(self, sent: bytes, *, torn: bool) -> bytes:
        """All that comes back."""
        chunks = []
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            try:
                connection.sendall(sent)
                if torn:
                    connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    chunks.append(chunk)
            except TimeoutError:
                raise AssertionError(f"no answer in {PATIENCE:.0f} s") from None
            except OSError:
                pass  # refused, and closed, before all was sent
        return b"".join(chunks)

    def check(self, request: Sent) -> None:
        """Send it; raise `AssertionError` if the answer is one that no request may get."""
        status, body = self.send(request)
        assert status in EXPECTED | {0}, (status, body[:300])
        assert self.trial.token.encode() not in body, "an answer shows the token"
        if status == 200:
            right = re.fullmatch(r"(?i:bearer) +(.*?) *", request.token)
            assert right and right[1] == TOKEN, "served without the token"
        if (
            status in EXPECTED - {200}
            and request.method != "HEAD"
            and body != b"Invalid HTTP request received."
        ):
            assert json.loads(body)["error"]["message"]

    def is_well(self) -> bool:
        """Whether a sane request is answered."""
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
        sane = Sent("POST", "/v1/chat/completions", f"Bearer {TOKEN}", [], body, None, False)
        return self.send(sane)[0] == 200

    def held(self) -> dict[str, int]:
        """What the process holds: asyncio tasks, file descriptors, open trials, threads."""

        async def settled() -> int:
            for _ in range(200):  # connections are taken down a few turns of the loop after their last byte
                tasks = len(asyncio.all_tasks())
                await asyncio.sleep(0.005)
                if len(asyncio.all_tasks()) == tasks <= 4:
                    break
            return len(asyncio.all_tasks())

        tasks = self.run(settled())
        gc.collect()
        return {
            "tasks": tasks,
            "descriptors": descriptors(),
            "trials": len(self.gateway._trials),
            "threads": threading.active_count(),
            "in flight": self.gateway.in_flight,
        }


def descriptors() -> int:
    """How many files and sockets this process has open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).is_dir():
            return sum(1 for _ in Path(folder).iterdir())
    return 0


def resident() -> int:
    """Bytes of memory that this process occupies now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
