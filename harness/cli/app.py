"""The command line itself; each topic's commands register here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from harness.errors import ExitCode, HarnessError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Controlled experiments on LLM personas and agents.",
)


ModelOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--model-option",
        metavar="NAME=VALUE",
        help="Add a field to every request to the model, such as top_p=0.9; may be repeated.",
    ),
]


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
