"""network.json: ``{meta, edges: [{source, target, weight, type, bidirectional}]}``, one tie a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.build.network import Network
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.files import read_json
from harness.records.atomic import write_whole

WHAT = "Network"
NAMED = 20
"""Faults of ties that are named."""


def write_network(path: Path, network: Network, agents: Agents) -> None:
    """Write it. Raises `HarnessError`."""
    # a copy of each line, for orjson's own holds on to a buffer of kilobytes
    meta = orjson.dumps(dict(network.meta), option=orjson.OPT_INDENT_2)
    lines = b",\n".join(memoryview(orjson.dumps(one)).tobytes() for one in _rows(network, agents))
    write_whole(path, b'{"meta": ' + meta + b',\n"edges": [\n' + lines + b"\n]}\n")


def _rows(network: Network, agents: Agents) -> Iterator[dict[str, Any]]:
    ids = agents.ids
    columns = (network.source, network.target, network.weight, network.kind)
    for source, target, weight, kind in zip(*(column.tolist() for column in columns), strict=True):
        yield {
            "source": ids[source],
            "target": ids[target],
            "weight": weight,
            "type": network.kinds[kind],
            "bidirectional": True,
        }


def read_network(path: Path, agents: Agents) -> Network:
    """The network of ``agents``. Raises `ConfigurationError` with every fault."""
    data, owner = read_json(path, WHAT), f"{WHAT} {path}"
    edges = data.get("edges") if isinstance(data, dict) else None
    if not isinstance(edges, list):
        raise ConfigurationError(
            f'{owner}: expected {{"meta": …, "edges": [{{"source": …, "target": …}}, …]}}.'
        )
    places = {name: number for number, name in enumerate(agents.ids)}
    raise_if_any(f"{owner}: {fault}" for fault in _problems(edges, places))
    kinds = tuple(sorted({str(one.get("type", "peer")) for one in edges}))
    which = {name: number for number, name in enumerate(kinds)}
    return Network(
        np.array([places[one["source"]] for one in edges], dtype=np.int64),
        np.array([places[one["target"]] for one in edges], dtype=np.int64),
        np.array([float(one.get("weight", 1.0)) for one in edges]),
        np.array([which[str(one.get("type", "peer"))] for one in edges], dtype=np.int64),
        kinds,
        data["meta"] if isinstance(data.get("meta"), dict) else {},
    )


def _problems(edges: list[Any], places: Mapping[str, int]) -> list[str]:
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for number, one in enumerate(edges):
        found += (f"edges.{number}: {fault}" for fault in _edge_problems(one, places, seen))
        if len(found) >= NAMED:
            return [*found, f"… perhaps more; the first {NAMED} are named."]
    return found


def _edge_problems(one: Any, places: Mapping[str, int], seen: set[tuple[int, int]]) -> Iterator[str]:
    if not isinstance(one, dict):
        yield f"{one!r:.60}; expected an object with source and target."
        return
    ends = [one.get("source"), one.get("target")]
    unknown = [end for end in ends if not isinstance(end, str) or end not in places]
    yield from (f"{end!r:.60} is not an agent; expected an _id of the agents' file." for end in unknown)
    weight = one.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0:
        yield f"weight={weight!r:.40}; expected a number from 0."
    if not isinstance(one.get("type", "peer"), str):
        yield f"type={one['type']!r:.40}; expected a text."
    if unknown:
        return
    low, high = sorted(places[str(end)] for end in ends)
    if low == high:
        yield f"{ends[0]!r} is tied to itself."
    elif (low, high) in seen:
        yield f"{ends[0]!r} and {ends[1]!r} are tied twice."
    seen.add((low, high))
