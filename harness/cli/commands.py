"""``harness run``, ``harness estimate``, ``harness list`` and ``harness merge``."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import app
from harness.cli.command_group import SectionedCommand
from harness.cli.common_options import Count, Reruns, with_options, with_results, with_settings
from harness.cli.results import note_looks
from harness.console import echo, echo_json
from harness.errors import ConfigurationError
from harness.runtime.setting_sources import COMMAND_LINE, command_line, override
from harness.runtime.settings import ROLE_MODELS, Settings, setting_fields

if TYPE_CHECKING:
    from harness.plugin.launch import LaunchRequest


def _existing(path: Path | None) -> Path | None:
    """``path``, which may end in ``::test``. Raises `ConfigurationError` if there is no such file or folder."""
    if path is None or Path(str(path).split("::")[0]).exists():
        return path
    from harness.guests import registered

    names = [name for study in registered().values() for name in study]
    hint = f" A registered experiment goes with --exp {path}." if str(path) in names else ""
    raise ConfigurationError(f"{path}: no such file or folder; expected a test file or folder.{hint}")


File = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="A test file or folder of yours. Default: the registered experiments.",
        callback=_existing,
    ),
]


def _names(incomplete: str) -> list[str]:
    """Names of registered experiments, for the shell's completion."""
    from harness.guests import registered

    names = (name for study in registered().values() for name in study)
    return [name for name in names if name.startswith(incomplete)]


Exp = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only this experiment; may be repeated.", autocompletion=_names),
]
OneGroup = Annotated[str | None, typer.Option("--group", metavar="NAME", help="Only this group.")]


@dataclass(frozen=True)
class CaseOptions:
    """Which cases to run."""

    path: File = None
    exp: Exp = None
    group: OneGroup = None
    keyword: Annotated[
        str | None, typer.Option("-k", metavar="EXPRESSION", help="Only cases that match, as in pytest.")
    ] = None
    full: Annotated[bool, typer.Option("--full", help="Same as --mode full.")] = False
    fast: Annotated[bool, typer.Option("--fast", help="Same as --mode fast.")] = False
    count: Count = None
    processes: Annotated[int | None, typer.Option("-n", "--numprocesses", hidden=True)] = None

    def request(self, settings: Settings) -> LaunchRequest:
        """The session. Raises `ConfigurationError` for two modes."""
        given = settings.mode if settings.origins.get("mode") == COMMAND_LINE else None
        wanted = [*([given] if given else []), *["full"] * self.full, *["fast"] * self.fast]
        if len(wanted) > 1:
            raise ConfigurationError(f"Modes {' and '.join(wanted)} were both asked for; expected one.")
        sized = override(settings, command_line({"mode": wanted[0]})) if wanted else settings
        return launch_request(self.path, self.exp, self.group, sized)

    def options(self) -> dict[str, object]:
        """pytest's options. ``-n`` is refused there, with the way out."""
        return {"--numprocesses": self.processes, "-k": self.keyword, "--count": self.count}


class _ForPytest(SectionedCommand):
    """A command that passes words after ``--`` to pytest unchanged."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.meta["pytest"] = args[end + 1 :]
        return super().parse_args(ctx, args[:end])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- PYTEST OPTIONS]"]


@app.command(cls=_ForPytest)
@with_settings(*(name for name in setting_fields() if name not in ("estimate", "seconds_per_call")))
@with_options("cases", CaseOptions)
def run(
    ctx: typer.Context,
    settings: Settings,
    cases: CaseOptions,
    reruns: Reruns = None,
    reruns_delay: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Wait before each repeat.")
    ] = None,
) -> None:
    """Run experiments and write their artifacts. What follows -- goes to pytest unchanged."""
    from harness.plugin.launch import launch

    options = cases.options() | {"--reruns": reruns, "--reruns-delay": reruns_delay}
    request = cases.request(settings)
    raise typer.Exit(launch(request, cases.path, options=options, further=ctx.meta["pytest"]))


def launch_request(
    path: Path | None, exp: list[str] | None, group: str | None, settings: Settings
) -> LaunchRequest:
    """The session of a command on a user's file, or on registered experiments."""
    from harness.plugin.launch import LaunchRequest

    if path:
        return LaunchRequest(only=exp or (), group=group, settings=settings)
    return LaunchRequest(exp or None, group=group, settings=settings)


@app.command()
@with_settings(
    *("mode", "engine", "workers", "notebooks", "accept_differences", "seed", "judge_model", "temperature"),
    *ROLE_MODELS,
    *("model_options", "concurrency", "rpm", "tpm", "prices", "seconds_per_call"),
    model="Model to estimate the price of, such as openai:MODEL.",
)
@with_options("cases", CaseOptions)
def estimate(
    settings: Settings,
    cases: CaseOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and all else on stderr.")] = False,
) -> None:
    """Rehearse experiments offline; print the calls, tokens, price and minutes that a run would take."""
    from harness.plugin.estimate_report import as_json as to_json
    from harness.plugin.launch import launch

    request = cases.request(replace(settings, estimate=True))
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        code = launch(request, cases.path, options=cases.options(), further=["--no-summary"] * as_json)
    if as_json and request.estimates:
        echo_json(to_json(request.estimates))
    raise typer.Exit(code)


@app.command("list")
@with_settings("mode", "engine", "notebooks", "accept_differences")
def list_(settings: Settings, path: File = None) -> None:
    """List the experiments with their groups, modes, trials and expected model calls."""
    from harness.cli.listing import show

    show(path, settings.mode, settings.engine, settings.with_sources().sources)


@app.command()
@with_results()
def merge(
    results: list[Path],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to, or a .json file if there is one artifact.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Merge files of different settings; the meta file says so.")
    ] = False,
    exploratory: Annotated[
        bool, typer.Option("--exploratory", help="Go beyond a locked plan; the meta file says so.")
    ] = False,
) -> None:
    """Merge record files into artifacts, across sessions."""
    import harness.stats as stats
    from harness.checks import CheckRunner
    from harness.records import merge as merge_files
    from harness.records import record_files
    from harness.runtime.play_checks import own_checks

    files = record_files(results)
    note_looks(files, "merge")
    examiner = CheckRunner(own_checks())
    made = merge_files(files, out, stats=stats, examine=examiner, force=force, exploratory=exploratory)
    for artifact in made:
        echo(f"{artifact}\n{artifact.with_suffix('.meta.json')}")
