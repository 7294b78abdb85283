"""Several runs as the arms of one dataset: which runs are comparable, how they differ, and what is tested."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from harness.errors import ConfigurationError
from harness.model import Contrast, Dataset, Observation
from harness.model.contrast import MINUS, Pair
from harness.records.dataset import dataset_of, meta_of
from harness.records.earlier_versions import setting_differences
from harness.records.filed_runs import FiledRun
from harness.records.json_safe import shown
from harness.records.plans import settings_of
from harness.records.registry.code_store import SHORT, code_difference

EXPLORATORY = (
    "EXPLORATORY: no plan names this comparison, and trials were not interleaved between the runs. Whatever changed "
    "between them, such as the model behind an endpoint, is part of each difference."
)
_MOST_LINES = 20
_HASH = re.compile(r"[0-9a-f]{64}")
_IDENTITY = ("seed", "trial_seed", "provider_seed")
"""Settings that make other samples of the same thing."""


@dataclass(frozen=True, slots=True)
class ComparedLevel:
    """One side of a comparison: runs that are pooled, such as the seeds of a variant, under a short ``name``."""

    name: str
    runs: tuple[FiledRun, ...]


def comparable_groups(levels: Sequence[ComparedLevel]) -> tuple[str, ...]:
    """The groups that all ``levels`` have, in the first one's order.

    Raises `ConfigurationError` with every reason why they are not comparable: other metrics, people or proposals, a
    rehearsal beside real replies, or no group in common.
    """
    first = levels[0].runs[0]
    others = [(level.name, run) for level in levels for run in level.runs if run is not first]
    problems = [
        f"  {levels[0].name} (run {first.run_id}) and {name} (run {run.run_id}): {why}."
        for name, run in others
        for why in _obstacles(first, run)
    ]
    groups = tuple(
        group for group in first.design.groups if all(group in run.design.groups for _, run in others)
    )
    if not groups and not problems:
        problems = ["  They have no group in common."]
    if problems:
        raise ConfigurationError(
            "These runs cannot be compared:",
            *dict.fromkeys(problems),
            "Expected runs with the same metrics, people and proposals.",
        )
    return groups


def _obstacles(one: FiledRun, other: FiledRun) -> Iterator[str]:
    if one.rehearsal != other.rehearsal:
        yield "one is a rehearsal, whose replies are not evidence, and the other is not"
    yield from _metric_obstacles(one, other)
    design, theirs = one.design, other.design
    if design.panels != theirs.panels:
        yield "other people take part, so that blocks cannot be matched"
    else:
        for group in (name for name in design.groups if name in theirs.groups):
            hashes = [(_line(run, group).get("population") or {}).get("sha256") for run in (one, other)]
            if hashes[0] != hashes[1]:
                yield f"the people of {group} have the same names and other descriptions"
    words = [_proposals(run) for run in (one, other)]
    if (design.proposals, design.only, words[0]) != (theirs.proposals, theirs.only, words[1]):
        yield "the proposals differ, so that blocks cannot be matched"


def _metric_obstacles(one: FiledRun, other: FiledRun) -> Iterator[str]:
    if one.design.metrics != other.design.metrics:
        yield f"other metrics, {', '.join(one.design.metrics)} and {', '.join(other.design.metrics)}"
        return
    asked = [_metrics(run) for run in (one, other)]
    for name in one.design.metrics:
        if asked[0].get(name) != asked[1].get(name):
            yield f"metric {name} asks something else"
        elif (
            (found := one.measured.get(name))
            and (theirs := other.measured.get(name))
            and found.code != theirs.code
        ):
            yield f"metric {name} is computed by other code (harness rescore brings a run up to date)"


def _metrics(run: FiledRun) -> dict[str, Any]:
    return {
        str(one.get("name")): one
        for one in settings_of(run.metadata).get("metrics") or ()
        if isinstance(one, Mapping)
    }


def _proposals(run: FiledRun) -> Any:
    line = run.metadata[0] if run.metadata else {}
    return ((line.get("script") or {}).get("words") or {}).get("proposals")


def _line(run: FiledRun, group: str) -> Mapping[str, Any]:
    """The metadata of one of the group's files."""
    return next((line for line in run.metadata if line.get("group") == group), {})


