"""``harness power``: what it takes to find an effect of a wanted size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.common_options import with_results
from harness.cli.results import datasets_in
from harness.console import echo
from harness.errors import ConfigurationError, expected_one_of
from harness.extras import require

if TYPE_CHECKING:
    from harness.model import Dataset
    from harness.stats.components import Components
    from harness.stats.power import Lever, Power


@app.command("power")
@with_results()
def power_(
    results: Path,
    metric: Annotated[str, typer.Option(metavar="NAME", help="Metric to take the variance of.")],
    effect: Annotated[float, typer.Option(metavar="POINTS", help="Difference to detect.")],
    exp: Annotated[
        str | None, typer.Option(metavar="NAME", help="The experiment, if there are several.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Group to compare with the first. Default: the second."),
    ] = None,
    wanted: Annotated[
        float, typer.Option("--power", metavar="P", help="Probability of detecting the difference.")
    ] = 0.8,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the simulation.")] = 0,
) -> None:
    """Estimate the sample size for an effect from the observed variance."""
    require("analysis", "harness power")
    from harness.stats.components import observed, sizes
    from harness.stats.power import RUNS, needed, power

    _check(effect, wanted)
    dataset = _chosen(datasets_in(results), metric, exp, results)
    metric = _named(dataset, metric) or metric
    treatment = _group(dataset, group)
    if dataset.between:
        raise ConfigurationError(
            f"{dataset.experiment}: each panel took part in one arm; expected a run whose arms share their panels "
            "(assignment='within'), since power is computed from differences within blocks."
        )
    components, design = observed(dataset, metric, treatment), sizes(dataset, metric)
    import numpy as np

    now = power(components, effect, design, RUNS, np.random.default_rng(seed))
    levers = needed(components, effect, design, wanted, RUNS, seed)
    for line in _lines(dataset, metric, treatment, components, now, levers, wanted):
        echo(line)


def _check(effect: float, wanted: float) -> None:
    if not effect or effect != effect:
        raise ConfigurationError(f"--effect={effect:g}: expected a difference other than 0, in points.")
    if not 0.05 < wanted < 1:
        raise ConfigurationError(f"--power={wanted:g}: expected a chance between 0.05 and 1, such as 0.8.")


def _chosen(found: Iterable[Dataset], metric: str, experiment: str | None, path: Path) -> Dataset:
    """The experiment's newest run, a rehearsal only where there is nothing else."""
    datasets = list(found)
    fitting = [one for one in datasets if experiment in (None, one.experiment) and _named(one, metric)]
    names = sorted({one.experiment for one in fitting})
    if len(names) == 1:
        return max(fitting, key=lambda one: (not one.rehearsal, one.source))
    if names:
        raise ConfigurationError(f"{path}: {', '.join(names)} have {metric}; choose one with --exp.")
    there = sorted({name for one in datasets if experiment in (None, one.experiment) for name in one.metrics})
    known = {one.experiment for one in datasets}
    if experiment is not None and experiment not in known:
        raise ConfigurationError(
            f"--exp={experiment}: {path} has {', '.join(sorted(known)) or 'no experiment'}."
        )
    if not there:
        raise ConfigurationError(f"--metric={metric}: {path} has no metric; expected a run with metrics.")
    raise ConfigurationError(f"--metric={metric}: not in {path}; {expected_one_of(metric, there)}")


def _named(dataset: Dataset, metric: str) -> str | None:
    """The dataset's own name of ``metric``, which may be written plainly: ``self_consistency``."""
    from harness.stats.consistency import plain_name

    return next((name for name in dataset.metrics if plain_name(name) == plain_name(metric)), None)


def _group(dataset: Dataset, group: str | None) -> str:
    later = dataset.groups[1:]
    if not later or group not in (None, *later):
        expected = f"one of {', '.join(later)}" if later else "an experiment with two groups"
        raise ConfigurationError(f"--group={group} of {dataset.experiment}: expected {expected}.")
    return group or later[0]


def _lines(
    dataset: Dataset,
    metric: str,
    treatment: str,
    components: Components,
    now: Power,
    levers: Iterable[Lever],
    wanted: float,
) -> Iterator[str]:
    sizes = now.design
    yield f"{dataset.experiment} ({dataset.source})"[:80]
    yield f"{metric}, {treatment} against {dataset.groups[0]}"[:80]
    if dataset.rehearsal:
        yield "Rehearsal: this scatter is invented; it says nothing of a model."
    yield ""
    yield "observed SD     trial  persona  block x arm  residual"
    sd = [variance**0.5 for variance in _variances(components)]
    yield f"                {sd[0]:5.2f}  {sd[1]:7.2f}  {sd[2]:11.2f}  {sd[3]:8.2f}"
    yield from (f"  {note}" for note in components.notes)
    people = f", {sizes.people} people" if sizes.people else ""
    yield f"design          {sizes.panels} panels x {sizes.proposals} proposals x {sizes.reps} reps{people}"
    yield f"power now       {_simulated(now)} to find {now.effect:+g} at p <= {now.alpha:g}"
    yield ""
    yield f"{f'for power {wanted:g}':<18}{'now':>5}{'needed':>8}   simulated power (99 % bounds)"
    yield from map(_lever, levers)
    yield ""
    yield from _limit(now, components, wanted)
    yield "Unit: blocks (panel x proposal), paired t; for these personas and proposals."
    yield "More personas or proposals change what is claimed; components are estimates."


def _lever(lever: Lever) -> str:
    needed = "-" if lever.needed is None else str(lever.needed)
    says = _simulated(lever.power) if lever.power else lever.reason
    return f"{lever.name:<18}{lever.now:>5}{needed:>8}   {says}"


def _simulated(found: Power) -> str:
    return f"{found.power:.2f} [{found.interval.low:.2f}, {found.interval.high:.2f}]"


def _limit(now: Power, components: Components, wanted: float) -> Iterator[str]:
    if now.limit < 0.995:
        yield f"More reps of these blocks lead to power {now.limit:.2f} at most: the difference itself"
        yield "varies between blocks, and only more blocks average that."
    elif wanted > now.power:
        seen = "differ little" if components.block_arm else "were not seen to differ"
        yield f"More reps help: blocks {seen} beyond chance."


def _variances(components: Components) -> tuple[float, float, float, float]:
    return components.trial, components.person, components.block_arm, components.residual
