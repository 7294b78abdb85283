"""``harness rescore``: another judge scores recorded transcripts; prints how far the two agree."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app, error_text
from harness.cli.common_options import CALL_SETTINGS, AsJson, OneRun, TestFile, with_results, with_settings
from harness.cli.results import find_run
from harness.console import echo, echo_json
from harness.errors import ConfigurationError, ExitCode
from harness.runtime.setting_sources import COMMAND_LINE
from harness.runtime.settings import Settings, without_role_models
from harness.text_files import read_json

if TYPE_CHECKING:
    from harness.guests import Sources
    from harness.model import Experiment
    from harness.runtime.rescoring import Rescored
    from harness.stats.results import Quantity


@app.command()
@with_results()
@with_settings(
    *("judge_model", "judge_base_url", "model", "base_url", "temperature", "concurrency", "rpm", "tpm"),
    *CALL_SETTINGS,
    *("notebooks", "accept_lost_journal"),
)
def rescore(
    results: list[Path],
    settings: Settings,
    run: OneRun = None,
    share: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of each arm's trials; the same blocks in all arms.")
    ] = 0.2,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the choice of blocks, and of shuffling.")
    ] = 0,
    shuffled: Annotated[
        bool,
        typer.Option(
            "--shuffled",
            help="Score each transcript also with its words in random order, to see whether scores depend on it.",
        ),
    ] = False,
    path: TestFile = None,
    as_json: AsJson = False,
) -> None:
    """Have another judge score recorded transcripts, and print how far the scores agree.

    The judge may also be named with --model and --model-base-url.
    """
    from harness.cli.model_session import losses_told, tell_waiting
    from harness.plugin.factories import make_gateway
    from harness.plugin.signals import Interruption
    from harness.runtime.rescoring import Rescoring
    from harness.runtime.run_reconstruction import choose, reconstruct

    settings = _judging(settings.with_sources())
    found = find_run(results, run)
    chosen = choose(found, share, seed)
    trials = reconstruct(found, chosen, _experiments(path, settings.sources), settings.sources.notebooks)
    settings = replace(settings, results_dir=found.folder)
    gateway = make_gateway(settings)

    def halt() -> int:
        gateway.halt()
        return gateway.in_flight

    shuffle = seed if shuffled else None
    with (
        losses_told(),
        Interruption(halt, lambda: gateway.open_batches, raises=False) as interruption,
    ):
        done = Rescoring(
            found, trials, settings, gateway, share=share, shuffle=shuffle, watch=tell_waiting
        ).run()
    if as_json:
        echo_json(read_json(done.path, str(done.path)))
    else:
        echo("\n".join(lines(done)))
    raise typer.Exit(ExitCode.INTERRUPTED if interruption.received else done.exit_code)


def _judging(settings: Settings) -> Settings:
    """Settings with the judge in the model's place. Raises `ConfigurationError` without one."""
    said = {
        name: getattr(settings, name) for name, origin in settings.origins.items() if origin == COMMAND_LINE
    }
    named = {said[name] for name in ("judge_model", "model") if name in said} or {settings.judge_model}
    if len(named) > 1 or None in named:
        raise ConfigurationError("harness rescore: expected --judge-model PROVIDER:MODEL, once.")
    return replace(
        settings,
        model=named.pop(),
        base_url=said.get("judge_base_url") or said.get("base_url") or settings.judge_base_url,
        judge_base_url=None,
        **without_role_models(),
        provider_seed=None,
        seed=0,
    )


def _experiments(path: Path | None, sources: Sources) -> dict[str, Experiment]:
    """By name: those of a test file, else the registered ones."""
    from harness.cli.listing import experiments_in
    from harness.guests import registered

    if path is not None:
        return dict(experiments_in(path))
    return {name: one for guest in registered(sources).values() for name, one in guest.items()}


def lines(done: Rescored) -> Iterator[str]:
    """The result, in at most 80 columns if names allow."""
    from harness.reports.parts import WIDTH

    for line in _lines(done):
        is_row = "  " in line
        yield from [line] if is_row or not line else textwrap.wrap(line, WIDTH, break_on_hyphens=False)
    yield f"Written: {done.path} and the records next to it."


def _lines(done: Rescored) -> Iterator[str]:
    from harness.reports.parts import REHEARSAL

    if done.rehearsal:
        yield REHEARSAL
    yield f"{done.experiment}, run {done.run_id}: {done.scored} of {done.planned} chosen trials scored again."
    yield f"First by {done.first}, now by {done.second}: the agreement is of {done.of_judge}."
    yield ""
    yield f"{'metric':<22}{'n':>5}{'ICC(2,1)':>22}{'ICC(3,1)':>10}{'kappa':>8}{'shift':>8}"
    for metric, one in done.metrics.items():
        yield (
            f"{metric:<22}{one.n:>5}{_with_interval(one.agreement):>22}{_number(one.consistency.value):>10}"
            f"{_number(one.kappa.value):>8}{_number(one.shift, '+.2f'):>8}"
        )
    yield ""
    for metric, shifts in done.shifts.items():
        if len(shifts) > 1:
            yield f"{metric}: shift " + ", ".join(f"{group} {shift:+.2f}" for group, shift in shifts.items())
    for metric, one in done.metrics.items():
        for name, quantity in (("ICC", one.agreement), ("kappa", one.kappa)):
            if quantity.reason:
                yield f"{metric}: {name} is not defined: {quantity.reason}."
    missing = {metric: number for metric, number in done.missing.items() if number}
    if missing:
        yield "Left out, a score missing: " + ", ".join(f"{name} {n}" for name, n in missing.items()) + "."
    yield (
        "ICC(2,1): two-way random effects, absolute agreement, one scoring, with its 95 % interval; ICC(3,1): the same "
        "for consistency. kappa: quadratic weights. shift: mean of new − first. n and interval treat scores as "
        "independent, although those of one trial are not: the interval is too narrow."
    )
    yield from _sensitivity_lines(done)
    yield from (f"NOT SCORED: {trial}: {reason}" for trial, reason in list(done.failures.items())[:5])
    if done.stopped:
        yield f"STOPPED: {error_text(done.stopped)}"


def _sensitivity_lines(done: Rescored) -> Iterator[str]:
    if done.sensitivity:
        yield ""
        yield f"{done.shuffled} transcripts were scored again with their words in random order:"
    for metric, found in done.sensitivity.items():
        yield f"{found.level} {metric}: {found.message}."


def _number(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)


def _with_interval(quantity: Quantity) -> str:
    interval = quantity.interval
    return _number(quantity.value) + (
        "" if interval is None else f" [{interval.low:.2f}, {interval.high:.2f}]"
    )
