"""The command line itself; each topic's commands register here."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from harness.cli.command_group import CommandApp, CommandGroup
from harness.console import echo, guarded_stderr, on_one_line
from harness.errors import ExitCode, HarnessError
from harness.extras import explained_import

app = CommandApp(cls=CommandGroup, add_completion=True)

CTRL_C = 130
"""The exit code that typer has for Ctrl-C."""


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"harness {version('persona-harness')}")
        raise typer.Exit


@app.callback()
def harness(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Controlled experiments on LLM personas and agents."""


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 4, never a traceback."""
    for mistake in typer.BadParameter.__mro__:  # its own code is 2, which here means interrupted
        if mistake.__name__ == "UsageError":
            mistake.exit_code = int(ExitCode.USAGE)  # type: ignore[attr-defined]
    with guarded_stderr():
        sys.exit(_run())


def error_text(error: HarnessError) -> str:
    """The error's text with the options that are a way out."""
    from harness.plugin.hints import explain, option, study_option

    return explain(error, study_option if sys.argv[1:2] == ["study"] else option)


def _run() -> int:
    """Run the command and name what it could not read; its exit code is 1 instead of 0 where that loses data."""
    from harness.records.read_problems import MOST_NAMED, collected

    with collected() as problems:
        try:
            app()
            code = int(ExitCode.OK)
        except HarnessError as error:
            echo(f"ERROR: {error_text(error)}", err=True)
            code = int(ExitCode.USAGE)
        except ModuleNotFoundError as error:
            if (explained := explained_import(error, "This command")) is None:
                raise
            echo(f"ERROR: {explained}", err=True)
            code = int(ExitCode.USAGE)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(ExitCode.OK)
            code = int(ExitCode.INTERRUPTED) if code == CTRL_C else code
        except KeyboardInterrupt:
            code = int(ExitCode.INTERRUPTED)
    named = list(problems)
    for one in named[:MOST_NAMED]:
        echo(on_one_line(f"WARNING: {one}"), err=True)
    if len(named) > MOST_NAMED:
        echo(f"WARNING: {len(named) - MOST_NAMED:,} more lines or files could not be read.", err=True)
    if problems.lost and code == ExitCode.OK:
        echo("INCOMPLETE: the results above are without what could not be read; exit code 1.", err=True)
        code = int(ExitCode.FAILED)
    return code
