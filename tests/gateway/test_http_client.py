"""One call over real sockets: bounds on bytes and on time, whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import sys
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from harness.gateway.providers.http_client import MAX_ERROR_BYTES, Answer, HTTPClient, NoAnswerError

KEY = "not-a-real-key-0123456789"
Write = Callable[[asyncio.StreamWriter], Awaitable[None]]


def post(write: Write, *, timeout: float = 5.0, body: Any = None, **more: Any) -> Answer:
    """What the client makes of a server that reads a request and then does as ``write`` does."""

    async def main() -> Answer:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            try:
                await write(writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/"
        client = HTTPClient(url, headers={"authorization": f"Bearer {KEY}"}, timeout=timeout)
        try:
            return await client.post("/x", {} if body is None else body, **more)
        finally:
            await client.aclose()
            server.close()

    return asyncio.run(main())


def answering(
    *chunks: bytes, status: int = 200, pause: float = 0.0, again: bool = False, **headers: str
) -> Write:
    """A chunked answer of ``chunks``, ``pause`` seconds apart, and ``again`` without end."""

    async def write(writer: asyncio.StreamWriter) -> None:
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\ntransfer-encoding: chunked\r\n{head}\r\n".encode())
        async for chunk in repeated(chunks, again):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return write


async def repeated(chunks: tuple[bytes, ...], again: bool) -> AsyncIterator[bytes]:
    while True:
        for chunk in chunks:
            yield chunk
        if not again:
            return


def bomb(size: int, kind: Callable[[], Any]) -> bytes:
    """``size`` zeros, compressed."""
    packer, block = kind(), bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


GZIP = {"content_encoding": "gzip"}


def test_a_plain_and_a_compressed_answer_come_whole() -> None:
    answer = post(answering(b'{"a":', b" 1}"))
    assert (answer.status, json.loads(answer.body)) == (200, {"a": 1})
    assert post(answering(gzip.compress(b"zipped"), **GZIP)).body == b"zipped"
    assert post(answering(zlib.compress(b"deflated"), content_encoding="deflate")).body == b"deflated"
    assert post(answering(**GZIP)).body == b""


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [("gzip", lambda: zlib.compressobj(9, wbits=31)), ("deflate", lambda: zlib.compressobj(9))],
)
def test_of_a_compressed_bomb_no_more_is_unpacked_than_the_limit(
    encoding: str, kind: Callable[[], Any]
) -> None:
    packed = bomb(64 << 20, kind)
    tracemalloc.start()
    with pytest.raises(NoAnswerError, match="longer than 8,388,608 bytes") as caught:
        post(answering(packed, content_encoding=encoding))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.sent and peak < 32 << 20


def test_a_body_without_end_is_not_read_on() -> None:
    with pytest.raises(NoAnswerError, match="longer than 1,000 bytes"):
        post(answering(bytes(400), again=True), max_bytes=1000)
    assert len(post(answering(bytes(1000)), max_bytes=1000).body) == 1000


def test_dripping_does_not_lengthen_a_call() -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"no whole answer within 0\.2 s") as caught:
        post(answering(*[b" "] * 200, pause=0.02), timeout=0.2)
    assert caught.value.sent and time.monotonic() - began < 3, "the whole answer takes 4 s"


async def _drip_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _flood_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: " + b"y" * 60_000 + b"\r\n")
        await writer.drain()


async def _go_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut")


async def _say_nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _speak_otherwise(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (_drip_headers, "no whole answer within"),
        (_flood_headers, "the connection failed"),
        (_go_on, "no whole answer within"),
        (_say_nothing, "no whole answer within"),
        (_hang_up, "the connection failed"),
        (_speak_otherwise, "the connection failed"),
        (answering(b"\x1f\x8bno gzip at all", **GZIP), "the compressed answer is damaged"),
        (answering(gzip.compress(b"x" * 999)[:-9], **GZIP), "the compressed answer is cut"),
        (answering(b"x", content_encoding="br"), "encoded as 'br', which was not asked for"),
        (answering(b"x", content_encoding="gzip, gzip"), "encoded as 'gzip, gzip'"),
    ],
)
def test_whatever_a_server_does_a_call_ends_with_a_reason(write: Write, said: str) -> None:
    with pytest.raises(NoAnswerError, match=said) as caught:
        post(write, timeout=0.3)
    assert caught.value.sent, "the server had the request, and may bill it"
    assert caught.value.__context__ is None and KEY not in repr(caught.value)


def test_of_a_failure_what_came_in_time_is_enough() -> None:
    dripping = answering(b"too many", pause=0.1, again=True, status=429, retry_after="7")
    answer = post(dripping, timeout=0.25)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7") and answer.body.startswith(
        b"too many"
    )
    long = post(answering(bytes(1 << 20), status=500))
    assert (long.status, len(long.body)) == (500, MAX_ERROR_BYTES)
    packed = post(answering(gzip.compress(b"no"), status=400, **GZIP))
    assert (packed.status, packed.body) == (400, b"no")
    assert post(answering(b"\x1f\x8bno", status=503, **GZIP)).status == 503


def test_redirects_are_not_followed() -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")

    answer = post(write)
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/")


def test_headers_are_shown_of_every_answer_before_its_body() -> None:
    seen: list[Mapping[str, str]] = []

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await answering(b" ", pause=0.05, again=True, x_limit="3")(writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = HTTPClient(url, headers={}, timeout=0.2, on_headers=seen.append)
        with pytest.raises(NoAnswerError):
            await client.post("/x", {})
        await client.aclose()
        server.close()

    asyncio.run(main())
    assert [headers["x-limit"] for headers in seen] == ["3"]


def test_an_unanswered_connection_sends_nothing() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        client = HTTPClient(f"http://127.0.0.1:{port}", headers={}, timeout=5)
        with pytest.raises(NoAnswerError, match=r"no connection \(.*[Rr]efused") as caught:
            await client.post("/x", {})
        assert not caught.value.sent
        await client.aclose()

    asyncio.run(main())


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux drops connections that a full backlog cannot hold"
)
def test_connecting_has_a_time_limit_apart_from_the_calls() -> None:
    async def main(port: int) -> None:
        client = HTTPClient(f"http://127.0.0.1:{port}", headers={}, timeout=60)
        client.connect_timeout = 0.1
        with pytest.raises(NoAnswerError, match=r"no connection within 0\.1 s") as caught:
            await client.post("/x", {})
        assert (caught.value.sent, caught.value.is_unreachable, caught.value.first_tries) == (False, True, 1)
        await client.aclose()

    with contextlib.ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        asyncio.run(main(full.getsockname()[1]))


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": "\ud800"}, {"a": object()}, {"a": {1, 2}}])
def test_what_cannot_be_written_as_json_is_not_sent(body: Any) -> None:
    async def never(writer: asyncio.StreamWriter) -> None:
        raise AssertionError("it was sent")

    with pytest.raises((ValueError, TypeError)):
        post(never, body=body)
