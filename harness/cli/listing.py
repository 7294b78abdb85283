"""The table of ``harness list``: experiments, and how many model calls they take."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.console import echo
from harness.engines import engine_factory
from harness.errors import ConfigurationError, HarnessError, expected_one_of
from harness.extras import MissingExtraError
from harness.guests import Sources, find, registered
from harness.model import Experiment, Group
from harness.personas import Population, population_of
from harness.plugin.expected_calls import expected_calls
from harness.reports.numbers import counted
from harness.runtime.plan import choose_mode, panels_of, plan_cell

WIDTH = 80


def show(path: Path | None, mode: str | None, engine: str, sources: Sources) -> None:
    """Print one block per experiment. Raises `HarnessError` for what cannot be read."""
    engine_factory(engine)
    guests = {"": experiments_in(path)} if path is not None else registered(sources)
    for experiment in (one for guest in guests.values() for one in guest.values()):
        try:
            lines = list(block(experiment, mode=mode, engine=engine, folder=sources.notebooks))
        except MissingExtraError as error:
            lines = [
                experiment.name,
                *textwrap.wrap(str(error), WIDTH, initial_indent="  ", subsequent_indent="  "),
                "",
            ]
        echo("\n".join(lines))


def experiments_in(path: Path) -> Mapping[str, Experiment]:
    """The experiments of a user's own test file or folder."""
    import contextlib
    import io

    from harness.plugin.launch import LaunchRequest, launch

    request, output = LaunchRequest(), io.StringIO()
    with contextlib.redirect_stdout(output):
        launch(request, path, further=["--collect-only", "-q"])
    if not request.collected:
        raise HarnessError(
            f"{path}: no experiments found there; expected a test with @pytest.mark.experiment(…). pytest said:\n"
            f"{output.getvalue().strip()}"
        )
    return request.collected


def experiment_named(name: str | None, path: Path | None, sources: Sources) -> Experiment:
    """The registered experiment of that name, or the one in a test file. Raises `ConfigurationError`."""
    if path is None:
        assert name is not None, "a registered experiment is found by its name"
        found = find(name, registered(sources))
        if len(found) == 1:
            return found[0]
        names = ", ".join(one.name for one in found)
        raise ConfigurationError(
            f"--exp {name!r} is a study of several experiments; expected one of {names}."
        )
    known = experiments_in(path)
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None or name not in known:
        raise ConfigurationError(
            f"--exp {name!r}: no such experiment in {path}; {expected_one_of(name or '', known)}"
        )
    return known[name]


def block(experiment: Experiment, *, mode: str | None, engine: str, folder: Path | None) -> Iterator[str]:
    """The lines about one experiment; at most 80 columns where names allow."""
    chosen, _ = choose_mode(experiment, mode)
    source = folder if experiment.script.source == "notebook" else None
    population = population_of(experiment, source)
    people = population.personas
    about = f", words: {experiment.script.source}, {len(people)} people" if people else ""
    yield f"{experiment.name}  ({experiment.protocol}{about})"
    for name, one in experiment.modes.items():
        mark = "*" if name == chosen else " "
        panels = panels_of(experiment, one, people)
        trials = len(panels) * len(experiment.script.proposals[: one.proposals]) * one.reps
        proposals = len(experiment.script.proposals[: one.proposals])
        made_of = f"{one.reps} reps, {one.steps} steps, {len(panels)} panels × {proposals} proposals"
        if experiment.play and len(panels) == 1:
            made_of = f"{one.reps} reps × {proposals} trials" if proposals > 1 else f"{one.reps} reps"
        if experiment.assignment == "between":
            yield f"  {mark} mode {name:<6} {made_of}: {trials} trials, each panel in one group"
            continue
        yield f"  {mark} mode {name:<6} {made_of}: {trials} trials per group"
    for group in experiment.groups:
        low, high = _calls(experiment, group, chosen, population, engine)
        calls = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        line = f"{group.name:<10} {calls} model calls" + ("" if experiment.play else f": {_arm(group)}")
        yield from textwrap.wrap(line, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 15)
    yield from _comparisons(experiment, chosen, len(panels_of(experiment, experiment.modes[chosen], people)))
    yield ""


def _comparisons(experiment: Experiment, mode: str, panels: int) -> Iterator[str]:
    """The calls of pairwise comparisons: two for each pair of arms in each block."""
    size = experiment.modes[mode]
    blocks = panels * len(experiment.script.proposals[: size.proposals]) * size.reps
    names = [group.name for group in experiment.groups]
    for one in experiment.preferences:
        pairs = len(one.arms(names))
        compared = counted(pairs, "pair of groups", "pairs of groups")
        yield f"    {one.name:<10} {2 * pairs * blocks:,} model calls: {compared}, in both orders"


def _arm(group: Group) -> str:
    parts = [f"{name} {textwrap.shorten(str(value), 40)!r}" for name, value in group.declared.items()]
    if group.correction is not None:
        parts.append(
            f"correction below {group.correction.quality_threshold}, {group.correction.max_attempts} attempts"
        )
    parts += [f"intervention {one.name}" for one in group.interventions]
    return "; ".join(parts) or "no correction, no intervention"


def _calls(
    experiment: Experiment, group: Group, mode: str, population: Population, engine: str
) -> tuple[int, int]:
    """Model calls of a group: least and most, where correction and interventions leave that open."""
    plan = plan_cell(experiment, group, 1, mode=mode, population=population, engine=engine)
    least, most = expected_calls(engine, plan.trials)
    return plan.reps * least.total(), plan.reps * most.total()
