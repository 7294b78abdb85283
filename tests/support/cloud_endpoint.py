"""A loopback server for the vendors' own libraries: it records each POST and answers what a test put in.

    with CloudEndpoint(lambda seen: CloudAnswer(200, {...})) as endpoint:
        ...  # endpoint.url, endpoint.requests

``POST /token`` answers as Google's token server, so that a service account's key signs in for real.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote


@dataclass(frozen=True)
class CloudAnswer:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CloudRequest:
    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class CloudEndpoint:
    def __init__(self, answer: Callable[[CloudRequest, int], CloudAnswer]) -> None:
        self.requests: list[CloudRequest] = []
        self.tokens = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def do_POST(handler) -> None:
                content = handler.rfile.read(int(handler.headers.get("content-length") or 0))
                if handler.path == "/token":
                    self.tokens += 1
                    sent = CloudAnswer(
                        200, {"access_token": "ya29.fake", "expires_in": 3600, "token_type": "Bearer"}
                    )
                else:
                    seen = CloudRequest(
                        unquote(handler.path),
                        json.loads(content),
                        {k.lower(): v for k, v in handler.headers.items()},
                    )
                    self.requests.append(seen)
                    sent = answer(seen, len(self.requests) - 1)
                body = sent.body.encode() if isinstance(sent.body, str) else json.dumps(sent.body).encode()
                handler.send_response(sent.status)
                for name, value in {"content-type": "application/json", **sent.headers}.items():
                    handler.send_header(name, value)
                handler.send_header("content-length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)
