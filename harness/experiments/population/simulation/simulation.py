"""The simulation, step by step and chunk by chunk, so that an interrupted one resumes to the same result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from harness.errors import ConfigurationError, HarnessError, ModelCallError, raise_if_any
from harness.experiments.population.build.sampling import check_seed, generator
from harness.experiments.population.inputs import Inputs
from harness.experiments.population.simulation import dynamics
from harness.experiments.population.simulation.exposure import NETWORK, Heard, Ties, directed, hear
from harness.experiments.population.simulation.reasoning import Asked, Mind
from harness.experiments.population.simulation.state import (
    AgentStates,
    ReasoningFailure,
    StopReason,
    Summary,
    Thought,
)
from harness.experiments.population.simulation.store import Store
from harness.records.json_safe import differences
from harness.records.writer import explained, make_directory

DATABASE, TIMELINE = "simulation.db", "timeline.jsonl"
MOST = 1_000_000_000
"""The largest threshold and chunk size."""
NEIGHBOURS_HEARD = 5
"""Neighbours whose statements an agent sees: the most similar ones with a statement, ties broken by lot."""


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """``threshold`` is the number of further exposures before an agent reasons again, ``chunk_size`` the number of
    agents between two checkpoints. ``model`` is the requested one, as in the results.
    """

    seed: int = 0
    threshold: int = 3
    chunk_size: int = 50
    model: str = "rehearsal"

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for name in ("threshold", "chunk_size"):
            if not 1 <= getattr(self, name) <= MOST:
                fault = "1 or more" if getattr(self, name) < 1 else f"at most {MOST:,}"
                raise ConfigurationError(f"{name} {getattr(self, name)}: expected {fault}.")


def run_settings(inputs: Inputs, options: SimulationOptions) -> dict[str, Any]:
    """What a folder's simulation is of: its options, and the hash of each input."""
    return asdict(options) | {f"{what} file": digest[:12] for what, digest in inputs.hashes.items()}


