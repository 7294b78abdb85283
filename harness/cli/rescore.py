"""``harness rescore``: what a judge says of transcripts that were scored before, and how far the two agree."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import Timeout, app, error_text
from harness.console import echo, echo_json
from harness.errors import ConfigurationError, ExitCode, raise_if_any
from harness.text_files import read_json

if TYPE_CHECKING:
    from harness.guests import Sources
    from harness.model import Experiment
    from harness.runtime.rescoring import Rescored
    from harness.stats.results import Quantity

Results = Annotated[list[Path], typer.Argument(help="A results folder, or its JSONL files.")]


@app.command()
def rescore(
    results: Results,
    judge_model: Annotated[str | None, typer.Option(help="Who scores: PROVIDER:MODEL.")] = None,
    model: Annotated[str | None, typer.Option(help="Same as --judge-model.")] = None,
    run: Annotated[str | None, typer.Option(help="The run's id, where there are several.")] = None,
    share: Annotated[
        float, typer.Option(help="Share of each arm's trials; the same blocks in all arms.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of the choice of blocks.")] = 0,
    path: Annotated[Path | None, typer.Option(help="Test file that declares the experiment.")] = None,
    model_base_url: Annotated[str | None, typer.Option(help="Endpoint of the judge's model.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    concurrency: Annotated[str, typer.Option(help="Model calls in flight, or 'unlimited'.")] = "16",
    rpm: Annotated[int | None, typer.Option(help="Model calls in any minute, retries counted.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens in any minute, prompts and replies.")] = None,
    timeout: Timeout = None,
    max_cost: Annotated[float | None, typer.Option(help="US dollars that this may spend.")] = None,
    max_calls: Annotated[int | None, typer.Option(help="Model calls that this may make.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens that this may spend.")] = None,
    prices: Annotated[Path | None, typer.Option(help="JSON of your own prices.")] = None,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks that words come from.")] = None,
    accept_lost_journal: Annotated[
        bool, typer.Option("--accept-lost-journal", help="Send calls again whose replies are lost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score transcripts of finished trials again, without replaying them, and print how far the scores agree."""
    from harness.cli.model_session import losses_told
    from harness.plugin.factories import make_gateway
    from harness.plugin.signals import Interruption
    from harness.runtime.rescoring import Rescoring
    from harness.runtime.run_reconstruction import choose, find_run, reconstruct
    from harness.runtime.settings import (
        Settings,
        bound_problems,
        call_timeout,
        find_checkout,
        find_sources,
        parse_concurrency,
    )

    named = [one for one in (judge_model, model) if one is not None]
    if len(set(named)) != 1:
        raise ConfigurationError("harness rescore: expected --judge-model PROVIDER:MODEL, once.")
    bounds = {"rpm": rpm, "tpm": tpm, "max_cost": max_cost, "max_calls": max_calls, "max_tokens": max_tokens}
    raise_if_any(bound_problems(**bounds))
    found = find_run(results, run)
    sources = find_sources(str(notebooks) if notebooks else None, find_checkout())
    chosen = choose(found, share, seed)
    trials = reconstruct(found, chosen, _experiments(path, sources), sources.notebooks)
    settings = Settings(
        model=named[0],
        base_url=model_base_url,
        temperature=temperature,
        timeout=call_timeout(timeout),
        concurrency=parse_concurrency(concurrency),
        rpm=rpm,
        tpm=tpm,
        max_cost=max_cost,
        max_calls=max_calls,
        max_tokens=max_tokens,
        prices=prices,
        results_dir=found.folder,
        accept_lost_journal=accept_lost_journal,
    )
    gateway = make_gateway(settings)

    def halt() -> int:
        gateway.halt()
        return gateway.in_flight

    with losses_told(), Interruption(halt, raises=False) as interruption:
        done = Rescoring(found, trials, settings, gateway, share=share).run()
    if as_json:
        echo_json(read_json(done.path, str(done.path)))
    else:
        echo("\n".join(lines(done)))
    raise typer.Exit(ExitCode.INTERRUPTED if interruption.received else done.exit_code)


def _experiments(path: Path | None, sources: Sources) -> dict[str, Experiment]:
    """By name: those of a test file, else the registered ones."""
    from harness.cli.listing import _collected
    from harness.guests import registered

    if path is not None:
        return dict(_collected(path))
    return {name: one for guest in registered(sources).values() for name, one in guest.items()}


def lines(done: Rescored) -> Iterator[str]:
    """What came of it, at most 80 columns where names allow."""
    from harness.reports.parts import WIDTH

    for line in _lines(done):
        is_row = "  " in line
        yield from [line] if is_row or not line else textwrap.wrap(line, WIDTH, break_on_hyphens=False)
    yield f"Written: {done.path} and the records beside it."


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
    yield from (f"NOT SCORED: {trial}: {reason}" for trial, reason in list(done.failures.items())[:5])
    if done.stopped:
        yield f"STOPPED: {error_text(done.stopped)}"


def _number(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)


def _with_interval(quantity: Quantity) -> str:
    interval = quantity.interval
    return _number(quantity.value) + (
        "" if interval is None else f" [{interval.low:.2f}, {interval.high:.2f}]"
    )
