"""Measures of a network: clustering, assortativity, components. igraph counts the triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.experiments.population.formats.expressions import Array


def clustering(edges: Array, size: int) -> float:
    """The mean local clustering coefficient (Watts & Strogatz 1998); 0 for less than two ties."""
    import igraph

    return float(igraph.Graph(size, edges).transitivity_avglocal_undirected(mode="zero"))


def components(edges: Array, size: int) -> dict[str, Any]:
    """The share of agents in the largest component, and how many have no ties at all."""
    import igraph

    graph = igraph.Graph(size, edges)
    return {
        "largest_component_ratio": round(max(graph.connected_components().sizes()) / size, 4),
        "isolated": sum(1 for degree in graph.degree() if degree == 0),
    }


def assortativity(codes: Array, edges: Array, *, ordered: bool) -> float:
    """Newman's coefficient (Phys. Rev. E 67, 2003): of numbers the correlation over ties, else the nominal one.

    0 where all agents have one value or none has a tie.
    """
    if not len(edges):
        return 0.0
    ends = np.concatenate([edges, edges[:, ::-1]])
    left, right = codes[ends[:, 0]], codes[ends[:, 1]]
    if ordered:
        return float(np.corrcoef(left, right)[0, 1]) if left.std() > 0 else 0.0
    shares = np.bincount(left.astype(np.int64)) / len(
        ends
    )  # of both sides alike: each tie is there both ways
    by_chance = float(np.square(shares).sum())
    return 0.0 if by_chance >= 1 else (float((left == right).mean()) - by_chance) / (1 - by_chance)
