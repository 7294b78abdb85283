"""The options of a session, and the `Settings` that they make."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import ConfigurationError
from harness.gateway.waiting import LONGEST_WAIT
from harness.guests import Sources
from harness.plugin.option_names import GROUP, long_form, option_of
from harness.runtime.settings import (
    CALL_TIMEOUT,
    FUNCTION_SECONDS,
    PLAY_SECONDS,
    Settings,
    bound_problems,
    call_problems,
    find_checkout,
    find_sources,
    parse_concurrency,
    parse_model_options,
)
from harness.text_files import named_path

if TYPE_CHECKING:
    from harness.plugin.dry_run import DryRun

SECONDS_PER_CALL = 3.0
"""What a call is taken to last in an estimate: some 200 tokens at the speed of a small hosted model."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the long forms alone: a name that another plugin or a conftest may want is left to it."""
    group = parser.getgroup(GROUP, "experiments (harness); with -m experiment the short names work too")

    def add(short: str, *, help: str, **attributes: Any) -> None:
        group.addoption(long_form(short), help=f"{short}: {help}", **attributes)

    add(
        "--mode",
        metavar="NAME",
        help="size of the experiments: full, fast or paper (default: the experiment's own)",
    )
    add(
        "--engine",
        default="embedded",
        metavar="NAME",
        help="what plays personas: embedded (default) or tinytroupe",
    )
    add(
        "--model",
        default="rehearsal",
        metavar="PROVIDER:MODEL",
        help="rehearsal (default: offline, no evidence), openai:MODEL (any OpenAI-compatible endpoint), "
        "azure:DEPLOYMENT, openrouter:MODEL or anthropic:MODEL; their keys come from the environment",
    )
    add("--model-base-url", metavar="URL", help="endpoint of the model (default: the provider's own)")
    add(
        "--judge-model",
        metavar="PROVIDER:MODEL",
        help="who scores propositions and extracts what is counted, in place of --model (default: the same model)",
    )
    add("--judge-base-url", metavar="URL", help="endpoint of the judge's model (default: the provider's own)")
    add("--temperature", type=float, metavar="T", help="sampling temperature (default: the provider's own)")
    add(
        "--model-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="add a field to every request to the model, such as top_p=0.9, reasoning_effort=low or max_tokens=800; "
        "VALUE is JSON, else text; null leaves out a field that the experiment sets; may be repeated",
    )
    add(
        "--response-format",
        default="auto",
        metavar="FORM",
        help="how JSON is asked for: schema, object (the schema then stands in the prompt), prompt, or auto (default): "
        "by schema, and what the server refuses in the next form",
    )
    add(
        "--timeout",
        type=float,
        default=CALL_TIMEOUT,
        metavar="SECONDS",
        help=f"how long one model call may take (default: {CALL_TIMEOUT:g})",
    )
    add("--seed", type=int, default=0, metavar="N", help="seed of order and rehearsal (default: 0)")
    add(
        "--provider-seed",
        type=int,
        metavar="N",
        help="send the provider a seed with each call, another for every trial and sample, derived from N "
        "(default: none)",
    )
    add(
        "--prices",
        metavar="FILE",
        help='JSON of your own prices, {"my-model": {"input": 0.5, "output": 1.5}} in US dollars per million tokens '
        "(default: HARNESS_PRICES, else the dated list prices)",
    )
    add(
        "--concurrency", default="16", metavar="N", help="model calls in flight, or 'unlimited' (default: 16)"
    )
    _add_bounds(add)
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes of the tinytroupe engine (default: its own choice)",
    )
    add("--results-dir", metavar="DIR", help="where runs write (default: results/ in the root directory)")
    add("--out", metavar="FILE", help="also write the artifact here; for a session with one experiment")
    add(
        "--notebooks",
        metavar="DIR",
        help="folder of notebooks that words come from (default: the checkout's June one)",
    )
    add(
        "--accept-differences",
        action="store_true",
        help="take settings from the notebooks where they differ from ours, and note it in the record",
    )
    add("--resume", metavar="RUN", help="go on with this run, and with no other")
    add("--fresh", action="store_true", help="start a new run even where an open one would be continued")
    add(
        "--accept-lost-journal",
        action="store_true",
        help="continue a run whose journal is lost: calls of its unfinished trials are sent, and paid, again",
    )
    add(
        "--strict-instrument",
        action="store_true",
        help="fail the session where a check of the measuring instrument FAILs",
    )
    add(
        "--exploratory",
        action="store_true",
        help="allow what a locked plan does not (more repetitions, another run); the record and the summary say so",
    )
    add(
        "--report",
        nargs="?",
        const="",
        metavar="FILE",
        help="write a report of the session's runs at its end, FILE.html or FILE.md (default: report.html where runs "
        "write)",
    )
    add(
        "--estimate",
        action="store_true",
        help="only rehearse, offline and without a trace, and print the calls, tokens, price and minutes that it takes",
    )
    add(
        "--seconds-per-call",
        type=float,
        default=SECONDS_PER_CALL,
        metavar="S",
        help=f"how long a call is taken to last in an estimate (default: {SECONDS_PER_CALL:g})",
    )
    add(
        "--function-timeout",
        type=float,
        default=FUNCTION_SECONDS,
        metavar="S",
        help="seconds that one call of a metric, a precondition or a check of yours may take; a sample that takes "
        f"longer is missing, with its reason (default: {FUNCTION_SECONDS:g})",
    )
    add(
        "--play-timeout",
        type=float,
        default=PLAY_SECONDS,
        metavar="S",
        help="seconds that a play of yours may go on without a model call; then its trial has failed, with the line "
        f"that it was at (default: {PLAY_SECONDS:g})",
    )
    add(
        "--sentry-content",
        action="store_true",
        help="send prompts, replies and the texts of errors to Sentry too, where SENTRY_DSN turns it on",
    )


