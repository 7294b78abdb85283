"""Networks: a small world over an order in which similar agents are near each other.

Agents are sorted by their attributes, the largest weight first; a share of them, the smaller the stronger the target
homophily, is swapped. Each agent is tied to the next ones in the order, which gives clustering. A share of ties is
rewired at random (Watts & Strogatz, Nature 393, 1998), which reduces it; for much homophily and little clustering, some
of these stay in the wider neighbourhood. The shares are adjusted until clustering and assortativity meet their targets,
or are as near as possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.expressions import Array, parse
from harness.experiments.population.build.measures import assortativity, clustering, components
from harness.experiments.population.formats.network_config import WHAT, Likeness, NetworkConfig, problems
from harness.experiments.population.build.sampling import check_seed, generator

ROUNDS = 10
"""Corrections at most. Each costs one measurement."""
WIDER = 25
"""The wider neighbourhood is this part of the order."""
NEAR_CLUSTERING, NEAR_HOMOPHILY = 0.02, 0.05
"""Tolerances of the targets."""
MOST = 1e100
"""The largest number of an attribute in which agents are alike: squares are summed."""
DRAWS = 20
"""Draws of missing ties by the agents' shares, before any pair is taken."""
BINS = 12
"""Numbers are sorted by at most this many quantiles; by fewer in a small population, so that attributes of less weight
count too."""


@dataclass(frozen=True, slots=True)
class Network:
    """Undirected ties between agents by their places: arrays of one length.

    ``weight`` is the similarity of two agents, 0 to 1; ``kind`` is an index into ``kinds``.
    """

    source: Array
    target: Array
    weight: Array
    kind: Array
    kinds: tuple[str, ...]
    meta: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.source)


@dataclass(slots=True)
class _Shares:
    """The adjusted shares: rewired ties, those of them in the wider neighbourhood, and per attribute the agents at their
    own place in the order.
    """

    elsewhere: float
    placed: dict[str, float]
    around: float = 0.0

    def alike(self) -> float:
        """The share of ties between agents near each other."""
        return 1 - self.elsewhere + 0.9 * self.around * self.elsewhere


def connect(agents: Agents, config: NetworkConfig, *, seed: int = 0) -> Network:
    """Connect ``agents``. Raises `ConfigurationError`."""
    raise_if_any(f"{WHAT}: {fault}" for fault in problems(config, frozenset(agents.columns)))
    check_seed(seed)
    size, ties = len(agents), round(len(agents) * config.avg_degree / 2)
    if ties > size * (size - 1) // 2:
        raise ConfigurationError(
            f"{WHAT}: avg_degree={config.avg_degree:g} for {size:,} agents; expected at most {size - 1:,}."
        )
    codes = {name: _codes(agents, name, config) for name in _heaviest_first(config)}
    edges, reached = _fitted(agents, config, codes, ties, seed)
    kinds, kind = _kinds(agents, config, edges)
    meta = _meta(agents, config, edges, reached, seed)
    return Network(edges[:, 0], edges[:, 1], _likeness(agents, config, edges), kind, kinds, meta)


def _heaviest_first(config: NetworkConfig) -> list[str]:
    weights = config.attribute_weights
    return sorted(
        (name for name in weights if weights[name].weight > 0), key=lambda name: (-weights[name].weight, name)
    )


def targets(config: NetworkConfig) -> dict[str, float]:
    """The target assortativity of each attribute with a weight."""
    names = _heaviest_first(config)
    most = max((config.attribute_weights[name].weight for name in names), default=1.0)
    return {name: config.homophily * config.attribute_weights[name].weight / most for name in names}


