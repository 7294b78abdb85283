"""The real package inside a worker process: imported from the checkout, made fast, reset between trials."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from harness.errors import ConfigurationError
from harness.gateway.environment import CERTIFICATES, PROXIES

_UNUSED = {
    "IPython": ("display",),
    "IPython.display": ("Javascript", "display"),
    "llama_index.readers": (),
    "llama_index.readers.web": ("SimpleWebPageReader",),
    "markdown": (),
    "pypandoc": (),
}
"""Modules that the package imports but no trial uses, with the imported names: they would need 390 MB."""

_MODULES = (
    "agent",
    "clients",
    "control",
    "environment",
    "experimentation",
    "extraction",
    "factory.tiny_factory",
    "steering",
    "utils.parallel",
    "validation",
)

failures: deque[str] = deque(maxlen=5)
"""Why the latest calls of the package's client failed."""


def import_package(checkout: str) -> None:
    """Import TinyTroupe from ``checkout``; it reads config.ini from the working directory. Idempotent.

    Raises `ConfigurationError` when this process has imported it from elsewhere.
    """
    stand_in()
    logging.getLogger().addHandler(logging.NullHandler())  # without any, its first message would set one up
    for name in (
        *PROXIES,
        *CERTIFICATES,
    ):  # this process speaks to this machine alone, and its clients read them all
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    # Its embedding client wants a key at import; the trial's own is set later.
    os.environ.setdefault("OPENAI_API_KEY", "set per trial")
    os.environ["TIKTOKEN_CACHE_DIR"] = _encodings()
    with _first_on_path(checkout), contextlib.redirect_stdout(io.StringIO()):  # it prints all its settings
        package = importlib.import_module("tinytroupe")
        for name in _MODULES:
            importlib.import_module(f"tinytroupe.{name}")
    if not Path(str(package.__file__)).is_relative_to(Path(checkout)):
        raise ConfigurationError(
            f"TinyTroupe is imported from {package.__file__} already; expected {checkout}. "
            "Run one checkout per session."
        )


@contextlib.contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    """For the import alone: a checkout has folders, such as ``tests``, with names that others' modules have."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def theirs(module: str) -> Any:
    """A module of the package, once it is imported: ``theirs("agent")`` is ``tinytroupe.agent``."""
    return importlib.import_module(f"tinytroupe.{module}")


def configure() -> None:
    """Take up config.ini from the working directory, and speed the package up. Once per process."""
    logging.disable()
    theirs("utils.config").read_config_file(use_cache=False, verbose=False)
    _manager().reset()
    # Its display is for notebooks: rich markup of every message, kept for good.
    theirs("agent").TinyPerson.communication_display = False
    theirs("environment").TinyWorld.communication_display = False
    _patch_client()


def reset(seed: int) -> None:
    """Put every global of the package back to where a fresh process has it."""
    theirs("control").reset()
    theirs("agent").TinyPerson.clear_agents()
    theirs("environment").TinyWorld.clear_environments()
    theirs("factory.tiny_factory").TinyFactory.clear_factories()
    theirs("utils.misc").reset_fresh_id()
    _manager().reset()
    theirs("clients").client().reset_cost_stats()
    failures.clear()
    random.seed(seed)


def connect(base_url: str, token: str) -> None:
    """Point the package's clients at the trial's endpoint: one connection pool for the whole trial."""
    import openai

    os.environ.update(OPENAI_BASE_URL=base_url, OPENAI_API_BASE=base_url, OPENAI_API_KEY=token)
    client = theirs("clients").client()
    if getattr(client, "client", None) is not None:
        client.client.close()
    client.client = openai.OpenAI(
        api_key=token, base_url=base_url, max_retries=0, timeout=_manager().get("timeout")
    )
    _connect_embeddings(base_url, token)


def rejections(kind: str, reason: str | None = None) -> Mapping[str, Any]:
    """Report to the gateway why the latest reply of ``kind`` was rejected, if it was; returns its state of rejections.

    ``rejections`` counts those of this try of the trial, ``reason`` is the last one's; ``rejected``: this was one.
    """
    client = theirs("clients").client().client
    told: Mapping[str, Any] = client.post(
        "/harness/rejections", body={"kind": kind, "reason": reason}, cast_to=object
    )
    return told


def _manager() -> Any:
    return importlib.import_module("tinytroupe").config_manager


def _connect_embeddings(base_url: str, token: str) -> None:
    from llama_index.core import Settings

    embedding: Any = Settings.embed_model
    embedding.api_key, embedding.api_base = token, base_url
    embedding._client = embedding._aclient = None  # built again, from these, on first use


def _patch_client() -> None:
    client = theirs("clients").OpenAIClient
    # It builds an HTTP client for each call: 35 of 44 ms. `connect` has built the one for this trial.
    client._setup_from_config = _nothing
    # It counts tokens only for its log: 10 ms a call, and a download at the first.
    client._count_tokens = _nothing
    # It dumps the whole message, whose parsed half no caller reads, and for which pydantic prints a warning.
    client._raw_model_response_extractor = _role_and_content
    # It takes every name with o1 or o3 in it for a reasoning model, and then fails on parameters it lacks.
    client._is_reasoning_model = _nothing
    # It sleeps before it gives up. The gateway has done the waiting.
    theirs("clients.openai_client").time = SimpleNamespace(monotonic=time.monotonic, sleep=_nothing)
    # It turns a failed call into None, and later code silently drops the turn.
    client.send_message = _noticing(client.send_message)
    # Its cap was fixed at import, when it may have been 4.
    theirs("clients").client()._concurrency_semaphore = None


def _nothing(*_: Any) -> None:
    """Takes the place of a method whose work is not wanted."""


def _role_and_content(_: Any, response: Any) -> dict[str, Any]:
    message = response.choices[0].message
    return {"role": message.role, "content": message.content}


def _noticing(send_message: Any) -> Any:
    def noticed(*arguments: Any, **options: Any) -> Any:
        reply = send_message(*arguments, **options)
        if reply is None:
            failures.append("TinyTroupe gave up a model call")
        return reply

    return noticed


def _encodings() -> str:
    """The folder of encodings that llama-index ships: tiktoken would download them."""
    spec = importlib.util.find_spec("llama_index.core")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "_static" / "tiktoken_cache")


def stand_in() -> None:
    """Put an empty module in place of each unused import that is not installed."""
    for name, members in _UNUSED.items():
        try:
            absent = importlib.util.find_spec(name) is None
        except (ImportError, ValueError):
            absent = name not in sys.modules
        if absent and name not in sys.modules:
            module = ModuleType(name)
            module.__path__ = []
            vars(module).update(dict.fromkeys(members, _unavailable))
            sys.modules[name] = module


def _unavailable(*_: Any, **__: Any) -> None:
    raise ConfigurationError(
        "This part of TinyTroupe is not used by trials, and what it needs is not installed."
    )