def refuse_other_settings(folder: Path | None, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where the simulation in ``folder`` has other settings."""
    raise_if_any(
        f"{folder}: was started with {name}={then!r}, but now it is {value!r}; expected the same. "
        "Use the earlier value, or another folder."
        for name, (then, value) in differences(earlier, now).items()
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress: chunk ``chunk`` of ``chunks`` of step ``timestep`` is done, with this usage so far."""

    timestep: int
    timesteps: int
    chunk: int
    chunks: int
    calls: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class SimulationEnd:
    """How it ended."""

    reason: StopReason
    detail: str
    state: AgentStates
    summaries: Sequence[Summary]
    usages: Sequence[Mapping[str, Any]]


class Simulation:
    """One simulation of ``inputs``, saved in ``folder`` (``None``: in memory only)."""

    def __init__(
        self,
        inputs: Inputs,
        options: SimulationOptions,
        mind: Mind,
        folder: Path | None,
        *,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        self.inputs, self.options = inputs, options
        self._mind, self._folder, self._say = mind, folder, on_progress
        self._ids, self._rows = inputs.agents.ids, inputs.agents.rows()
        self._ties: Ties = directed(inputs.network, len(self._ids))
        self._lots = generator(options.seed, "who is heard").random(len(self._ties.teller))
        self._teller = inputs.teller()
        channels = [one.name for one in inputs.scenario.seed_exposure.channels]
        kinds = [self._ties.kinds[kind] for kind in self._ties.kind.tolist()]
        self._names = dynamics.Names(self._ids, channels, kinds, inputs.options)
        position = inputs.scenario.outcomes.position
        self._position = position.name if position else ""
        self._calls = 0
        self._cost: float | None = 0.0

    async def run(self) -> SimulationEnd:
        """Run, or resume, to the end. Raises `HarnessError`, `ModelCallError`."""
        if self._folder is not None:
            make_directory(self._folder)
        store = Store(None if self._folder is None else self._folder / DATABASE)
        try:
            self._begin(store)
            return await self._go_on(store)
        finally:
            store.close()

    def _begin(self, store: Store) -> None:
        mine = run_settings(self.inputs, self.options)
        with store.reading():
            earlier = store.get("settings")
            None if earlier is None else dict(earlier)
        if earlier is None:
            store.put(settings=mine, next_timestep=0, timeline_bytes=0)
        else:
            refuse_other_settings(self._folder, earlier, mine)

    async def _go_on(self, store: Store) -> SimulationEnd:
        with store.reading():
            state, summaries = store.state(self._ids, len(self._ties.teller)), store.summaries()
            for usage in store.usages():
                self._add(sum(usage["calls"].values()), usage["cost"])
            written, ended = int(store.get("timeline_bytes")), store.get("ended")
            if len(summaries) != store.get("next_timestep") or (ended and ended[0] not in set(StopReason)):
                raise ValueError("steps are lacking, or the end is none")
        self._cut_timeline(written)
        while ended is None:
            step = store.get("next_timestep")
            summary = await self._step(store, state, step)
            summaries.append(summary)
            ended = store.get("ended")
            if ended is None and dynamics.is_silent(summaries):
                raise ModelCallError(
                    f"In {dynamics.QUIET_STEPS} steps no agent gave a usable answer; the last "
                    f"step is {step}. See the reasons in {TIMELINE}, and try another model in another folder.",
                    fatal=True,
                )
        return SimulationEnd(StopReason(ended[0]), ended[1], state, summaries, store.usages())

    async def _step(self, store: Store, state: AgentStates, step: int) -> Summary:
        scenario, options = self.inputs.scenario, self._names.options
        heard = hear(scenario, self.inputs.agents, self._ties, state, step, self.options.seed)
        dynamics.told(state, heard, self._ties.teller)
        dynamics.newly_heard(state, heard)
        found = await self._reason(store, state, heard, step)
        changed = dynamics.take_in(state, found, step, options, self._position)
        dynamics.fade(state, step)
        summary = dynamics.summarise(state, step, heard, found, len(changed), options)
        stop = dynamics.stop(scenario, [*store.summaries(), summary])
        lines = dynamics.events(step, heard, found, changed, state, self._names)
        size = self._append_timeline(lines)
        store.finish_step(
            state,
            self._ids,
            summary,
            list(self._exposures(heard, step)),
            list(self._shares(state, heard, step)),
            next_timestep=step + 1,
            timeline_bytes=size,
            ended=stop,
        )
        return summary

    # Reasoning

    async def _reason(
        self, store: Store, state: AgentStates, heard: Heard, step: int
    ) -> dict[int, Thought | ReasoningFailure]:
        places = dynamics.who_reasons(state, self.options.threshold).tolist()
        size = self.options.chunk_size
        chunks = [places[start : start + size] for start in range(0, len(places), size)]
        done = store.chunks(step)
        by_agent = _by_agent(heard) if len(done) < len(chunks) else {}
        for number, chunk in enumerate(chunks):
            if number not in done:
                asked = [self._asked(place, state, heard, by_agent.get(place, []), step) for place in chunk]
                came = await self._mind.think(asked, f"t{step}/chunk{number}")
                store.keep_chunk(step, number, dict(zip(chunk, came.found, strict=True)), came.usage)
                self._add(came.usage.total_calls, came.usage.cost)
            self._beat(step, number + 1, len(chunks))
        return store.reasonings(step)

    def _asked(self, place: int, state: AgentStates, heard: Heard, hearings: list[int], step: int) -> Asked:
        channels = {channel.name: channel for channel in self.inputs.scenario.seed_exposure.channels}
        by = [self._names.channels[one] for one in heard.channel[hearings].tolist() if one >= 0]
        ways = [channels[name].description or name.replace("_", " ") for name in dict.fromkeys(by)]
        told_by = [self._names.kinds[tie] for tie in heard.tie[hearings].tolist() if tie >= 0]
        return Asked(
            place,
            self._ids[place],
            step,
            self._teller.tell(self._rows[place]),
            tuple(ways),
            tuple(told_by),
            tuple(self._said(place, state)),
            state.memories[place],
        )

    def _said(self, place: int, state: AgentStates) -> list[tuple[str, str]]:
        """Statements of neighbours, as of the step's start."""
        ties = range(self._ties.first[place], self._ties.first[place + 1])
        among = [(tie, int(self._ties.listener[tie])) for tie in ties]
        speaking = [(tie, other) for tie, other in among if state.will_share[other] and state.thoughts[other]]
        speaking.sort(key=lambda one: (-self._ties.weight[one[0]], self._lots[one[0]]))
        said = ((tie, state.thoughts[other]) for tie, other in speaking[:NEIGHBOURS_HEARD])
        return [(self._names.kinds[tie], one.statement) for tie, one in said if one]

    # What is kept

    def _exposures(self, heard: Heard, step: int) -> Iterator[tuple[Any, ...]]:
        columns = (heard.agent, heard.channel, heard.source, heard.credibility)
        for agent, channel, source, credibility in zip(*(one.tolist() for one in columns), strict=True):
            name = self._names.channels[channel] if channel >= 0 else NETWORK
            yield (
                self._ids[agent],
                step,
                name,
                self._ids[source] if source >= 0 else None,
                round(credibility, 6),
            )

    def _shares(self, state: AgentStates, heard: Heard, step: int) -> Iterator[tuple[Any, ...]]:
        ties = heard.tried.tolist()
        ends = (self._ties.teller[heard.tried], self._ties.listener[heard.tried], state.told_as[heard.tried])
        for tie, teller, listener, position in zip(ties, *(one.tolist() for one in ends), strict=True):
            yield tie, self._ids[teller], self._ids[listener], step, position

    def _add(self, calls: int, cost: float | None) -> None:
        self._calls += calls
        self._cost = None if self._cost is None or cost is None else self._cost + cost

    def _cut_timeline(self, size: int) -> None:
        """Remove the output of an interrupted step."""
        if self._folder is None:
            return
        path = self._folder / TIMELINE
        with explained(self._folder, "write"):
            found = path.stat().st_size if path.exists() else 0
            if found < size:
                raise HarnessError(
                    f"{path}: has {found:,} of {size:,} bytes that were written; expected all of it. "
                    "Restore it, or use another folder."
                )
            if not path.exists() or found > size:
                with path.open("ab") as file:
                    file.truncate(size)

    def _append_timeline(self, lines: Iterator[dict[str, Any]]) -> int:
        if self._folder is None:
            return 0
        with explained(self._folder, "write"), (self._folder / TIMELINE).open("ab") as file:
            file.writelines(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def _beat(self, step: int, chunk: int, chunks: int) -> None:
        steps = self.inputs.scenario.simulation.max_timesteps
        self._say(Progress(step, steps, chunk, chunks, self._calls, self._cost))


def _by_agent(heard: Heard) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, agent in enumerate(heard.agent.tolist()):
        found.setdefault(agent, []).append(number)
    return found
