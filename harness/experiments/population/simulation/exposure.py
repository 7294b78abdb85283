"""Exposure in a step: from outside by rules, and from neighbours who share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.experiments.population.build.network import Network
from harness.experiments.population.build.sampling import generator
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.expressions import Array, parse
from harness.experiments.population.formats.scenario import ScenarioSpec
from harness.experiments.population.simulation.state import AgentStates

FROM_A_NEIGHBOUR = 0.85
"""The credibility of a neighbour, before the decay per hop."""
LEAST_CREDIBLE = 0.05
NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Ties:
    """Every tie in both directions, sorted by sharer and listener; ``first`` has each sharer's first index."""

    teller: Array
    listener: Array
    weight: Array
    kind: Array
    kinds: tuple[str, ...]
    first: Array


def directed(network: Network, size: int) -> Ties:
    """The ties of ``network`` as `Ties`."""
    teller = np.concatenate([network.source, network.target])
    listener = np.concatenate([network.target, network.source])
    order = np.lexsort((listener, teller))
    weight, kind = np.tile(network.weight, 2)[order], np.tile(network.kind, 2)[order]
    first = np.searchsorted(teller[order], np.arange(size + 1))
    return Ties(teller[order], listener[order], weight, kind, network.kinds, first)


@dataclass(frozen=True, slots=True)
class Heard:
    """The exposures of a step: from outside first, by rule, then from neighbours, by tie.

    ``source`` is −1 for an exposure from outside, ``channel`` −1 for one from a neighbour; ``tie`` is its tie.
    ``tried`` are all attempted ties, heard or not.
    """

    agent: Array
    channel: Array
    source: Array
    tie: Array
    hop: Array
    credibility: Array
    tried: Array


def hear(
    scenario: ScenarioSpec, agents: Agents, ties: Ties, state: AgentStates, step: int, seed: int
) -> Heard:
    """The exposures of ``step``, as a function of its initial state. Raises `ConfigurationError`."""
    outside = [
        _by_rule(scenario, agents, number, step, seed) for number in range(len(scenario.seed_exposure.rules))
    ]
    tried, told, hop, credibility = _told(scenario, agents, ties, state, step, seed)
    zero = np.zeros(sum(len(one[0]) for one in outside), dtype=np.int64)
    return Heard(
        agent=np.concatenate([*(one[0] for one in outside), ties.listener[told]]).astype(np.int64),
        channel=np.concatenate([*(one[1] for one in outside), np.full(len(told), -1)]).astype(np.int64),
        source=np.concatenate([zero - 1, ties.teller[told]]).astype(np.int64),
        tie=np.concatenate([zero - 1, told]).astype(np.int64),
        hop=np.concatenate([zero, hop]).astype(np.int64),
        credibility=np.concatenate([*(one[2] for one in outside), credibility]),
        tried=tried,
    )


def _by_rule(
    scenario: ScenarioSpec, agents: Agents, number: int, step: int, seed: int
) -> tuple[Array, Array, Array]:
    """The agents exposed by one rule, the channel and its credibility."""
    rule, channels = scenario.seed_exposure.rules[number], scenario.seed_exposure.channels
    if rule.timestep != step:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    chance = generator(seed, "rule", number, step).random(len(agents))
    who = np.flatnonzero(parse(rule.when).mask(agents.columns, len(agents)) & (chance < rule.probability))
    place = next(place for place, one in enumerate(channels) if one.name == rule.channel)
    credibility = min(1.0, scenario.event.credibility * channels[place].credibility_modifier)
    return who, np.full(len(who), place), np.full(len(who), credibility)


def _told(
    scenario: ScenarioSpec, agents: Agents, ties: Ties, state: AgentStates, step: int, seed: int
) -> tuple[Array, Array, Array, Array]:
    """Attempted ties, ties that were heard, and the hops and credibility of the latter."""
    spread = scenario.spread
    hop = state.hop[ties.teller] + 1
    may = state.will_share[ties.teller] & (state.told_as != state.position[ties.teller])
    if spread.max_hops is not None:
        may &= hop <= spread.max_hops
    tried = np.flatnonzero(may)
    chance = np.full(len(tried), spread.share_probability)
    if spread.share_modifiers and len(tried):
        names = {
            name for one in spread.share_modifiers for name in parse(one.when).names
        } & agents.columns.keys()
        columns = {name: agents.columns[name][ties.teller[tried]] for name in sorted(names)}
        columns["edge_type"] = np.array(ties.kinds, dtype=str)[ties.kind[tried]]
        for one in spread.share_modifiers:
            mask = parse(one.when).mask(columns, len(tried))
            chance[mask] = chance[mask] * one.multiply + one.add
    faded = (1 - spread.decay_per_hop) ** hop[tried]
    heard = generator(seed, "spread", step).random(len(ties.teller))[tried] < chance * faded
    credibility = np.clip(FROM_A_NEIGHBOUR * faded[heard], LEAST_CREDIBLE, 1.0)
    return tried, tried[heard], hop[tried][heard], credibility
