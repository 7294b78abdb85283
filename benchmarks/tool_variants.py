"""The tool study's 120 cases beside plain pytest, against an endpoint on this machine that takes 100 ms a call.

    python benchmarks/tool_variants.py [--runs 3] [--latency 100] [--concurrency 40]

2 variants × 20 scenarios × 3 repetitions in one process, 40 calls in flight: three waves of calls, which cannot take
less than 0.3 s. The figure is from the start of pytest's run loop to the end of the last record: importing the SDK and
setting up every case are in it. The yardstick is plain pytest with 120 parametrized tests of one call each by the
openai SDK, one after another, from the start of its run loop to its end; it is measured once. The endpoint has its
own process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from timing import PYTEST, run, verdict

CASES, LIMIT = 120, 3.0
STUDY = """
import pytest


@pytest.mark.experiment("tool_variants")
def test_tool_variants(cell):
    cell.run()
"""
PLAIN = """
import os
import openai
import pytest

client = openai.OpenAI(base_url=os.environ["ENDPOINT"], api_key="any")


@pytest.mark.parametrize("number", range(120))
def test_call(number):
    messages = [{"role": "user", "content": f"ping {number}"}]
    assert client.chat.completions.create(model="m", messages=messages).choices[0].message.content
"""
LOOP = """
import pytest
from datetime import UTC, datetime


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session):
    with open("loop.txt", "w") as file:
        print(datetime.now(UTC).isoformat(), file=file)
        result = yield
        print(datetime.now(UTC).isoformat(), file=file)
    return result
"""
INI = "[pytest]\nmarkers =\n    experiment: a case\n"


async def serve(latency: float) -> None:
    """Answer every request after ``latency`` seconds, on a free port that is printed first."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]))
            await asyncio.sleep(latency)
            writer.write(REPLY)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


BODY = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m-2026",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Which day?"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
    }
).encode()
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


def ours(folder: Path, url: str, concurrency: int) -> tuple[float, float]:
    """Seconds from the start of the run loop to the last record, and of the whole process."""
    with tempfile.TemporaryDirectory() as name:
        command = (*PYTEST, "-q", "-m", "experiment", "test_study.py", "--count=3", f"--concurrency={concurrency}",
                   "--model=openai:m", f"--model-base-url={url}", f"--results-dir={name}")  # fmt: skip
        whole, printed = run(command, folder)
        lines = [json.loads(line) for path in Path(name).glob("*.jsonl") for line in path.open()]
    ends = [datetime.fromisoformat(line["ended"]) for line in lines if line["type"] == "scenario_result"]
    if len(ends) != CASES:
        sys.exit(f"Expected {CASES} records, found {len(ends)}:\n{printed[-500:]}")
    return (max(ends) - loop(folder)[0]).total_seconds(), whole


def loop(folder: Path) -> list[datetime]:
    """When the run loop began and ended."""
    return [datetime.fromisoformat(line) for line in (folder / "loop.txt").read_text().split()]


def plain(folder: Path) -> float:
    """Seconds of plain pytest's run loop."""
    run((*PYTEST, "-q", "test_plain.py", "-p", "no:harness"), folder)
    begin, end = loop(folder)
    return (end - begin).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of ours, after one that warms up (default: 3)"
    )
    parser.add_argument("--latency", type=float, default=100, help="milliseconds a call (default: 100)")
    parser.add_argument("--concurrency", type=int, default=40, help="calls in flight (default: 40)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.latency / 1000))
    words = (sys.executable, __file__, "--serve", "--latency", str(options.latency))
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as name,
    ):
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            measure(Path(name), url, options)
        finally:
            server.terminate()


def measure(folder: Path, url: str, options: argparse.Namespace) -> None:
    files = {
        "test_study.py": STUDY,
        "test_plain.py": PLAIN.replace('os.environ["ENDPOINT"]', repr(url)),
        "conftest.py": LOOP,
        "pytest.ini": INI,
    }
    for file, text in files.items():
        (folder / file).write_text(text)
    ours(folder, url, options.concurrency)
    found = [ours(folder, url, options.concurrency) for _ in range(options.runs)]
    seconds, whole = (statistics.median(column) for column in zip(*found, strict=True))
    floor = -(-CASES // options.concurrency) * options.latency / 1000
    print(f"{CASES} cases, {options.latency:g} ms a call, {options.concurrency} in flight, one process:")
    print(f"  from the start of the run loop to the last record: {verdict(seconds, LIMIT, 's')}")
    print(
        f"  {options.runs} runs: {', '.join(f'{each:.2f} s' for each, _ in found)}; the calls alone: {floor:.1f} s"
    )
    print(f"  the whole process: {whole:.2f} s")
    print(
        f"plain pytest, one call after another: {plain(folder):.2f} s ({CASES} × {options.latency:g} ms and overhead)"
    )


if __name__ == "__main__":
    main()
