"""The command line itself; each topic's commands register here."""

from __future__ import annotations

import sys

import typer

from harness.errors import ExitCode, HarnessError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Controlled experiments on LLM personas and agents.",
)


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 4, never a traceback."""
    for mistake in typer.BadParameter.__mro__:  # its own code is 2, which here means interrupted
        if mistake.__name__ == "UsageError":
            mistake.exit_code = int(ExitCode.USAGE)  # type: ignore[attr-defined]
    try:
        app()
    except HarnessError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(int(ExitCode.USAGE))