def _codes(agents: Agents, name: str, config: NetworkConfig) -> Array:
    """The attribute as numbers: ranks if it is ordinal, else indices of its values."""
    column, levels = agents.columns[name], config.levels(name)
    if config.attribute_weights[name].match_type == "within_n" and levels:
        odd = sorted({str(value) for value in np.unique(column)} - levels.keys())
        if odd:
            raise ConfigurationError(
                f"{WHAT}: ordinal_levels of {name} lack {odd[0]!r}; expected every value."
            )
        return np.array([levels[str(value)] for value in column.tolist()], dtype=float)
    if config.attribute_weights[name].match_type == "exact":
        return np.unique(column, return_inverse=True)[1]
    if column.dtype.kind not in "if":
        raise ConfigurationError(f"{WHAT}: {name} holds texts; expected match_type exact or within_n.")
    return _numbers(column, name)


def _numbers(column: Array, name: str) -> Array:
    """Raise `ConfigurationError` if values cannot be compared."""
    codes = column.astype(float)
    missing = int(np.isnan(codes).sum())
    if missing:
        raise ConfigurationError(
            f"{WHAT}: {name}: missing for {missing:,} of {len(codes):,} agents; expected match_type exact."
        )
    if np.abs(codes).max() > MOST:
        raise ConfigurationError(f"{WHAT}: {name}={np.abs(codes).max():g}; expected numbers up to {MOST:g}.")
    return codes


def _is_ordered(one: Likeness) -> bool:
    return one.match_type != "exact"


def _fitted(
    agents: Agents, config: NetworkConfig, codes: Mapping[str, Array], ties: int, seed: int
) -> tuple[Array, dict[str, float]]:
    """The ties of the best round, as sorted pairs of indices, and the values that they reach."""
    wanted, size = targets(config), len(agents)
    start = np.clip(1 - (config.target_clustering / 0.6) ** (1 / 3), 0.0, 1.0)
    shares = _Shares(
        float(start), {name: min(1.0, (aim / (1.001 - start)) ** 0.5) for name, aim in wanted.items()}
    )
    degrees = _degree_shares(agents, config)
    best: tuple[float, Array, dict[str, float]] | None = None
    for _ in range(ROUNDS):
        edges = _ties(codes, degrees, shares, ties, size, seed)
        reached = {
            name: assortativity(codes[name], edges, ordered=_is_ordered(config.attribute_weights[name]))
            for name in codes
        }
        clustered = clustering(edges, size)
        off = abs(clustered - config.target_clustering) / NEAR_CLUSTERING
        off = max([off, *(abs(reached[name] - wanted[name]) / NEAR_HOMOPHILY for name in codes)])
        if best is None or off < best[0]:
            best = off, edges, {**reached, "": clustered}
        if off < 0.4:
            break
        _correct(shares, reached, wanted, clustered, config.target_clustering)
    assert best is not None
    return best[1], best[2]


def _correct(
    shares: _Shares,
    reached: Mapping[str, float],
    wanted: Mapping[str, float],
    clustered: float,
    target: float,
) -> None:
    """Clustering depends on the cube of the share of ties in place, assortativity on the square of the agents in place."""
    left = (1 - shares.elsewhere) * (max(target, 1e-6) / max(clustered, 1e-6)) ** (1 / 3)
    before, shares.elsewhere = shares.alike(), float(np.clip(1 - left, 0.0, 1.0))
    lacking = 1.15 * max(wanted.values(), default=0.0) - (1 - shares.elsewhere)
    shares.around = float(np.clip(lacking / max(0.9 * shares.elsewhere, 1e-3), 0.0, 1.0))
    for name, share in shares.placed.items():
        expected = max(reached[name], 1e-3) * max(shares.alike(), 1e-3) / max(before, 1e-3)
        shares.placed[name] = float(
            np.clip(share * (wanted[name] / expected) ** 0.5, 0.02 * (wanted[name] > 0), 1.0)
        )


