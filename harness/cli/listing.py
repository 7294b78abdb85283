"""The table of ``harness list``: what there is to run, and how many model calls it takes."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.errors import ConfigurationError, HarnessError
from harness.model import Experiment, Group, Mode, Proposition, Script
from harness.plugin.parts import ENGINES
from harness.populations import load
from harness.runner.plan import choose_mode, panels_of
from harness.studies import Sources, registered

WIDTH = 80


def show(path: Path | None, mode: str | None, engine: str, sources: Sources) -> None:
    """Print one block per experiment. Raises `HarnessError` for what cannot be read."""
    if engine not in ENGINES:
        raise ConfigurationError(
            f"--engine {engine!r}: no such engine; expected one of {', '.join(ENGINES)}."
        )
    studies = {"": _collected(path)} if path is not None else registered(sources)
    for experiment in (one for study in studies.values() for one in study.values()):
        print("\n".join(block(experiment, mode=mode, engine=engine, folder=sources.notebooks)))


def _collected(path: Path) -> Mapping[str, Experiment]:
    """The experiments of a user's own test file or folder."""
    import contextlib
    import io

    from harness.plugin.launch import Request, launch

    request, output = Request(), io.StringIO()
    with contextlib.redirect_stdout(output):
        launch(request, ["--collect-only", "-q"], path)
    if not request.collected:
        raise HarnessError(f"{path}: no experiments found there. pytest said:\n{output.getvalue().strip()}")
    return request.collected


def block(experiment: Experiment, *, mode: str | None, engine: str, folder: Path | None) -> Iterator[str]:
    """The lines about one experiment; at most 80 columns where names allow."""
    chosen, size = choose_mode(experiment, mode)
    source = folder if experiment.script.source == "notebook" else None
    people = load(experiment.population, experiment.fragments, folder=source).personas
    yield f"{experiment.name}  ({experiment.protocol}, words: {experiment.script.source}, {len(people)} people)"
    for name, one in experiment.modes.items():
        mark = "*" if name == chosen else " "
        panels = panels_of(experiment, one, people)
        trials = len(panels) * len(experiment.script.proposals[: one.proposals]) * one.reps
        yield (
            f"  {mark} mode {name:<6} {one.reps} reps, {one.steps} steps, {len(panels)} panels × "
            f"{len(experiment.script.proposals[: one.proposals])} proposals: {trials} trials per group"
        )
    sizes = [len(panel) for panel in panels_of(experiment, size, people)]
    for group in experiment.groups:
        low, high = expected_calls(experiment, group, size, sizes, engine)
        calls = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        line = f"{group.name:<10} {calls} model calls: {_arm(group)}"
        yield from textwrap.wrap(line, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 15)
    yield ""


def _arm(group: Group) -> str:
    parts = []
    if group.correction is not None:
        parts.append(
            f"correction below {group.correction.quality_threshold}, {group.correction.max_attempts} attempts"
        )
    parts += [f"intervention {one.name}" for one in group.interventions]
    return "; ".join(parts) or "no correction, no intervention"


def expected_calls(
    experiment: Experiment, group: Group, mode: Mode, panels: list[int], engine: str
) -> tuple[int, int]:
    """Model calls of a group: least and most, where correction and interventions leave that open."""
    low = high = 0
    personal = sum(
        isinstance(metric, Proposition) and metric.about == "person" for metric in experiment.metrics
    )
    panel_wide = sum(
        isinstance(metric, Proposition) and metric.about == "panel" for metric in experiment.metrics
    )
    conversations = len(experiment.script.proposals[: mode.proposals]) * mode.reps
    for people in panels:
        least, most = _per_trial(experiment, group, mode, people, personal, panel_wide, engine)
        low, high = low + least * conversations, high + most * conversations
    return low, high


def _per_trial(
    experiment: Experiment, group: Group, mode: Mode, people: int, personal: int, panel_wide: int, engine: str
) -> tuple[int, int]:
    calls = _formula(engine, experiment.script)(
        people,
        mode.steps,
        correction=group.correction is not None,
        interventions=sum(one.textual is not None for one in group.interventions),
        person_metrics=personal,
        panel_metrics=panel_wide,
        extraction=experiment.script.extraction is not None,
    )
    optional = (
        calls.get("intervention_check", 0) if engine == "embedded" else 0
    )  # asked only if the free one holds
    retries = group.correction.max_attempts if group.correction and group.correction.regeneration else 0
    again = calls["act"] + calls.get("quality_check", 0) + calls.get("combine", 0)
    return sum(calls.values()) - optional, sum(calls.values()) + retries * again


def _formula(engine: str, script: Script) -> Callable[..., dict[str, int]]:
    if engine == "embedded":
        from harness.engines.embedded import expected_calls

        parts = {"introduction": script.introduction, "consolidation": script.consolidation}
        return functools.partial(expected_calls, **{name: words is not None for name, words in parts.items()})
    from harness.engines import tinytroupe

    return tinytroupe.expected_calls
