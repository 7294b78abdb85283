"""A simulation in a folder, with a lock, a heartbeat, and atomic results."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.experiments.population.formats.files import write_json
from harness.experiments.population.inputs import Inputs
from harness.experiments.population.simulation.reasoning import ModelMind
from harness.experiments.population.simulation.results import META, write_results
from harness.experiments.population.simulation.results_file import read_meta
from harness.experiments.population.simulation.simulation import Progress, Simulation, SimulationOptions
from harness.gateway.account import Account
from harness.gateway.calls import CallSite, ModelClient, Reply, Request
from harness.gateway.gateway import Gateway
from harness.model import Usage
from harness.records.registry.lock import RunLock

HEARTBEAT, LOCK = "state.json", ".lock"
EVERY = 1.0
"""Seconds between heartbeats, in addition to one at the end of each step."""
RUN = "simulation"
"""The run id in the journal of a results folder."""


class GatewayClients:
    """Opens a gateway trial per chunk, so that an interrupted chunk gets its paid replies from the journal."""

    def __init__(self, gateway: Gateway, run_id: str = RUN) -> None:
        self._gateway, self._run = gateway, run_id

    def open(self, name: str) -> ModelClient:
        """A trial called ``name``."""
        return self._gateway.open_trial(name, self._run)

    def close(self, client: ModelClient) -> None:
        """Revoke its token."""
        trial = self._gateway.trial_of(client.token)
        if trial is not None:
            self._gateway.close_trial(trial)


class OneClient:
    """The client of an experiment's trial: all chunks use it, and each counts what its replies took."""

    def __init__(self, client: ModelClient) -> None:
        self._client = client

    def open(self, name: str) -> ModelClient:  # noqa: ARG002
        """The trial's client, with its own account."""
        return _Counting(self._client)

    def close(self, client: ModelClient) -> None:
        """Do nothing: the client belongs to the trial."""


class _Counting:
    """Counts the replies that were used; the trial's record also counts rejected ones.

    A resumed trial gets replies from the journal, and its client starts with the earlier usage, so a difference of its
    totals is not the usage of a chunk.
    """

    def __init__(self, client: ModelClient) -> None:
        self._client, self._account = client, Account()
        self.reject, self.token, self.base_url = client.reject, client.token, client.base_url

    async def complete(
        self,
        request: Request,
        site: CallSite,
        *,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply:
        reply = await self._client.complete(
            request, site, max_rejections=max_rejections, max_replies=max_replies
        )
        self._account.note_reply(site.kind, reply)
        return reply

    def usage(self) -> Usage:
        return self._account.usage()


async def simulate(
    inputs: Inputs,
    options: SimulationOptions,
    gateway: Gateway,
    folder: Path,
    *,
    say: Callable[[Progress], None] = lambda _progress: None,
    wall: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Simulate into ``folder``, going on where it was left; gives what ``meta.json`` holds.

    What was finished before is left as it is. Raises `ConfigurationError` where it was begun with other inputs or
    options, `HarnessError` where another process works on it or no agent reasoned, `ModelCallError` where calls fail
    for good.
    """
    lock = RunLock(folder / LOCK, str(folder))
    try:
        began = wall()
        last = began - EVERY

        def beat(progress: Progress) -> None:
            nonlocal last
            if progress.chunk == progress.chunks or wall() - last >= EVERY:
                last = wall()
                left = _seconds_left(progress, last - began)
                write_json(folder / HEARTBEAT, heartbeat(last, **asdict(progress), seconds_left_about=left))
                say(progress)

        mind = ModelMind(inputs.scenario, GatewayClients(gateway))
        done = await Simulation(inputs, options, mind, folder, on_progress=beat).run()
        if not (folder / META).exists():
            write_results(folder, inputs, options, done)
        meta = read_meta(folder)
    finally:
        lock.release()
    if not meta["agents_reasoned"]:
        raise HarnessError(
            f"{folder}: no agent reasoned ({meta['total_exposures']:,} exposures); the results are empty. "
            "Look at the exposure rules of the scenario."
        )
    return meta


def heartbeat(now: float, **known: Any) -> dict[str, Any]:
    """The progress, for people. An old one does not mean that the simulation has failed."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return {"stage": "simulate", **known, "at": at}


def _seconds_left(progress: Progress, seconds: float) -> int | None:
    done = progress.timestep + progress.chunk / max(progress.chunks, 1)
    return round(seconds / done * (progress.timesteps - done)) if done else None
