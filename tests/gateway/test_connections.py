"""Connections to the gateway's HTTP server that are held open for nothing, with small limits on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from harness.gateway.gateway import Gateway
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.app import GatewayServer
from harness.gateway.server.connections import ConnectionGuard

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token

    async def connect(self, start: bytes = b"") -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(start)
        await writer.drain()
        return reader, writer

    def head(self, token: str = "", length: int = len(BODY)) -> bytes:
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token or self.token}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()

    async def answer(self, connection: Connection, request: bytes) -> int:
        reader, writer = connection
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        return int(head.split()[1])


def served(work: Callable[[Server], Awaitable[None]], guard: ConnectionGuard, **more: float) -> None:
    async def main() -> None:
        gateway = Gateway(RehearsalProvider(1))
        server = GatewayServer(gateway, guard, **more)
        url = server.listen("127.0.0.1", asyncio.get_running_loop())
        port = urlsplit(url).port
        assert port is not None
        try:
            await work(Server(port, gateway.open_trial("t").token))
        finally:
            await server.stop()
            await gateway.aclose()

    asyncio.run(main())


async def is_closed(connection: Connection) -> bool:
    """Whether the server closes the connection without a word."""
    try:
        return await asyncio.wait_for(connection[0].read(1), 5) == b""
    except ConnectionResetError:
        return True


def test_headers_that_never_end_are_dropped_however_they_drip() -> None:
    async def work(server: Server) -> None:
        silent, begun = (
            await server.connect(),
            await server.connect(b"POST /v1/chat/completions HTTP/1.1\r\n"),
        )
        dripping = await server.connect(b"POST / HTTP/1.1\r\n")

        async def drip() -> None:
            while not dripping[1].is_closing():
                dripping[1].write(b"X-A: b\r\n")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(drip())
        closed = await asyncio.gather(*map(is_closed, (silent, begun, dripping)))
        task.cancel()
        assert closed == [True, True, True]

    served(work, ConnectionGuard(header_seconds=0.2))


def test_a_request_after_a_pause_has_its_time_for_headers_again() -> None:
    async def work(server: Server) -> None:
        connection = await server.connect()
        assert await server.answer(connection, server.head() + BODY) == 200
        await asyncio.sleep(0.3)  # idle, without a byte: kept, as HTTP allows
        assert await server.answer(connection, server.head() + BODY) == 200
        connection[1].write(b"POST /v1")
        assert await is_closed(connection)

    served(work, ConnectionGuard(header_seconds=0.2))


def test_holders_of_a_token_are_served_while_others_hold_connections_open() -> None:
    async def work(server: Server) -> None:
        mine = await server.connect()
        assert await server.answer(mine, server.head() + BODY) == 200
        others = [await server.connect() for _ in range(30)]
        refused = await server.connect()
        assert await server.answer(refused, server.head("t1.guess") + BODY) == 401
        assert all(await asyncio.gather(*map(is_closed, others[:26])))
        assert not any(writer.is_closing() for _, writer in (mine, *others[28:]))
        assert await server.answer(mine, server.head() + BODY) == 200
        late = await server.connect()
        assert await server.answer(late, server.head() + BODY) == 200

    served(work, ConnectionGuard(header_seconds=60, most_strangers=4, grace=0.05))


def test_many_that_come_at_once_and_ask_at_once_are_all_served() -> None:
    async def work(server: Server) -> None:
        connections = [await server.connect() for _ in range(40)]
        statuses = await asyncio.gather(*(server.answer(one, server.head() + BODY) for one in connections))
        assert set(statuses) == {200}

    served(work, ConnectionGuard(header_seconds=60, most_strangers=4, grace=30))


def test_a_body_that_does_not_end_is_refused_in_time() -> None:
    async def work(server: Server) -> None:
        connection = await server.connect()
        assert await server.answer(connection, server.head(length=1000) + BODY) == 408

    served(work, ConnectionGuard(), body_seconds=0.1)
