"""What a variant changes: the experiment with its overrides applied, and the options of its session."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.batches import ids
from harness.batches.manifest import Planned
from harness.errors import ConfigurationError, expected_one_of, raise_if_any
from harness.model import Experiment, Group
from harness.runtime.plan import choose_mode

Options = Mapping[str, Any]
"""Options of a session that identify its runs: mode, count, engine, model, base_url, judge_model, …"""

SESSION_AXES = ("model", "routine-model", "provider", "rate")
"""Axes that change the session. ``routine-model`` is the judge's, ``rate`` the model calls in any minute."""


def grid(
    asked: Sequence[tuple[str, Sequence[str]]],
    seeds: Sequence[int],
    declared: Iterable[str],
    *,
    factorial: bool,
) -> tuple[Planned, ...]:
    """The variants of a sweep: each value of its axis, or with ``factorial`` of all axes together, under each seed.

    Raises `ConfigurationError` with every fault: an unknown axis, several without ``factorial``, a value said twice.
    """
    axes = ids.vocabulary(declared)
    raise_if_any(_grid_faults(asked, axes, factorial))
    seeds = _seeds(asked, seeds)
    others = [(axis, values) for axis, values in asked if axis != "seed"]
    if not others:
        return tuple(Planned(str(ids.make_variant({"seed": seed}, seed, axes)), seed) for seed in seeds)
    found = []
    for values in itertools.product(*(values for _, values in others)):
        overrides = {axis: ids.value_of(text) for (axis, _), text in zip(others, values, strict=True)}
        found += [Planned(str(ids.make_variant(overrides, seed, axes)), seed, overrides) for seed in seeds]
    return tuple(found)


def _grid_faults(
    asked: Sequence[tuple[str, Sequence[str]]], axes: Sequence[str], factorial: bool
) -> Iterable[str]:
    names = [axis for axis, _ in asked]
    for axis, values in asked:
        if axis not in axes:
            yield f"Axis {axis!r}: {expected_one_of(axis, axes)}"
        if not values and axis:
            yield f"Axis {axis!r}: no values; expected some, such as 2 3 4."
        yield from (
            f"Axis {axis!r}: {value!r} occurs twice; expected each value once."
            for value in dict.fromkeys(values)
            if values.count(value) > 1
        )
    if len(set(names)) < len(names):
        yield f"Axes {', '.join(names)}: expected each axis once."
    elif len(names) > 1 and not factorial:
        yield (
            f"Axes {' and '.join(names)}: a sweep varies one axis, so that a difference has one cause. "
            "Expected one axis, or a full factorial of all."
        )


def _seeds(asked: Sequence[tuple[str, Sequence[str]]], seeds: Sequence[int]) -> Sequence[int]:
    named = dict(asked).get("seed")
    if named is None:
        return seeds
    wrong = [text for text in named if not (text.isascii() and text.isdigit() and text == str(int(text)))]
    if wrong:
        raise ConfigurationError(f"Axis 'seed': {wrong[0]!r}; expected whole numbers from 0, such as 7.")
    return [int(text) for text in named]


def name_of(experiment: str, variant_id: str) -> str:
    """What a variant's experiment is called in records. Raises `ConfigurationError` where that is too long."""
    name = f"{experiment}.{variant_id}"
    if len(name) > 64:
        raise ConfigurationError(
            f"Variant {variant_id}: its records would be of {name!r}, {len(name)} characters; expected 64 at most. "
            "Sweep fewer axes at once, or register the experiment under a shorter name."
        )
    return name


def apply_overrides(experiment: Experiment, planned: Planned, options: Options) -> tuple[Experiment, Options]:
    """``experiment`` as the variant has it, and the options of its session. Raises `ConfigurationError`."""
    mode, _ = choose_mode(experiment, options.get("mode"))
    changed, session = experiment, dict(options)
    for axis, value in planned.overrides.items():
        if axis in SESSION_AXES:
            session |= _session(axis, value, session)
        else:
            changed = _changed(changed, axis, value, mode)
    return replace(changed, name=name_of(experiment.name, planned.id), seed=planned.seed), session


def _changed(experiment: Experiment, axis: str, value: ids.Value, mode: str) -> Experiment:
    setting = next((name for name in experiment.axes if ids.axis_of(name) == axis), None)
    if setting is not None:
        as_before = _alike(experiment, setting, value)
        return replace(experiment, settings={**experiment.settings, setting: as_before})
    change = _OWN.get(axis)
    if change is None:
        known = ", ".join(ids.axis_of(name) for name in experiment.axes) or "none"
        raise ConfigurationError(
            f"Axis {axis!r}: {experiment.name} has no such axis; it declares {known}. "
            f"Expected a setting named in axes=, or one of {', '.join([*_OWN, 'seed', *SESSION_AXES])}."
        )
    return change(experiment, value, mode)


def _alike(experiment: Experiment, setting: str, value: ids.Value) -> ids.Value:
    """``value`` in the type that the setting has. Raises `ConfigurationError`."""
    default = experiment.settings[setting]
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, str):
        return ids.text_of(value)
    if default is not None and type(value) is not type(default):
        raise ConfigurationError(
            f"Axis {ids.axis_of(setting)!r}: {value!r}; expected a {type(default).__name__}, "
            f"as {default!r} is in {experiment.name}."
        )
    return value


def _whole(axis: str, value: ids.Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"Axis {axis!r}: {value!r}; expected a whole number.")
    return value


def _threshold(experiment: Experiment, value: ids.Value, _mode: str) -> Experiment:
    threshold = _whole("threshold", value)
    if all(group.correction is None for group in experiment.groups):
        raise ConfigurationError(
            f"Axis 'threshold': no group of {experiment.name} has a correction, so nothing would change; expected "
            "an experiment with one, or with a setting of that name in axes=."
        )

    def corrected(group: Group) -> Group:
        correction = group.correction
        return (
            group
            if correction is None
            else replace(group, correction=replace(correction, quality_threshold=threshold))
        )

    return replace(experiment, groups=tuple(map(corrected, experiment.groups)))


def _sized(axis: str) -> Callable[[Experiment, ids.Value, str], Experiment]:
    def change(experiment: Experiment, value: ids.Value, mode: str) -> Experiment:
        size: dict[str, Any] = {axis: _whole(axis, value)}
        return replace(experiment, modes={**experiment.modes, mode: replace(experiment.modes[mode], **size)})

    return change


_OWN: Mapping[str, Callable[[Experiment, ids.Value, str], Experiment]] = {
    "threshold": _threshold,
    "steps": _sized("steps"),
    "people": _sized("people"),
}


def _session(axis: str, value: ids.Value, options: Options) -> dict[str, Any]:
    if axis == "rate":
        rate = _whole("rate", value)
        if rate < 1:
            raise ConfigurationError(f"Axis 'rate': {rate}; expected 1 call per minute or more.")
        return {"rpm": rate}
    text = ids.text_of(value)
    if axis == "provider":
        _, colon, model = str(options.get("model") or "rehearsal").partition(":")
        return {"model": text if ":" in text else f"{text}{colon}{model}"}
    return {"judge_model" if axis == "routine-model" else "model": text}