def _add_bounds(add: Callable[..., None]) -> None:
    """Limits and budgets; none unless asked for."""
    add("--rpm", type=int, metavar="N", help="model calls in any minute, retries counted (default: no limit)")
    add("--tpm", type=int, metavar="N", help="tokens in any minute, prompts and replies (default: no limit)")
    add(
        "--max-cost",
        type=float,
        metavar="DOLLARS",
        help="what this session may spend, whatever earlier ones of the run did; it stops, with exit code 6, before a "
        "call that could exceed it, and goes on when run again (default: no limit)",
    )
    add(
        "--max-wait",
        type=float,
        default=LONGEST_WAIT,
        metavar="SECONDS",
        help="how long to wait when the server asks for it; asked to wait longer, the session ends with exit code 7, "
        f"and the same command resumes it (default: {LONGEST_WAIT:g})",
    )
    add("--max-calls", type=int, metavar="N", help="the same in model calls, retries counted")
    add("--max-tokens", type=int, metavar="N", help="the same in tokens, prompts and replies together")


def settings_of(config: pytest.Config) -> Settings:
    """The session's settings. Raises `ConfigurationError` with everything that is wrong with the options."""
    option = functools.partial(option_of, config)
    problems: list[str] = []
    concurrency: int | None = None
    checkout, sources = None, Sources()
    try:
        concurrency = parse_concurrency(option("concurrency"))
    except ConfigurationError as error:
        problems += error.problems
    try:
        checkout = find_checkout()
        sources = find_sources(option("notebooks"), checkout, accept_differences=option("accept_differences"))
    except ConfigurationError as error:
        problems += error.problems
    temperature, workers = option("temperature"), option("workers")
    if temperature is not None and not 0 <= temperature <= 2:
        problems.append(f"--temperature {temperature}: expected 0 to 2.")
    problems += bound_problems(max_wait=option("max_wait"))
    problems += call_problems(option("timeout"), option("response_format"))
    for name in ("function_timeout", "play_timeout"):
        if not option(name) > 0:
            problems.append(
                f"--{name.replace('_', '-')} {option(name):g}: expected more than 0 seconds, or inf."
            )
    model_options: Mapping[str, Any] = {}
    try:
        model_options = parse_model_options(option("model_option"), temperature)
    except ConfigurationError as error:
        problems += error.problems
    if workers is not None and workers < 1:
        problems.append(f"--workers {workers}: expected 1 or more.")
    bounds = {name: option(name) for name in ("rpm", "tpm", "max_cost", "max_calls", "max_tokens")}
    problems += bound_problems(**bounds)
    if problems:
        raise ConfigurationError(*problems)
    report_file(config)
    here = config.invocation_params.dir
    return Settings(
        mode=option("mode"),
        engine=option("engine"),
        model=option("model"),
        base_url=option("model_base_url"),
        judge_model=option("judge_model"),
        judge_base_url=option("judge_base_url"),
        temperature=temperature,
        model_options=model_options,
        timeout=option("timeout"),
        max_wait=option("max_wait"),
        response_format=option("response_format"),
        seed=option("seed"),
        provider_seed=option("provider_seed"),
        prices=(here / named_path(option("prices"))) if option("prices") else None,
        concurrency=concurrency,
        **bounds,
        workers=workers,
        results_dir=_results_dir(config),
        out=(here / Path(option("out"))) if option("out") else None,
        checkout=checkout,
        sources=sources,
        resume=option("resume"),
        fresh=option("fresh"),
        accept_lost_journal=option("accept_lost_journal"),
        exploratory=option("exploratory"),
        sentry_content=option("sentry_content"),
        function_timeout=option("function_timeout"),
        play_timeout=option("play_timeout"),
    )


def report_file(config: pytest.Config) -> Path | None:
    """Where the report goes, if ``--report`` asks for one. Raises `ConfigurationError` for no report's name."""
    named: str | None = option_of(config, "report")
    if not named:
        return None if named is None else _results_dir(config) / "report.html"
    from harness.reports.report_file import format_of

    path = config.invocation_params.dir / named_path(named)
    format_of(path)
    return path


def _results_dir(config: pytest.Config) -> Path:
    named: str | None = option_of(config, "results_dir")
    return config.invocation_params.dir / named if named else config.rootpath / "results"


def rehearsal_of(config: pytest.Config, asked: Settings) -> DryRun | None:
    """What makes this session a rehearsal, if ``--estimate`` does. Raises `ConfigurationError`."""
    if not option_of(config, "estimate"):
        return None
    from harness.plugin.dry_run import DryRun

    seconds = option_of(config, "seconds_per_call")
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"--seconds-per-call {seconds:g}: expected more than 0.")
    folder = tempfile.TemporaryDirectory(prefix="harness-estimate-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    return DryRun(asked, Path(folder.name), seconds)
