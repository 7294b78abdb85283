"""What the gateway adds to a call, journal on: in this process on the rehearsal model, and through HTTP.

    python benchmarks/gateway_overhead.py [--runs 5] [--calls 2000]

Added wall time ÷ calls. In process: many callers ask through the gateway, beside the same callers asking the rehearsal
model directly. Through HTTP: an openai-SDK client → the gateway's face → an endpoint, beside the same client → the
same endpoint. Client, gateway and endpoint are a process each; the endpoint answers at once, with as little work as an
HTTP server can, so that nothing hides what is added. The request is a prompt of 3,000 characters with a schema.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from timing import alternating, verdict

from harness.engines.embedded import schemas

IN_PROCESS, AT_100, AT_1 = 0.3, 2.0, 3.0
TRIALS = 100
ANSWER = json.dumps({"justification": "because", "value": 7})
COMPLETION = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "fake-2025-01-01",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 700, "completion_tokens": 20, "total_tokens": 720},
    }
).encode()


def messages(number: int) -> list[dict[str, str]]:
    history = "".join(f"Ada said line {line} of the record. " for line in range(80))
    return [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": f"{history}{number}"}]


async def seconds(ask: Callable[[int], Awaitable[Any]], calls: int, at_once: int) -> float:
    """Wall time of ``calls`` calls, ``at_once`` in flight."""
    numbers = iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            await ask(number)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return time.perf_counter() - began


# In process


def in_process(calls: int) -> float:
    from harness.gateway.calls import CallSite, Request
    from harness.gateway.gateway import Gateway
    from harness.gateway.journal.journal import Journal
    from harness.gateway.limits import Limits
    from harness.gateway.rehearsal.provider import RehearsalProvider

    async def main() -> float:
        with tempfile.TemporaryDirectory() as folder:
            gateway = Gateway(
                RehearsalProvider(1), concurrency=100, journal=Journal(Path(folder)), limits=Limits()
            )
            clients = [gateway.open_trial(f"trial {number}", "run") for number in range(TRIALS)]

            def ask(number: int) -> Awaitable[Any]:
                request = Request(messages(number), response_format=schemas.SCORE)
                return clients[number % TRIALS].complete(request, CallSite("score", "Ada", number))

            took = await seconds(ask, calls, 100)
            await gateway.aclose()
            return took

    return asyncio.run(main()) / calls * 1000


def rehearsal_alone(calls: int) -> float:
    from harness.gateway.calls import Request
    from harness.gateway.rehearsal.provider import RehearsalProvider

    async def main() -> float:
        model = RehearsalProvider(1)

        def ask(number: int) -> Awaitable[Any]:
            request = Request(messages(number), response_format=schemas.SCORE)
            return model.complete(request, trial=f"trial {number % TRIALS}", occurrence=0)

        return await seconds(ask, calls, 100)

    return asyncio.run(main()) / calls * 1000


# Through HTTP


class Endpoint(asyncio.Protocol):
    """Reads a request, answers it, and knows no more of HTTP than that."""

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, rest = self._read.partition(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            if len(rest) < length:
                return
            self._read = rest[length:]
            answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(answer % len(COMPLETION) + COMPLETION)


async def serve_endpoint() -> None:
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


async def serve_gateway(url: str, folder: str) -> None:
    from harness.gateway.gateway import Gateway
    from harness.gateway.journal.journal import Journal
    from harness.gateway.limits import Limits
    from harness.gateway.providers.openai_compatible import OpenAICompatible

    provider = OpenAICompatible("fake-2025-01-01", base_url=url, api_key="any-key")
    gateway = Gateway(provider, concurrency=100, journal=Journal(Path(folder)), limits=Limits())
    print(await gateway.start_server(), flush=True)
    for number in range(1000):  # a trial per measurement
        print(gateway.open_trial(f"trial {number}", "run").token, flush=True)
    await asyncio.Event().wait()


class Serving:
    """One of this script's servers as a process."""

    def __init__(self, *role: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--role", *role], stdout=subprocess.PIPE, text=True
        )
        self.url = self.line()

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def through_sdk(url: str, key: str, calls: int, at_once: int) -> float:
    """Milliseconds per call of an openai-SDK client."""
    import openai

    async def main() -> float:
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:

            async def ask(number: int) -> Any:
                return await client.chat.completions.create(
                    model="fake-2025-01-01",
                    messages=messages(number),  # type: ignore[arg-type]
                    response_format=schemas.SCORE,  # type: ignore[call-overload]
                )

            await seconds(ask, at_once, at_once)  # open the connections
            return await seconds(ask, calls, at_once)

    return asyncio.run(main()) / calls * 1000


def over_http(calls: int, at_once: int, runs: int, limit: float) -> None:
    endpoint = Serving("endpoint")
    with tempfile.TemporaryDirectory() as folder:
        gateway = Serving("gateway", endpoint.url, folder)
        try:
            with_us, bare = alternating(
                lambda: through_sdk(gateway.url, gateway.line(), calls, at_once),
                lambda: through_sdk(endpoint.url, "any", calls, at_once),
                runs,
            )
        finally:
            gateway.end()
            endpoint.end()
    added = verdict((with_us - bare) / bare, limit, "x a bare call")
    print(
        f"HTTP, {at_once} in flight: {with_us:.2f} ms a call, bare SDK {bare:.2f} ms; "
        f"added {with_us - bare:.2f} ms = {added}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--role", nargs="+")
    options = parser.parse_args()
    if options.role:
        role, *rest = options.role
        asyncio.run(serve_endpoint() if role == "endpoint" else serve_gateway(*rest))
        return
    ours, alone = alternating(
        lambda: in_process(options.calls), lambda: rehearsal_alone(options.calls), options.runs
    )
    added = verdict(ours - alone, IN_PROCESS, "ms")
    print(
        f"In process, 100 in flight: {ours:.3f} ms a call, rehearsal alone {alone:.3f} ms; added {added}",
        flush=True,
    )
    over_http(options.calls, 100, options.runs, AT_100)
    over_http(max(options.calls // 5, 1), 1, options.runs, AT_1)
    print(f"Medians of {options.runs} runs of {options.calls} calls.")


if __name__ == "__main__":
    main()