def _degree_shares(agents: Agents, config: NetworkConfig) -> Array:
    """Each agent's share of all ties, in proportion to its multipliers."""
    factors = np.ones(len(agents))
    for one in config.degree_multipliers:
        column = agents.columns[one.attribute]
        value: Any = str(one.condition) if column.dtype.kind == "U" else one.condition
        if isinstance(value, bool) != (column.dtype.kind == "b") or (
            isinstance(value, str) != (column.dtype.kind == "U")
        ):
            raise ConfigurationError(
                f"{WHAT}: degree_multipliers: {one.attribute}={one.condition!r:.60}; expected a value "
                f"such as {column[0].item()!r:.60}."
            )
        factors[column == value] *= one.multiplier
    shares: Array = factors / factors.sum()
    return shares


def _ties(
    codes: Mapping[str, Array], degrees: Array, shares: _Shares, ties: int, size: int, seed: int
) -> Array:
    """Exactly ``ties`` pairs (smaller index first), sorted."""
    order = _order(codes, shares, size, seed)
    reach = _whole(_begun(degrees, shares)[order] * ties, ties, generator(seed, "reach"))
    near = np.repeat(np.arange(size), reach)
    step = np.arange(len(near)) - np.repeat(np.cumsum(reach) - reach, reach) + 1
    pairs = np.stack([order[near], order[(near + step) % size]])
    rng = generator(seed, "elsewhere")
    moved = rng.random(len(near)) < shares.elsewhere
    others = np.searchsorted(np.cumsum(degrees), rng.random(len(near))).clip(max=size - 1)
    around = (near + rng.integers(1, max(2, size // WIDER), len(near))) % size
    others = np.where(rng.random(len(near)) < shares.around, order[around], others)
    pairs[1, moved] = others[moved]
    return _filled(pairs, degrees, ties, size, rng)


def _begun(degrees: Array, shares: _Shares) -> Array:
    """Each agent's share of the ties of which it is the first end. All agents are equally often the second end of near
    ties, and by their share of all ties that of rewired ones; both together give that share, if possible.
    """
    if np.ptp(degrees) == 0:
        return degrees
    alike = 1 - shares.elsewhere * (1 - shares.around)
    begun = np.maximum(2 * degrees - alike / len(degrees) - (1 - alike) * degrees, 0.0)
    found: Array = begun / begun.sum()
    return found


def _filled(pairs: Array, degrees: Array, ties: int, size: int, rng: np.random.Generator) -> Array:
    """``pairs`` without loops and duplicates, filled up at random."""
    keys = np.unique(_keys(pairs, size))
    cumulated = np.cumsum(degrees)
    for _ in range(DRAWS):
        more = np.searchsorted(cumulated, rng.random((2, ties - len(keys)))).clip(max=size - 1)
        keys = np.union1d(keys, _keys(more, size))
    keys = _completed(keys, ties, size, rng)
    return np.stack([keys // size, keys % size], axis=1)


def _completed(keys: Array, ties: int, size: int, rng: np.random.Generator) -> Array:
    """The ties still missing, from any unconnected pairs."""
    if 4 * ties > size * (size - 1) // 2 and len(keys) < ties:
        every = _keys(np.stack(np.triu_indices(size, 1)), size)
        return np.union1d(keys, rng.choice(np.setdiff1d(every, keys), ties - len(keys), replace=False))
    while len(keys) < ties:
        keys = np.union1d(keys, _keys(rng.integers(size, size=(2, ties - len(keys))), size))
    return keys


def _keys(pairs: Array, size: int) -> Array:
    low, high = np.minimum(*pairs), np.maximum(*pairs)
    keys: Array = (low.astype(np.int64) * size + high)[low != high]
    return keys


def _order(codes: Mapping[str, Array], shares: _Shares, size: int, seed: int) -> Array:
    keys: list[Array] = [generator(seed, "order").random(size)]
    for name in list(codes)[::-1]:
        rng = generator(seed, "place", name)
        stays = rng.random(size) < shares.placed[name]
        keys.append(np.where(stays, _parts(codes[name]), _parts(codes[name])[rng.integers(size, size=size)]))
    return np.lexsort(keys)


def _parts(codes: Array) -> Array:
    """Codes to sort by; numbers with many values by quantiles."""
    bins = int(np.clip((len(codes) / 60) ** 0.5, 3, BINS))
    if codes.dtype.kind != "f" or len(np.unique(codes)) <= bins:
        return codes
    edges = np.quantile(codes, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, codes)


def _whole(shares: Array, total: int, rng: np.random.Generator) -> Array:
    """``shares`` as integers that sum to ``total``; the remainder is drawn by lot."""
    whole = np.floor(shares).astype(np.int64)
    left = total - int(whole.sum())
    rest = shares - whole + rng.random(len(shares)) * 1e-6
    chance = rng.random(len(shares)) ** (1 / np.maximum(rest, 1e-12))  # Efraimidis & Spirakis 2006
    whole[np.argsort(-chance, kind="stable")[:left]] += 1
    return np.minimum(whole, max(1, (len(shares) - 1) // 2))


def _likeness(agents: Agents, config: NetworkConfig, edges: Array) -> Array:
    """The weighted share of attributes that two agents have in common; 1 without weights."""
    total, found = 0.0, np.zeros(len(edges))
    names = _heaviest_first(config)
    for name in names:
        one, codes = config.attribute_weights[name], _codes(agents, name, config)
        weight = one.weight / config.attribute_weights[names[0]].weight
        apart = np.abs(codes[edges[:, 0]] - codes[edges[:, 1]])
        if one.match_type == "exact":
            alike = (apart == 0).astype(float)
        elif one.match_type == "within_n":
            alike = (apart <= (one.range_value or 0)).astype(float)
        else:
            alike = np.clip(1 - apart / (one.range_value or 1.0), 0.0, 1.0)
        total, found = total + weight, found + weight * alike
    return np.round(found / total, 4) if total else np.ones(len(edges))


def _kinds(agents: Agents, config: NetworkConfig, edges: Array) -> tuple[tuple[str, ...], Array]:
    """The names of kinds, and the kind of each tie: of matching rules that of the highest priority, then the first."""
    names = tuple(dict.fromkeys([config.default_edge_type, *(rule.name for rule in config.edge_type_rules)]))
    kind = np.zeros(len(edges), dtype=np.int64)
    read = {name for rule in config.edge_type_rules for name in parse(rule.condition).names}
    ends = {
        f"{end}_{name}": column[edges[:, side]]
        for side, end in enumerate("ab")
        for name, column in agents.columns.items()
        if f"{end}_{name}" in read
    }
    ranked = sorted(enumerate(config.edge_type_rules), key=lambda one: (one[1].priority, -one[0]))
    for _, rule in ranked:  # the last one written counts
        kind[parse(rule.condition).mask(ends, len(edges))] = names.index(rule.name)
    return names, kind


def _meta(
    agents: Agents,
    config: NetworkConfig,
    edges: Array,
    reached: dict[str, float],
    seed: int,
) -> dict[str, Any]:
    size, clustered = len(agents), reached[""]
    degrees = np.bincount(edges.ravel(), minlength=size)
    degree = 2 * len(edges) / size
    return {
        "agent_count": size,
        "edge_count": len(edges),
        "avg_degree": degree,
        "clustering_coefficient": round(clustered, 4),
        **components(edges, size),
        "degree_range": [int(degrees.min()), int(np.median(degrees)), int(degrees.max())],
        "algorithm": "ordered_small_world",
        "seed": seed,
        "targets": {
            "avg_degree": _target(config.avg_degree, degree, 0.05),
            "clustering": _target(config.target_clustering, clustered, NEAR_CLUSTERING),
            "homophily": {
                name: _target(aim, reached[name], NEAR_HOMOPHILY) for name, aim in targets(config).items()
            },
        },
        "config": config.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
    }


def _target(wanted: float, reached: float, near: float) -> dict[str, Any]:
    return {
        "target": round(wanted, 4),
        "reached": round(reached, 4),
        "met": bool(abs(wanted - reached) <= near),
    }
