"""A server on loopback that stands in for LangSmith's and Sentry's, and keeps what their SDKs sent, decoded."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT_ID = "6f6c1a4e-95d7-4f0e-9f6c-0f8f6b1c2d3e"
INFO = {
    "version": "0.13.0",
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20_971_520,
        "scale_up_nthreads_limit": 16,
        "scale_up_qsize_trigger": 1000,
        "scale_down_nempty_trigger": 4,
    },
    "instance_flags": {"zstd_compression_enabled": True},
}


@dataclass
class Sent:
    """One request, its body unpacked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Recorder:
    """``mode``: ``ok``, ``500``, ``hang`` (reads the request and answers only when the test is over)."""

    mode: str = "ok"
    project_exists: bool = True
    sent: list[Sent] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        return f"http://publickey@127.0.0.1:{self.port}/42"

    # LangSmith

    def runs(self) -> dict[str, dict[str, Any]]:
        """Every run that was posted, its patches applied, by id."""
        found: dict[str, dict[str, Any]] = {}
        for name, value in self._parts():
            kind, _, rest = name.partition(".")
            run, _, field_name = rest.partition(".")
            if kind in ("post", "patch"):
                target = found.setdefault(run, {"operations": []})
                if field_name:
                    target[field_name] = value
                else:
                    target["operations"].append(kind)
                    target.update({key: one for key, one in value.items() if one is not None})
        return found

    def feedback(self) -> list[dict[str, Any]]:
        posted = [json.loads(one.body) for one in self.sent if one.path.endswith("/feedback")]
        return posted + [value for name, value in self._parts() if name.startswith("feedback.")]

    def _parts(self) -> Iterator[tuple[str, Any]]:
        from requests_toolbelt.multipart.decoder import MultipartDecoder

        for one in list(self.sent):
            if one.path.endswith("/runs/multipart"):
                for part in MultipartDecoder(one.body, one.headers["content-type"]).parts:
                    disposition = part.headers[b"Content-Disposition"].decode()
                    yield disposition.split('name="')[1].split('"')[0], json.loads(part.content)

    # Sentry

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of every envelope item of a kind: ``transaction``, ``event``, ``span``."""
        return [body for head, body in self._items() if head["type"] == kind]

    def _items(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for one in list(self.sent):
            if one.path.endswith("/envelope/"):
                lines = one.body.split(b"\n")[1:]
                for head, body in zip(lines[::2], lines[1::2], strict=False):
                    yield json.loads(head), json.loads(body)

    def everything(self) -> bytes:
        """All bodies, for a search of what must not be in them."""
        return b"\n".join(one.body for one in self.sent)


@contextmanager
def recording(mode: str = "ok", **settings: Any) -> Iterator[Recorder]:
    """A server for the time of the test; ``refuse`` leaves its port closed."""
    recorder = Recorder(mode, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            recorder.sent.append(
                Sent(
                    self.command,
                    self.path.partition("?")[0],
                    {key.lower(): value for key, value in self.headers.items()},
                    _unpacked(body, self.headers.get("content-encoding")),
                )
            )
            if recorder.mode == "hang":
                recorder.over.wait(60)
            self._answer()

        do_GET = do_POST = do_PATCH = _take

        def _answer(self) -> None:
            status, value = _response(recorder, self.command, self.path)
            if recorder.mode == "500":
                status, value = 500, {"detail": "broken"}
            text = json.dumps(value).encode()
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:
                pass  # whoever asked has gone

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder.port = server.server_address[1]
    if mode == "refuse":
        server.server_close()
        yield recorder
        return
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        recorder.over.set()
        server.shutdown()
        server.server_close()


def _response(recorder: Recorder, method: str, path: str) -> tuple[int, Any]:
    session = {
        "id": PROJECT_ID,
        "name": "default",
        "tenant_id": PROJECT_ID,
        "start_time": "2025-01-01T00:00:00",
        "reference_dataset_id": None,
    }
    if "/info" in path:
        return 200, INFO
    if "/sessions" in path and method == "GET":
        return 200, [session] if recorder.project_exists else []
    if "/sessions" in path:
        return 200, session
    return (200 if "/envelope/" in path else 202), {"id": "0" * 32}


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body