def differing_settings(one: FiledRun, other: FiledRun) -> dict[str, tuple[Any, Any]]:
    """Dotted setting → its two values, seeds aside; those of a group begin with its name."""
    found = setting_differences(settings_of(one.metadata), settings_of(other.metadata))
    found = {key: values for key, values in found.items() if key not in _IDENTITY}
    for group in (name for name in one.design.groups if name in other.design.groups):
        own = [_line(run, group).get("group_settings") or {} for run in (one, other)]
        found |= {f"group {group}: {key}": values for key, values in setting_differences(*own).items()}
    return found


def difference_lines(first: ComparedLevel, later: ComparedLevel) -> list[str]:
    """What differs between two levels, a sentence per setting; of code and words a short diff, where they were kept."""
    one, other = first.runs[0], later.runs[0]
    lines = []
    for key, (then, now) in differing_settings(one, other).items():
        diff = list(code_difference(one.folder, str(then), str(now))) if one.folder == other.folder else []
        values = f"{_short(then)} in {first.name}, {_short(now)} in {later.name}"
        lines.append(f"{key}: {'; '.join(line.strip() for line in diff) or values}")
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more settings"]
    return lines or [f"nothing that is recorded differs between {first.name} and {later.name}, seeds aside"]


def _short(value: Any) -> str:
    """A setting's value; of a hash the beginning."""
    if value is None:
        return "not set"
    return value[:SHORT] if isinstance(value, str) and _HASH.fullmatch(value) else shown(value)


def joined_dataset(levels: Sequence[ComparedLevel], *, pairs: bool = False) -> Dataset:
    """Groups of all ``levels`` as the arms of one dataset, with the contrasts that compare the levels.

    In each group each later level is compared with the first one, or with ``pairs`` every level with every other one;
    and where there are several groups, so are the differences of each later group from the first. Runs of one level are
    pooled as repetitions. Blocks are panels × proposals, as within a run. Raises as `comparable_groups` does.
    """
    groups = comparable_groups(levels)
    data = {level.name: [dataset_of(run, meta_of(run)) for run in level.runs] for level in levels}
    first = data[levels[0].name][0]
    found = [one for name, sets in data.items() for one in _renamed(name, sets, groups)]
    every = [one for sets in data.values() for one in sets]
    return Dataset(
        experiment=first.experiment,
        groups=tuple(_arm(group, level.name) for group in groups for level in levels),
        metrics=first.metrics,
        observations=tuple(found),
        source=" and ".join(level.name for level in levels),
        rehearsal=first.rehearsal,
        meta={"exploratory": True},
        unread=tuple(text for one in every for text in one.unread),
        mixed=tuple(dict.fromkeys(text for one in every for text in one.mixed)),
        contrasts=tuple(_contrasts(groups, [level.name for level in levels], pairs=pairs)),
        undelivered={
            _arm(group, name): why
            for name, sets in data.items()
            for one in sets
            for group, why in one.undelivered.items()
        },
    )


def _arm(group: str, level: str) -> str:
    return f"{group} in {level}"


def _contrasts(groups: Sequence[str], levels: Sequence[str], *, pairs: bool) -> Iterator[Contrast | Pair]:
    compared = list(combinations(levels, 2)) if pairs else [(levels[0], later) for later in levels[1:]]
    for first, later in compared:
        yield from ((_arm(group, later), _arm(group, first)) for group in groups)
        for group in groups[1:]:
            yield Contrast(
                f"{group} {MINUS} {groups[0]}: {later} {MINUS} {first}",
                {
                    _arm(group, later): 1.0,
                    _arm(groups[0], later): -1.0,
                    _arm(group, first): -1.0,
                    _arm(groups[0], first): 1.0,
                },
            )


def _renamed(level: str, sets: Sequence[Dataset], groups: Sequence[str]) -> Iterator[Observation]:
    """The observations of a level's runs in ``groups``; each further run has the next numbers of repetitions."""
    before = 0
    for data in sets:
        reps = max((one.rep for one in data.observations), default=0)
        for one in data.observations:
            if one.group in groups:
                yield replace(one, group=_arm(one.group, level), rep=one.rep + before)
        before += reps
