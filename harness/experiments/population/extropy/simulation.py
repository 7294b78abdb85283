"""The other engine: the real extropy-run as a separate process, whose only way to a model is the gateway.

Its exit code is not trusted: its files are checked, and the gateway knows the calls.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, HarnessError, ModelCallError, StoppedError, raise_if_any
from harness.experiments.population.extropy import results as extropy_results
from harness.experiments.population.extropy.process import ENGINE, Log, interpreter, run
from harness.experiments.population.formats.files import read_json, write_json, write_yaml
from harness.experiments.population.formats.scenario import ScenarioSpec
from harness.experiments.population.formats.spec import read_spec
from harness.experiments.population.inputs import PERSONA_SUFFIX, Inputs, read_inputs
from harness.experiments.population.simulation.folder import HEARTBEAT, LOCK, RUN, heartbeat
from harness.experiments.population.simulation.results import META
from harness.experiments.population.simulation.simulation import (
    DATABASE,
    SimulationOptions,
    refuse_other_settings,
    run_settings,
)
from harness.gateway.calls import ModelClient
from harness.gateway.gateway import Gateway
from harness.gateway.requests.model_options import FIXED_MODEL, CallOptions
from harness.model import Usage
from harness.records.registry.lock import RunLock
from harness.records.writer import explained

THEIR_META, LOG, WORK = "extropy_meta.json", "extropy.log", "extropy"
SETTINGS = "extropy_settings.json"
"""What a folder was begun with."""
AT_ONCE = 16
"""Agents who reason at the same time. It gives up on a reply after 20 to 30 s, waiting for its turn included."""
UNLIMITED = 1_000_000_000
"""Its own rate limiter is out of the way: limits are the gateway's, for everyone at once."""
TRIAL = "extropy"
_UNKNOWN = re.compile(r"\b(ceil|exp|floor|log|sqrt)\s*\(")


async def simulate_with_extropy(
    scenario: Path,
    personas: Path | None,
    options: SimulationOptions,
    client: ModelClient,
    folder: Path,
    *,
    inputs: Inputs | None = None,
    at_once: int = AT_ONCE,
    say: Callable[[Usage], None] = lambda _usage: None,
) -> dict[str, Any]:
    """Simulate into ``folder`` with extropy-run 0.2.3; gives what ``meta.json`` holds.

    ``inputs`` are those of ``scenario``, perhaps with other words in it; ``None``: they are read. ``client`` is a
    trial's of the gateway, whose HTTP server is started. Each call starts over: what was answered before
    is served from the gateway's journal. Raises `ConfigurationError` where the package is not there, or another
    version; `ModelCallError` where the gateway sends nothing more, `HarnessError` where its files are not whole.
    """
    if not client.base_url:
        raise HarnessError(
            f"{ENGINE} asks over HTTP, and the gateway's HTTP server is not started; start it first."
        )
    if inputs is None:
        inputs = await asyncio.to_thread(read_inputs, scenario, personas)
    raise_if_any(_not_its_own(inputs.scenario))
    python = await interpreter()
    work = folder / WORK
    await asyncio.to_thread(_prepare, work, scenario, inputs)
    log = Log(client.token)

    def look() -> None:
        _raise_final(client)
        say(_paid(client))

    try:
        address = (client.base_url, client.token)
        code = await run(python, _arguments(options, at_once), work, address, log, look)
    finally:
        with explained(folder / LOG, "write"):
            (folder / LOG).write_bytes(log.content())
    usage = _paid(client)
    whole, problems = await asyncio.to_thread(extropy_results.read_files, work / "results", inputs, options)
    if not usage.calls.get("reason"):
        problems = ["no reasoning call reached the gateway", *problems]
    if problems or whole is None:
        raise HarnessError(
            f"{ENGINE} ended with exit code {code} and without a simulation in {folder}: {'; '.join(problems)}. "
            f"Its output ({folder / LOG}) ends:\n{log.end()}"
        )
    failed = getattr(client, "failed", 0)
    meta = extropy_results.our_meta(inputs, options, whole, usage, engine=ENGINE, code=code, failed=failed)
    await asyncio.to_thread(_keep, work, folder, meta)
    return meta


