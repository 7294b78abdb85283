"""One call of ``harness study build``: its gateway, its sign of life, and what it spent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from harness.errors import ConfigurationError, HarnessError

if TYPE_CHECKING:
    from harness.experiments.population.build.build import BuildStep
    from harness.experiments.population.gates import GateResult
    from harness.gateway.calls import ModelClient
    from harness.gateway.gateway import Gateway
    from harness.runtime.settings import Settings

Made = TypeVar("Made")


class BuildSession:
    """Asks for stages through one gateway, which is made when it is first needed; writes ``heartbeat`` meanwhile.

    Replies are journalled under seed and endpoint: the same question is never paid for again; another seed asks again.
    """

    def __init__(
        self,
        settings: Settings,
        heartbeat: Path,
        tell: Callable[[BuildStep], None],
        tell_again: Callable[[GateResult], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._heartbeat, self._clock = settings, heartbeat, clock
        self.done, self.again = tell, tell_again
        self._gateway: Gateway | None = None
        self._runner: asyncio.Runner | None = None
        self._stage, self._started = "starting", clock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beating, name="heartbeat", daemon=True)

    def prepare(self) -> None:
        """Create the gateway, so that a missing key is reported before anything runs. Raises `ConfigurationError`."""
        from harness.plugin.factories import make_gateway

        self._gateway = make_gateway(self._settings)

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._stage = "ended" if error == (None, None, None) else "ended early"
        self._beat()
        assert self._runner is not None
        with self._runner:
            if self._gateway is not None:
                self._runner.run(self._gateway.aclose())

    # Asking

    def ask(self, stage: str, write: Callable[[ModelClient], Awaitable[Made]], /) -> Made:
        """What ``write`` makes with the stage's client. Raises `HarnessError`."""
        if self._gateway is None:
            self.prepare()
        gateway, runner = self._gateway, self._runner
        assert gateway is not None
        assert runner is not None

        async def work() -> Made:
            return await write(gateway.open_trial(stage, self._run_id))

        try:
            return runner.run(work())
        except ConfigurationError as error:  # unusable replies are not the user's mistake
            raise HarnessError(str(error)) from None

    @property
    def _run_id(self) -> str:
        url = self._settings.base_url
        place = f"-{sha256(url.encode()).hexdigest()[:12]}" if url else ""
        return f"build-seed{self._settings.seed}{place}"

    @property
    def spent(self) -> str:
        """Calls and dollars of this session."""
        if self._gateway is None:
            return "0 model calls"
        calls, again, cost = self._gateway.calls, self._gateway.replayed, self._gateway.cost
        said = f"{calls} model calls" + (f", {again} more answered from the journal" if again else "")
        if self._settings.model.partition(":")[0] == "rehearsal":
            return f"{said}; nothing paid, a rehearsal"
        return f"{said}; " + ("cost not known" if cost is None else f"${cost:,.4f}")

    # Looking on

    def began(self, stage: str) -> None:
        """A stage is about to run."""
        self._stage = stage
        self._beat()

    def _beating(self) -> None:
        from harness.plugin.heartbeat import EVERY

        while not self._over.wait(EVERY):
            self._beat()

    def _beat(self) -> None:
        from harness.plugin.heartbeat import beat
        from harness.records.atomic import write_whole

        text = beat(self._stage, None, self._clock(), None, self._started, f"spent: {self.spent}")
        try:
            write_whole(self._heartbeat, text.encode())
        except HarnessError:
            return  # a build does not fail for its heartbeat
