"""The rules of docs/population.md once more, an agent at a time and without arrays, to compare a simulation with.

Everybody who may hear does (all chances 1), so that nothing is left to a lot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from harness.experiments.population.inputs import Inputs
from harness.experiments.population.simulation.reasoning import Asked, Chunk
from harness.experiments.population.simulation.state import ReasoningFailure, Thought


def answer(agent: str, step: int, options: Sequence[str]) -> Thought | ReasoningFailure:
    """What the agent thinks in that step: any opinion, now and then none."""
    lot = hashlib.sha256(f"{agent} {step}".encode()).digest()
    if lot[0] < 40:
        return ReasoningFailure("no", refused=lot[0] < 15)
    outcomes = {
        "stance": options[lot[1] % len(options)],
        "will_vote": lot[2] < 128,
        "car_trips_dropped": lot[3] % 9,
    }
    return Thought("r", f"says {agent}", "m", lot[4] / 255, lot[5] / 255, lot[6] < 170, outcomes)


class Scripted:
    """A mind that thinks `answer`."""

    def __init__(self, options: Sequence[str]) -> None:
        self.options, self.asked = options, []  # type: tuple[Any, list[Asked]]

    async def think(self, asked: Sequence[Asked], name: str) -> Chunk:
        self.asked += asked
        return Chunk([answer(one.agent, one.step, self.options) for one in asked])


def person() -> dict[str, Any]:
    """One who has heard of nothing."""
    return {
        "aware": False, "count": 0, "fresh": 0, "hop": None, "last": -1, "reasoned": 0, "position": None,
        "sentiment": None, "conviction": None, "share": False, "told": {},
    }  # fmt: skip


class Naive:
    """One simulation of ``inputs``, whose rules hold for everybody at ``rules`` (step, agents)."""

    def __init__(self, inputs: Inputs, rules: Sequence[tuple[int, set[str]]], threshold: int) -> None:
        self.rules, self.threshold, self.options = rules, threshold, inputs.options
        self.most = inputs.scenario.spread.max_hops
        self.people = {name: person() for name in inputs.agents.ids}
        self.near: dict[str, list[str]] = {name: [] for name in inputs.agents.ids}
        for one, other in zip(inputs.network.source.tolist(), inputs.network.target.tolist(), strict=True):
            first, second = inputs.agents.ids[one], inputs.agents.ids[other]
            self.near[first].append(second)
            self.near[second].append(first)

    def step(self, step: int) -> dict[str, Any]:
        """What the step comes to."""
        seeds = [(agent, 0) for when, agents in self.rules if when == step for agent in agents]
        heard = sorted(self._told())
        for agent, hop in [*seeds, *((listener, self._hop(teller)) for teller, listener in heard)]:
            self._hears(agent, hop)
        for teller, listener in heard:
            self.people[teller]["told"][listener] = self.people[teller]["position"]
        thinking = sorted(name for name, one in self.people.items() if self._thinks(one))
        changes = [name for name in thinking if self._thought(name, step)]
        for name, one in self.people.items():
            if one["conviction"] is not None and one["last"] != step:
                one["conviction"] = round(one["conviction"] * 0.95, 12)
                one["share"] = one["share"] and one["conviction"] > 0.15
            del name
        return {
            "seeds": sorted(one for one, _ in seeds),
            "told": heard,
            "thinking": thinking,
            "changed": changes,
        }

    def _told(self) -> list[tuple[str, str]]:
        return [
            (teller, listener)
            for teller, one in self.people.items()
            if one["share"] and (self.most is None or one["hop"] + 1 <= self.most)
            for listener in self.near[teller]
            if listener not in one["told"] or one["told"][listener] != one["position"]
        ]

    def _hop(self, teller: str) -> int:
        return int(self.people[teller]["hop"]) + 1

    def _hears(self, agent: str, hop: int) -> None:
        one = self.people[agent]
        if not one["aware"]:
            one["new"] = min(hop, one.get("new", hop))
        one["count"] += 1
        one["fresh"] += 1

    def _thinks(self, one: dict[str, Any]) -> bool:
        if "new" in one:
            one["aware"], one["hop"] = True, one.pop("new")
        if not one["aware"]:
            return False
        firm = one["conviction"] is not None and one["conviction"] >= 0.7
        return one["last"] < 0 or (one["fresh"] >= self.threshold and not firm)

    def _thought(self, name: str, step: int) -> bool:
        one, came = self.people[name], answer(name, step, self.options)
        if isinstance(came, ReasoningFailure):
            if came.refused:
                one["last"], one["fresh"] = step, 0
            return False
        before = one["position"], one["share"]
        one["position"] = came.outcomes["stance"]
        one["share"] = came.will_share and came.conviction > 0.15
        one["sentiment"], one["conviction"] = came.sentiment, came.conviction
        one["last"], one["fresh"], one["reasoned"] = step, 0, one["reasoned"] + 1
        one["thought"] = came
        return bool(before != (one["position"], one["share"]))


def events(lines: str) -> list[dict[str, Any]]:
    """The timeline by step, as `Naive.step` has it."""
    steps: dict[int, dict[str, Any]] = {}
    for line in lines.splitlines():
        one = json.loads(line)
        step = steps.setdefault(one["timestep"], {"seeds": [], "told": [], "thinking": [], "changed": []})
        kind, agent = one["event_type"], one["agent_id"]
        if kind == "network_exposure":
            step["told"].append((one["details"]["source"], agent))
        else:
            names = {"seed_exposure": "seeds", "state_changed": "changed"}
            step[names.get(kind, "thinking")].append(agent)
    none = {"seeds": [], "told": [], "thinking": [], "changed": []}
    found = [steps.get(step, none) for step in range(max(steps, default=-1) + 1)]
    return [{name: sorted(values) for name, values in one.items()} for one in found]
