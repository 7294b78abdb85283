"""G4: is the network one over these agents, and one that something can spread over?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.experiments.population.gates.subject import (
    GateSubject,
    above,
    below,
    failed,
    none_of,
    passed,
    warned,
)
from harness.experiments.population.gates.table import Array
from harness.experiments.population.gates.wording import listed, share
from harness.model import Check, Level

_FIELDS = ("source", "target", "weight", "type")
_EACH = "edges that are not malformed"


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Ends of sound edges as numbers: below the count of agents those of agents, from there on ``strangers``."""

    source: Array
    target: Array
    malformed: int
    reasons: tuple[str, ...]
    strangers: tuple[str, ...]


def check(subject: GateSubject) -> Iterator[Check]:
    """network.json against agents.json."""
    data = subject.material.json("network.json")
    edges = data.get("edges") if isinstance(data, dict) else None
    if not isinstance(edges, list):
        yield failed(
            "file", 'expected {"meta": …, "edges": [{"source": …, "target": …, "weight": …, "type": …}]}'
        )
        return
    agents = subject.material.agents()
    ids = list(dict.fromkeys(one for one in agents.ids if isinstance(one, str)))
    found = _edges(edges, ids)
    whole = len(edges)
    told = f": {'; '.join(found.reasons)}" if found.reasons else ""
    yield none_of(
        "edges", found.malformed, whole, f"{share(found.malformed, whole, 'edges')} are malformed{told}"
    )
    yield from _ends(found, len(ids))
    yield from _declared(data, whole)
    inside = (found.source < len(ids)) & (found.target < len(ids)) & (found.source != found.target)
    pairs = _pairs(found.source[inside], found.target[inside])
    doubled = int(inside.sum()) - len(pairs)
    said = f"{share(doubled, int(inside.sum()), 'edges between agents')} join a pair that is joined already"
    yield (warned if doubled else passed)("repeated edges", said, number=doubled, threshold="none")
    if ids:
        yield from _shape(subject, pairs, len(ids))


def _edges(edges: list[Any], ids: list[str]) -> _Edges:
    reasons: Counter[str] = Counter()
    sound = edges
    if not _all_sound(edges):
        said = [_malformed(edge) for edge in edges]
        reasons.update(reason for reason in said if reason)
        sound = [edge for edge, reason in zip(edges, said, strict=True) if not reason]
    place = {name: number for number, name in enumerate(ids)}
    names = [edge["source"] for edge in sound], [edge["target"] for edge in sound]
    source, target = (
        np.array([place.setdefault(name, len(place)) for name in side], dtype=np.int64) for side in names
    )
    told = tuple(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    return _Edges(source, target, reasons.total(), told, tuple(list(place)[len(ids) :]))


def _all_sound(edges: list[Any]) -> bool:
    """Whether none is `_malformed`, in a fraction of the time that asking for each takes."""
    if {*map(type, edges)} - {dict}:
        return False
    source, target, weight, kind = ([edge.get(name) for edge in edges] for name in _FIELDS)
    texts = {*map(type, source), *map(type, target), *map(type, kind)} <= {str}
    numbers = {*map(type, weight)} <= {float, int}
    return texts and numbers and all(kind) and min(weight, default=0) >= 0 and max(weight, default=0) <= 1


def _malformed(edge: Any) -> str:
    """What is wrong with an edge; empty for a sound one."""
    if type(edge) is not dict:
        return "no objects"
    if type(edge.get("source")) is not str or type(edge.get("target")) is not str:
        return "without source and target"
    if type(edge.get("weight")) not in (float, int) or not 0 <= edge["weight"] <= 1:
        return "without a weight from 0 to 1"
    if type(edge.get("type")) is not str or not edge["type"]:
        return "without a type"
    return ""


def _ends(found: _Edges, agents: int) -> Iterator[Check]:
    whole = len(found.source)
    orphan = int(((found.source >= agents) | (found.target >= agents)).sum())
    told = f": {listed(found.strangers)}" if found.strangers else ""
    said = f"{share(orphan, whole, _EACH)} end at an unknown agent{told}"
    yield none_of("orphan endpoints", orphan, whole, said)
    loops = int((found.source == found.target).sum())
    yield none_of("loops", loops, whole, f"{share(loops, whole, _EACH)} join an agent with itself")


def _declared(data: dict[str, Any], whole: int) -> Iterator[Check]:
    meta = data.get("meta")
    said = meta.get("edge_count") if isinstance(meta, dict) else None
    if isinstance(said, int) and said != whole:
        message = f"{whole:,} edges where the file's own meta says {said:,}: part of it is lost"
        yield failed("count", message, number=whole, threshold=f"{said:,}")


def _pairs(source: Array, target: Array) -> Array:
    """Each pair once, in rows of two."""
    if not len(source):
        return np.empty((0, 2), dtype=np.int64)
    low, high = np.minimum(source, target), np.maximum(source, target)
    span = int(high.max()) + 1
    joined = np.unique(low * span + high)
    return np.stack([joined // span, joined % span], axis=1)


def _shape(subject: GateSubject, pairs: Array, agents: int) -> Iterator[Check]:
    limits = subject.limits
    mean = 2 * len(pairs) / agents
    said = f"{len(pairs):,} pairs of {agents:,} agents: {mean:.3g} neighbours each on average"
    yield below("near-empty", mean, limits.mean_degree, said, unit=" neighbours")
    possible = agents * (agents - 1) // 2
    if agents > 10:
        said = f"{share(len(pairs), possible, 'possible pairs')} are joined"
        yield above("near-complete", len(pairs) / possible, limits.density, said)
    degree = np.bincount(pairs.ravel(), minlength=agents)
    alone = int((degree == 0).sum())
    said = f"{share(alone, agents, 'agents')} have no neighbour"
    yield above("isolated", alone / agents, limits.isolated, said)
    yield from _components(subject, pairs, agents)
    if agents > 10 and len(pairs) and degree.min() == degree.max():
        told = f"every one of {agents:,} agents has exactly {int(degree[0])} neighbours: a lattice, hardly a society"
        yield Check("degrees", Level.WARN, told, float(degree[0]), "degrees that differ")


def _components(subject: GateSubject, pairs: Array, agents: int) -> Iterator[Check]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(agents, agents))
    count, labels = connected_components(graph.tocsr(), directed=False)
    largest = int(np.bincount(labels).max())
    said = f"{count:,} components; the largest has {share(largest, agents, 'agents')}"
    yield below("disconnected", largest / agents, subject.limits.largest_component, said)
