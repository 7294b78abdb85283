"""``harness run``, ``harness estimate``, ``harness list`` and ``harness merge``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from harness.cli.app import MaxWait, ModelOptions, Timeout, app
from harness.cli.looking import note_looks
from harness.console import echo, echo_json
from harness.errors import ConfigurationError

File = Annotated[
    Path | None, typer.Argument(help="A test file or folder of your own; else the registered experiments.")
]


class _ForPytest(typer.core.TyperCommand):
    """A command whose words after ``--`` go to pytest as they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.meta["pytest"] = args[end + 1 :]
        return super().parse_args(ctx, args[:end])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- PYTEST OPTIONS]"]


@app.command(cls=_ForPytest)
def run(
    ctx: typer.Context,
    path: File = None,
    exp: Annotated[
        list[str] | None, typer.Option(help="Name of an experiment; may be repeated. Default: all.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    keyword: Annotated[str | None, typer.Option("-k", help="Only cases that match, as in pytest.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Same as --mode full.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Same as --mode fast.")] = False,
    mode: Annotated[str | None, typer.Option(help="Size of the experiment.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Repetitions, instead of the mode's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the artifact here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report here, FILE.html or FILE.md.")] = None,
    engine: Annotated[str, typer.Option(help="embedded or tinytroupe.")] = "embedded",
    model: Annotated[str, typer.Option(help="rehearsal, or openai:MODEL.")] = "rehearsal",
    model_base_url: Annotated[str | None, typer.Option(help="Endpoint of the model.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="Who scores and extracts, if another.")] = None,
    judge_base_url: Annotated[str | None, typer.Option(help="Endpoint of the judge's model.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    model_option: ModelOptions = None,
    response_format: Annotated[
        str, typer.Option(help="How JSON is asked for: auto, schema, object or prompt.")
    ] = "auto",
    timeout: Timeout = None,
    max_wait: MaxWait = None,
    seed: Annotated[int, typer.Option(help="Seed of order and rehearsal.")] = 0,
    concurrency: Annotated[str, typer.Option(help="Model calls in flight, or 'unlimited'.")] = "16",
    rpm: Annotated[int | None, typer.Option(help="Model calls in any minute, retries counted.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens in any minute, prompts and replies.")] = None,
    max_cost: Annotated[float | None, typer.Option(help="US dollars that this session may spend.")] = None,
    max_calls: Annotated[int | None, typer.Option(help="Model calls that this session may make.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens that this session may spend.")] = None,
    prices: Annotated[Path | None, typer.Option(help="JSON of your own prices.")] = None,
    provider_seed: Annotated[
        int | None, typer.Option(help="Send seeds, derived from this per sample.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes of the tinytroupe engine.")] = None,
    results_dir: Annotated[Path, typer.Option(help="Where runs write.")] = Path("results"),
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks that words come from.")] = None,
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Take the notebooks' settings.")
    ] = False,
    reruns: Annotated[int | None, typer.Option(min=0, help="Tries of a case whose trials finished.")] = None,
    reruns_delay: Annotated[float | None, typer.Option(min=0, help="Seconds before each such try.")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run, and with no other.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a new run.")] = False,
    accept_lost_journal: Annotated[
        bool, typer.Option("--accept-lost-journal", help="Send lost calls of unfinished trials again.")
    ] = False,
    exploratory: Annotated[
        bool, typer.Option("--exploratory", help="Go beyond a locked plan; labelled so.")
    ] = False,
    strict_instrument: Annotated[
        bool, typer.Option("--strict-instrument", help="A FAIL of an instrument check fails the run.")
    ] = False,
    function_timeout: Annotated[
        float | None, typer.Option(help="Seconds for one call of your metrics and checks (60).")
    ] = None,
    play_timeout: Annotated[
        float | None, typer.Option(help="Seconds that your play may go on without a model call (600).")
    ] = None,
    numprocesses: Annotated[int | None, typer.Option("-n", "--numprocesses", hidden=True)] = None,
) -> None:
    """Run experiments and write their artifacts. What follows -- goes to pytest as it is."""
    from harness.plugin.launch import LaunchRequest, launch

    named: dict[str, Any] = {
        "--numprocesses": numprocesses,  # to be refused, with the way out
        "-k": keyword,
        "mode": _mode(mode, full=full, fast=fast),
        "--count": count,
        "out": out,
        "report": report,
        "engine": engine,
        "model": model,
        "model_base_url": model_base_url,
        "judge_model": judge_model,
        "judge_base_url": judge_base_url,
        "temperature": temperature,
        "model_option": model_option,
        "response_format": response_format,
        "timeout": timeout,
        "max_wait": max_wait,
        "seed": seed,
        "concurrency": concurrency,
        "rpm": rpm,
        "tpm": tpm,
        "max_cost": max_cost,
        "max_calls": max_calls,
        "max_tokens": max_tokens,
        "prices": prices,
        "provider_seed": provider_seed,
        "workers": workers,
        "results_dir": results_dir,
        "notebooks": notebooks,
        "--reruns": reruns,
        "--reruns-delay": reruns_delay,
        "resume": resume,
        "function_timeout": function_timeout,
        "play_timeout": play_timeout,
        "exploratory": exploratory,
        "strict_instrument": strict_instrument,
        "fresh": fresh,
        "accept_differences": accept_differences,
        "accept_lost_journal": accept_lost_journal,
    }
    request = LaunchRequest(only=exp or (), group=group) if path else LaunchRequest(exp or None, group=group)
    raise typer.Exit(launch(request, named, path, further=ctx.meta["pytest"]))


def _mode(mode: str | None, *, full: bool, fast: bool) -> str | None:
    wanted = [*([mode] if mode else []), *["full"] * full, *["fast"] * fast]
    if len(wanted) > 1:
        raise ConfigurationError(f"Modes {' and '.join(wanted)} were both asked for; expected one.")
    return wanted[0] if wanted else None


@app.command()
def estimate(
    path: File = None,
    exp: Annotated[
        list[str] | None, typer.Option(help="Name of an experiment; may be repeated. Default: all.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    keyword: Annotated[str | None, typer.Option("-k", help="Only cases that match, as in pytest.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Same as --mode full.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Same as --mode fast.")] = False,
    mode: Annotated[str | None, typer.Option(help="Size of the experiment.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Repetitions, instead of the mode's.")] = None,
    engine: Annotated[str, typer.Option(help="embedded or tinytroupe.")] = "embedded",
    model: Annotated[str, typer.Option(help="The model whose price is wanted: openai:MODEL.")] = "rehearsal",
    judge_model: Annotated[str | None, typer.Option(help="Who scores and extracts, if another.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    model_option: ModelOptions = None,
    seed: Annotated[int, typer.Option(help="Seed of order and rehearsal.")] = 0,
    concurrency: Annotated[str, typer.Option(help="Model calls in flight, or 'unlimited'.")] = "16",
    rpm: Annotated[int | None, typer.Option(help="Model calls in any minute.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens in any minute, prompts and replies.")] = None,
    seconds_per_call: Annotated[
        float | None, typer.Option(help="How long a call is taken to last.", show_default="3")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="JSON of your own prices.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes of the tinytroupe engine.")] = None,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks that words come from.")] = None,
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Take the notebooks' settings.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and all else on stderr.")] = False,
    numprocesses: Annotated[int | None, typer.Option("-n", "--numprocesses", hidden=True)] = None,
) -> None:
    """Rehearse experiments offline; print the calls, tokens, price and minutes that a run would take."""
    from harness.plugin.estimate_report import as_json as to_json
    from harness.plugin.launch import LaunchRequest, launch

    named: dict[str, Any] = {
        "--numprocesses": numprocesses,  # to be refused, with the way out
        "-k": keyword,
        "mode": _mode(mode, full=full, fast=fast),
        "--count": count,
        "engine": engine,
        "model": model,
        "judge_model": judge_model,
        "temperature": temperature,
        "model_option": model_option,
        "seed": seed,
        "concurrency": concurrency,
        "rpm": rpm,
        "tpm": tpm,
        "seconds_per_call": seconds_per_call,
        "prices": prices,
        "workers": workers,
        "notebooks": notebooks,
        "accept_differences": accept_differences,
        "estimate": True,
        "--no-summary": as_json,
    }
    request = LaunchRequest(only=exp or (), group=group) if path else LaunchRequest(exp or None, group=group)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        code = launch(request, named, path)
    if as_json and request.estimates:
        echo_json(to_json(request.estimates))
    raise typer.Exit(code)


@app.command("list")
def list_(
    path: File = None,
    mode: Annotated[
        str | None, typer.Option(help="Count for this mode instead of each experiment's default.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Engine whose calls are counted.")] = "embedded",
    notebooks: Annotated[Path | None, typer.Option(help="Folder of notebooks that words come from.")] = None,
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Take the notebooks' settings.")
    ] = False,
) -> None:
    """Show the experiments, their groups, modes, trials and expected model calls."""
    from harness.cli.listing import show
    from harness.runtime.settings import find_checkout, find_sources

    folder = str(notebooks) if notebooks else None
    show(path, mode, engine, find_sources(folder, find_checkout(), accept_differences=accept_differences))


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(help="JSONL files, such as results/*.jsonl.")],
    out: Annotated[
        Path | None, typer.Option(help="A folder, or a .json file when there is one artifact.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Mix files of different settings; the meta file says so.")
    ] = False,
    exploratory: Annotated[
        bool, typer.Option("--exploratory", help="Go beyond a locked plan; the meta file says so.")
    ] = False,
) -> None:
    """Merge record files into artifacts, across sessions."""
    import harness.stats as stats
    from harness.checks import CheckRunner
    from harness.records import merge as merge_files
    from harness.runtime.play_checks import own_checks

    note_looks(files, "merge")
    examiner = CheckRunner(own_checks())
    made = merge_files(files, out, stats=stats, examine=examiner, force=force, exploratory=exploratory)
    for artifact in made:
        echo(f"{artifact}\n{artifact.with_suffix('.meta.json')}")
