"""The provider ``local``: a real model on this machine, without a key or a network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.console import logger
from harness.errors import ConfigurationError, ModelCallError, UnsupportedParameterError
from harness.gateway.calls import Reply, Request
from harness.gateway.local.bounds import TINY, bounded
from harness.gateway.local.model_file import ModelFile, read_model_file
from harness.gateway.local.packages import packaged_weights, server_folder
from harness.gateway.local.server import CACHE_MIB, CONTEXT, SLOTS, THREADS, LocalServer, acquire, release
from harness.gateway.providers.openai_compatible import OpenAICompatible

_SPARE_BYTES = 256 * 1024 * 1024
"""What the server needs beside weights, context and cache."""

_log = logger()


class _Endpoint(OpenAICompatible):
    name = "local"
    variable = "the key"


class LocalModel:
    """A GGUF file that a child process of this session serves, from the first call to `aclose`.

    At most ``slots`` calls are sent at once, so that no call's time limit runs while it is queued. Replies cost
    nothing.
    """

    name = "local"
    slots = SLOTS

    def __init__(self, file: ModelFile, packages: Path, *, timeout: float = 120.0) -> None:
        self.file, self.model = file, file.name
        self.before_send: Callable[[], None] | None = None
        self.notify: Callable[[str], None] = _log.warning
        self.loading = ""
        self._packages = packages
        self._configured: dict[str, Any] = {"timeout": timeout}
        self._server: LocalServer | None = None
        self._endpoint: _Endpoint | None = None
        self._turn = asyncio.Semaphore(SLOTS)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What identifies the model, beside its name: its file."""
        return {"model_file": self.file.facts()}

    @property
    def announcement(self) -> str:
        """A sentence for the start of a session."""
        threads = f"{THREADS} thread{'s' * (THREADS != 1)}"
        return (
            f"Model local: {self.model}, {self.file.size_label} parameters, runs on this machine ({threads}, "
            f"{SLOTS} call at a time)."
        )

    def configure(self, **choices: Any) -> None:
        """As `HTTPProvider.configure`."""
        self._configured |= choices
        if self._endpoint is not None:
            self._endpoint.configure(**self._configured)

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        """One chat completion. Raises `ModelCallError`, fatal where the model cannot be loaded or its server ended."""
        if request.extra.get("tools") and not self.file.takes_tools:
            raise UnsupportedParameterError(
                f"Model local:{self.model}: its chat template has no place for tools, so that they would not reach "
                "the model. Use a model that takes tools.",
                "tools",
                fatal=True,
            )
        if self.file.parameters < TINY:
            request = bounded(request)
        async with self._turn:
            endpoint = await self._connected()
            try:
                reply = await endpoint.complete(request, trial=trial, occurrence=occurrence)
            except ModelCallError as error:
                raise await self._explained(error) from None
        return replace(reply, cost=0.0)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """One vector per text: the mean over its tokens, of this model, whichever ``model`` is named."""
        del model
        async with self._turn:
            endpoint = await self._connected()
            try:
                return await endpoint.embed(texts, self.model)
            except ModelCallError as error:
                raise await self._explained(error) from None

    async def aclose(self) -> None:
        """Close the connections, and end the server if no other part of this process uses it."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.aclose()
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(release, server)

    async def _connected(self) -> _Endpoint:
        if self._endpoint is None:
            if self._server is None:
                self._server = acquire(self.file, self._packages)
            self.loading, began = f"the local model {self.model} to load", time.monotonic()
            try:
                address = await asyncio.to_thread(self._server.start)
            finally:
                self.loading = ""
            _log.info("Model local:%s loaded in %.1f s.", self.model, time.monotonic() - began)
            self._endpoint = _Endpoint(self.model, base_url=f"{address}/v1", api_key=self._server.key)
            self._endpoint.configure(**self._configured)
            self._endpoint.before_send = self.before_send
            self._endpoint.notify = self.notify
        return self._endpoint

    async def _explained(self, error: ModelCallError) -> ModelCallError:
        """``error``, or the reason behind it if the server has ended: no later call can have a reply."""
        if self._server is None or error.fatal or error.retry_after is None:
            return error
        death = await asyncio.to_thread(self._server.death)
        if not death:
            return error
        return ModelCallError(f"Model local:{self.model}: {death}. Rerun to resume.", fatal=True, lost=True)


def make_local(argument: str, *, available: Callable[[], int | None] | None = None) -> LocalModel:
    """The model in the file ``argument``; without one, in the packaged weights.

    ``available`` gives the bytes of memory that are free; ``None``: unknown. Raises `ConfigurationError` when a package
    is missing, the file is not a valid GGUF, or the model needs more memory than is free.
    """
    packages = server_folder()
    file = read_model_file(Path(argument).expanduser() if argument else packaged_weights())
    needed = (
        file.size + min(CONTEXT, file.context) * SLOTS * file.token_bytes + CACHE_MIB * 2**20 + _SPARE_BYTES
    )
    free = (available or free_memory)()
    if free is not None and free < needed:
        raise ConfigurationError(
            f"Model 'local:{file.path}': needs some {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. "
            "Free some, or use a smaller model."
        )
    return LocalModel(file, packages)


def free_memory() -> int | None:
    """Bytes of memory that a new process can have, as Linux estimates it; ``None`` where that is not known."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