async def simulate_in_folder(
    scenario: Path,
    personas: Path | None,
    options: SimulationOptions,
    gateway: Gateway,
    folder: Path,
    *,
    at_once: int = AT_ONCE,
    say: Callable[[Usage], None] = lambda _usage: None,
    wall: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Run `simulate_with_extropy` for a command: in its own trial, locked, with a heartbeat.

    A finished simulation stays unchanged. Raises `ConfigurationError` if it was started with other settings.
    """
    lock = RunLock(folder / LOCK, str(folder))
    try:
        inputs = await asyncio.to_thread(read_inputs, scenario, personas)
        settings = {"engine": ENGINE, **run_settings(inputs, options)}
        check_engine(folder, ENGINE)
        if (folder / SETTINGS).exists():
            earlier = read_json(folder / SETTINGS, "Settings")
            refuse_other_settings(folder, earlier if isinstance(earlier, dict) else {}, settings)
        if (folder / META).exists():
            meta: dict[str, Any] = read_json(folder / META, "Results")
            return meta
        await interpreter()  # or the folder would be the other engine's for nothing
        write_json(folder / SETTINGS, settings)
        await gateway.start_server()
        warmth = gateway.default_options
        fields = CallOptions(warmth, judge=warmth, replaced=FIXED_MODEL)
        client = gateway.open_trial(TRIAL, RUN, options=fields)

        def beat(usage: Usage) -> None:
            write_json(
                folder / HEARTBEAT, heartbeat(wall(), engine=ENGINE, calls=usage.total_calls, cost=usage.cost)
            )
            say(usage)

        return await simulate_with_extropy(
            scenario, personas, options, client, folder, inputs=inputs, at_once=at_once, say=beat
        )
    finally:
        lock.release()


def check_engine(folder: Path, engine: str) -> None:
    """Raises `ConfigurationError` where ``folder`` was begun by the other engine."""
    theirs = (folder / SETTINGS).exists()
    begun = ENGINE if theirs else "own" if (folder / DATABASE).exists() else engine
    if begun != engine:
        raise ConfigurationError(
            f"{folder}: was started with the engine {begun!r}, but now it is {engine!r}; expected the same. "
            "Use the earlier engine, or another folder."
        )


def _raise_final(client: ModelClient) -> None:
    """Raise a fatal failure: extropy-run treats it as an agent without an opinion, and continues to the end."""
    failure = getattr(client, "failure", None)
    if isinstance(failure, StoppedError) or (isinstance(failure, ModelCallError) and failure.fatal):
        raise failure


def _paid(client: ModelClient) -> Usage:
    """In all tries of the trial: what an earlier one was answered is served to this one."""
    paid: Callable[[], Usage] = getattr(client, "paid", Usage)
    return paid()


# What it is given


def _prepare(work: Path, scenario: Path, inputs: Inputs) -> None:
    """A fresh folder with all that it reads, in the keys that it insists on, and a home."""
    with explained(work, "prepare"):
        if work.exists():
            shutil.rmtree(work)
        for name in ("home", "tmp", "results"):
            (work / name).mkdir(parents=True)
        (work / ".env").touch()  # or it reads the first such file above, which may hold keys
        meta, names = inputs.scenario.meta, {"population_spec": "population.yaml"}
        for key, place in (("agents_file", meta.agents_file), ("network_file", meta.network_file)):
            names[key] = f"{key.removesuffix('_file')}.json"
            shutil.copyfile(scenario.parent / place, work / names[key])
        write_yaml(work / "population.yaml", read_spec(scenario.parent / meta.population_spec))
        write_yaml(work / f"population{PERSONA_SUFFIX}", inputs.personas)
        described = {"description": meta.description or meta.name, **names}
        write_yaml(
            work / "scenario.yaml",
            inputs.scenario.model_copy(update={"meta": meta.model_copy(update=described)}),
        )


def _not_its_own(scenario: ScenarioSpec) -> Iterator[str]:
    """Expressions that extropy-run cannot evaluate: it treats them as false, and only logs that."""
    rules = [
        (f"seed_exposure.rules.{n}.when", one.when) for n, one in enumerate(scenario.seed_exposure.rules)
    ]
    changes = [
        (f"spread.share_modifiers.{n}.when", one.when)
        for n, one in enumerate(scenario.spread.share_modifiers)
    ]
    for place, text in rules + changes:
        for name in sorted(set(_UNKNOWN.findall(text))):
            yield f"Scenario: {place} calls {name}, which {ENGINE} does not know; expected an expression without it."


def _arguments(options: SimulationOptions, at_once: int) -> list[str]:
    return [
        "simulate", "scenario.yaml", "--output=results", "--quiet",
        f"--seed={options.seed}", f"--threshold={options.threshold}", f"--model={options.model or 'any'}",
        f"--chunk-size={max(1, min(options.chunk_size, at_once))}", f"--persona=population{PERSONA_SUFFIX}",
        f"--rpm-override={UNLIMITED}", f"--tpm-override={UNLIMITED}",
    ]  # fmt: skip


# What is kept


def _keep(work: Path, folder: Path, meta: Mapping[str, Any]) -> None:
    """Its files beside ours; ``meta.json`` last: where it is, the results are whole."""
    results = work / "results"
    with explained(folder, "write"):
        (results / META).replace(folder / THEIR_META)
        for name in extropy_results.WHOLE:
            if name != META:
                (results / name).replace(folder / name)
        write_json(folder / META, meta)
        shutil.rmtree(work)
