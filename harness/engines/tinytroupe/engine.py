"""The tinytroupe engine, which runs trials in worker processes."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.engines.tinytroupe import preload, worker
from harness.engines.tinytroupe.checkout import check, settings
from harness.engines.tinytroupe.job import job_of
from harness.engines.tinytroupe.pool import WorkerDiedError, Workers
from harness.engines.tinytroupe.results import result_of
from harness.errors import HarnessError, ModelCallError
from harness.gateway.calls import ModelClient
from harness.model import TrialPlan, TrialResult
from harness.user_code import is_ending, shown

START = datetime(2025, 6, 2, 9, 0)
"""The default date and time in every world: the real one would make each prompt unique."""


class TinyTroupeEngine:
    """Runs trials with the real TinyTroupe package of ``checkout``, up to ``workers`` of them at a time.

    ``workers`` defaults to the number of processors; with a slow model, several per processor are faster.
    ``model`` and ``temperature`` are those of the package's requests (``None``: June's 1.2). ``start`` is the date
    and time in the simulated world.

    Raises `ConfigurationError` when the checkout or a Python package is missing.
    """

    name = "tinytroupe"
    needs_server = True

    def __init__(
        self,
        checkout: Path,
        *,
        workers: int | None = None,
        temperature: float | None = None,
        model: str = "gpt-4o-mini",
        start: datetime = START,
    ) -> None:
        check(checkout)
        self._start = start
        self._directory = TemporaryDirectory(prefix="harness-tinytroupe-", ignore_cleanup_errors=True)
        home, origin = self._directory.name, str(Path(checkout).resolve())
        values = settings(checkout, model=model, temperature=temperature)
        worker.write_settings(Path(home), values)
        self.trials_at_once: int | None = workers or os.cpu_count() or 1
        self._workers = Workers(
            self.trials_at_once,
            worker.initialize,
            (origin, home, values),
            preload=preload.__name__,
            environment={preload.CHECKOUT: origin, preload.DIRECTORY: home},
        )

    async def run(self, plan: TrialPlan, client: ModelClient) -> TrialResult:
        """Run the trial in a worker process, whose calls go to ``client``'s HTTP server.

        Raises `ModelCallError` when a call was given up, `HarnessError` when worker or package failed.
        """
        job = job_of(plan, (client.base_url, client.token), self._start)
        task = asyncio.current_task()
        try:
            played = await self._workers.run(worker.play, job)
        except BaseException as error:  # a precondition in the worker may raise anything
            if is_ending(task, error):
                raise
            raise _given_up(client) or _explained(plan, error) from error
        if failure := _given_up(client):
            raise failure
        if played.lost:
            raise ModelCallError(f"Trial {plan.trial.id}: {played.lost}.")
        return await result_of(plan, played)

    async def aclose(self) -> None:
        """End the worker processes."""
        self._workers.end()
        self._directory.cleanup()


def _given_up(client: ModelClient) -> Exception | None:
    """The failed call of this trial, if any: the package swallows such errors."""
    failure = getattr(client, "failure", None)
    return failure if isinstance(failure, Exception) else None


def _explained(plan: TrialPlan, error: BaseException) -> HarnessError:
    if isinstance(error, HarnessError):
        return error
    if isinstance(error, WorkerDiedError):
        return HarnessError(
            f"Trial {plan.trial.id}: its TinyTroupe worker process ended before the trial did (killed, or out "
            "of memory); the next trial gets a new one. With little memory, run fewer workers; in a script, "
            "start the run under if __name__ == '__main__'."
        )
    return HarnessError(f"Trial {plan.trial.id}: TinyTroupe raised {shown(error)}")
