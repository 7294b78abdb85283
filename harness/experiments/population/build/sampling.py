"""Drawing a population, one attribute at a time for all agents at once.

Each attribute has its own random generator, seeded by SHA-256 of seed and name: so neither the order of
attributes nor adding one changes any other.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.expressions import Array, Columns, parse
from harness.experiments.population.formats.spec import (
    MAX_SIZE,
    TRUE,
    WHAT,
    Attribute,
    Beta,
    Boolean,
    Bounded,
    Categorical,
    Lognormal,
    Modifier,
    Normal,
    PopulationSpec,
    Uniform,
    order,
)

MOST_WHOLE = 9e15
"""Integers are smaller: below this a float represents each of them."""


def generator(seed: int, *names: object) -> np.random.Generator:
    """The generator for ``names``, independent of other draws and of the platform."""
    text = "\0".join(map(str, (seed, *names)))
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest())))


def check_seed(seed: int) -> None:
    """Raise `ConfigurationError` for a seed of more than 64 bits."""
    if not -(2**63) <= seed < 2**63:
        raise ConfigurationError(f"seed {seed}: expected a whole number of 64 bits.")


def sample(spec: PopulationSpec, *, count: int | None = None, seed: int = 0) -> Agents:
    """``count`` agents (``None``: the population's size) of ``spec``. Raises `ConfigurationError`."""
    size = spec.meta.size if count is None else count
    if not 1 <= size <= MAX_SIZE:
        raise ConfigurationError(f"count {size}: expected 1 to {MAX_SIZE:,}.")
    check_seed(seed)
    known = {one.name: one for one in spec.attributes}
    columns: dict[str, Array] = {}
    for name in order(spec):
        try:
            with np.errstate(all="ignore"):  # `_typed` reports what is not finite
                columns[name] = _bounded(_drawn(known[name], columns, size, seed), known[name])
        except ConfigurationError as error:
            raise_if_any(f"{WHAT}: attribute {name!r}: {fault}" for fault in error.problems)
    meta = {"spec": spec.meta.description, "count": size, "seed": seed, "stats": _stats(spec, columns, size)}
    width = len(str(size - 1))
    ids = tuple(f"agent_{number:0{width}d}" for number in range(size))
    return Agents(ids, {one.name: columns[one.name] for one in spec.attributes}, meta)


def _drawn(one: Attribute, columns: Columns, size: int, seed: int) -> Array:
    if one.sampling.strategy == "derived":
        return _typed(parse(one.sampling.formula or "").values(columns, size), one)
    modifiers = one.sampling.modifiers if one.sampling.strategy == "conditional" else []
    matches = [(parse(each.when).mask(columns, size), each) for each in modifiers]
    return _typed(_values(one, matches, columns, size, generator(seed, one.name)), one)


Matches = list[tuple[Array, Modifier]]


def _values(one: Attribute, matches: Matches, columns: Columns, size: int, rng: np.random.Generator) -> Array:
    match one.sampling.distribution:
        case Categorical() as drawn:
            return _options(drawn, matches, size, rng)
        case Boolean() as drawn:
            return rng.random(size) < _chances(drawn, matches, size)
        case Uniform() as drawn:
            low, high = _bounds(drawn, one, columns, size)
            slack = _slack(one, matches, size)
            return _modified(rng.uniform(low - slack, high + slack, size), matches)
        case Beta() as drawn:
            low, high = _bounds(drawn, one, columns, size)
            values = rng.beta(drawn.alpha, drawn.beta, size)
            if low is not None and high is not None:
                values = low + values * (high - low)
            is_share = low is None and high is None
            values = _rounded(_modified(values, matches), one)
            return _clipped(values, 0.0 if is_share else low, 1.0 if is_share else high)
        case Normal() | Lognormal() as drawn:
            low, high = _bounds(drawn, one, columns, size)
            slack = _slack(one, matches, size)
            wider = (None if low is None else low - slack, None if high is None else high + slack)
            values = _bell(drawn, *wider, columns, size, rng)
            return _clipped(_rounded(_modified(values, matches), one), low, high)
    raise ConfigurationError("no distribution")  # never: the file is checked


def _slack(one: Attribute, matches: Matches, size: int) -> Any:
    """Half a unit for integers before rounding; otherwise the first and last would be half as likely."""
    if one.type != "int":
        return 0.0
    modified = np.any([mask for mask, _ in matches], axis=0) if matches else np.zeros(size, dtype=bool)
    return np.where(modified, 0.0, 0.5)


def _rounded(values: Array, one: Attribute) -> Array:
    return np.rint(values) if one.type == "int" else values


def _bell(
    drawn: Normal | Lognormal, low: Any, high: Any, columns: Columns, size: int, rng: np.random.Generator
) -> Array:
    """Truncate with the inverse of the distribution function: no accumulation at a bound, no redraws."""
    from scipy.special import ndtr, ndtri

    mean = _parameter(drawn.mean, drawn.mean_formula, columns, size)
    default = 1.0 if isinstance(drawn, Normal) else mean * 0.5
    std = _parameter(drawn.std, drawn.std_formula, columns, size, default)
    is_log = isinstance(drawn, Lognormal)
    if np.any(np.asarray(std) < 0) or (is_log and np.any(np.asarray(mean) <= 0)):
        raise ConfigurationError(
            f"a formula gives {'a mean of 0 or less or ' * is_log}a negative std for some agents."
        )
    if is_log:  # mean m and deviation s of the value: σ² = ln(1 + s²/m²), μ = ln m − σ²/2
        spread = np.log1p(np.square(std / mean))
        mean, std = np.log(mean) - spread / 2, np.sqrt(spread)
        with np.errstate(divide="ignore"):
            low, high = (None if one is None else np.log(np.maximum(one, 0.0)) for one in (low, high))
    scale = np.where(np.asarray(std) > 0, std, 1.0)
    first = -np.inf if low is None else (low - mean) / scale
    last = np.inf if high is None else (high - mean) / scale
    above = np.asarray(first) > 0  # drawn below and mirrored: floats near 1 are too sparse
    least, most = ndtr(np.where(above, -last, first)), ndtr(np.where(above, -first, last))
    inside = least + rng.random(size) * (most - least)
    deviation = ndtri(np.clip(inside, 1e-300, 1 - 1e-16))
    values = mean + np.where(np.asarray(std) > 0, std, 0.0) * np.where(above, -deviation, deviation)
    return np.exp(values) if is_log else np.asarray(values)


def _parameter(
    fixed: float | None, formula: str | None, columns: Columns, size: int, default: Any = None
) -> Any:
    if formula is not None:
        return parse(formula).values(columns, size).astype(float)
    return default if fixed is None else fixed


def _bounds(drawn: Bounded | Uniform, one: Attribute, columns: Columns, size: int) -> tuple[Any, Any]:
    """Lower and upper bound; for integers the first and the last."""
    low = _parameter(drawn.min, getattr(drawn, "min_formula", None), columns, size)
    high = _parameter(drawn.max, getattr(drawn, "max_formula", None), columns, size)
    _check_order(low, high, size, "its lower bound is above its upper")
    if one.type == "int" and not isinstance(drawn, Beta):
        low, high = (None if low is None else np.ceil(low)), (None if high is None else np.floor(high))
        _check_order(low, high, size, "no whole number lies between its bounds")
    return low, high


def _check_order(low: Any, high: Any, size: int, fault: str) -> None:
    if low is not None and high is not None and np.any(np.asarray(low) > high):
        number = int(np.broadcast_to(np.asarray(low) > high, (size,)).sum())
        raise ConfigurationError(f"{fault} for {number:,} of {size:,}.")


def _modified(values: Array, matches: Matches) -> Array:
    """Apply every factor, then every summand."""
    factor, added = np.ones(len(values)), np.zeros(len(values))
    for mask, one in matches:
        factor[mask] *= 1.0 if one.multiply is None else one.multiply
        added[mask] += one.add or 0.0
    found: Array = values * factor + added
    return found


def _clipped(values: Array, low: Any, high: Any) -> Array:
    return values if low is None and high is None else np.clip(values, low, high)


def _options(drawn: Categorical, matches: Matches, size: int, rng: np.random.Generator) -> Array:
    base = np.array(drawn.weights)
    which = np.zeros(size, dtype=np.int64)  # the last match decides
    tables = [base]
    for mask, one in matches:
        if one.weight_overrides:
            tables.append(
                np.array(
                    [one.weight_overrides.get(name, w) for name, w in zip(drawn.options, base, strict=True)]
                )
            )
            which[mask] = len(tables) - 1
    sums = np.cumsum(np.array([table / table.sum() for table in tables]), axis=1)[:, :-1]
    picked = (rng.random(size)[:, None] >= sums[which]).sum(axis=1)
    found: Array = np.array(drawn.options, dtype=str)[picked]
    return found


def _chances(drawn: Boolean, matches: Matches, size: int) -> Array:
    chances = np.full(size, drawn.probability_true)
    for mask, one in matches:
        if one.probability_override is not None:
            chances[mask] = one.probability_override
        else:
            chances[mask] = chances[mask] * (1.0 if one.multiply is None else one.multiply) + (one.add or 0.0)
    found: Array = np.clip(chances, 0.0, 1.0)
    return found


def _typed(values: Array, one: Attribute) -> Array:
    """Convert to the attribute's declared type; an option such as '6+' counts as 6 for a number."""
    kind = values.dtype.kind
    if one.type == "categorical":
        return values.astype(str)
    if one.type == "boolean":
        return np.isin(np.char.lower(values), TRUE) if kind == "U" else values.astype(bool)
    numbers = _from_texts(values) if kind == "U" else values.astype(float)
    odd = ~(np.abs(numbers) < (MOST_WHOLE if one.type == "int" else np.inf))
    if odd.any():
        kind = f"whole number below {MOST_WHOLE:.0e}" if one.type == "int" else "finite number"
        raise ConfigurationError(f"is not a {kind} for {int(odd.sum()):,} of {len(odd):,}; expected one.")
    return np.rint(numbers).astype(np.int64) if one.type == "int" else numbers


def _from_texts(values: Array) -> Array:
    names, places = np.unique(values, return_inverse=True)
    found = [re.search(r"-?\d+(\.\d+)?", str(name)) for name in names]
    odd = [str(name) for name, one in zip(names, found, strict=True) if one is None]
    if odd:
        raise ConfigurationError(
            f"the option {odd[0]!r} contains no number; expected type categorical, or numbers."
        )
    return np.array([float(one[0]) for one in found if one])[places]


def _bounded(values: Array, one: Attribute) -> Array:
    for constraint in one.constraints:
        if constraint.value is not None and values.dtype.kind in "if":
            is_least = constraint.type in ("hard_min", "min")
            move, whole = (np.maximum, np.ceil) if is_least else (np.minimum, np.floor)
            bound = whole(constraint.value) if one.type == "int" else constraint.value
            if is_least or constraint.type in ("hard_max", "max"):
                values = move(values, values.dtype.type(bound))
    return values


def _stats(spec: PopulationSpec, columns: Columns, size: int) -> dict[str, Any]:
    """Summaries of each attribute, and violations of each constraint, as shares of ``size``."""
    violated = {}
    for one in spec.attributes:
        for constraint in one.constraints:
            if constraint.type == "expression" and constraint.expression is not None:
                holds = parse(constraint.expression).mask({**columns, "value": columns[one.name]}, size)
                violated[f"{one.name}: {constraint.expression}"] = int((~holds).sum())
    return {
        "attributes": {name: summary(column) for name, column in columns.items()},
        "constraint_violations": violated,
    }


def summary(column: Array) -> dict[str, Any]:
    """Mean, standard deviation and range of numbers; counts of anything else."""
    if column.dtype.kind in "if":
        figures = {"mean": column.mean(), "std": column.std(), "min": column.min(), "max": column.max()}
        return {name: round(float(value), 6) for name, value in figures.items()}
    values, counts = np.unique(column, return_counts=True)
    return {"counts": dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))}
