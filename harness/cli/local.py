"""``harness local``: install the small model that runs on this machine, and show it."""

from __future__ import annotations

import subprocess
import sys

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandApp
from harness.console import echo
from harness.errors import ExitCode

local = CommandApp(help="Install and show the small model that --model local runs on this machine.")
app.add_typer(local, name="local")


@local.command("install")
def install() -> None:
    """Install llama.cpp with its server and a small model into this Python environment, with pip (about 130 MB)."""
    from harness.gateway.local.packages import INSTALLS

    for words in INSTALLS:
        command = [sys.executable, "-m", "pip", *words]
        echo(f"$ {' '.join(command)}")
        code = subprocess.call(command)
        if code:
            echo(
                f"ERROR: pip ended with code {code}; its message is above. Nothing else was installed. "
                "Where there is no network, install these packages from files, or use --model local:FILE.gguf.",
                err=True,
            )
            raise typer.Exit(ExitCode.FAILED)
    show()


@local.command("show")
def show() -> None:
    """Print which file --model local runs, and how large the model is."""
    from harness.gateway.local.model_file import read_model_file
    from harness.gateway.local.packages import packaged_weights, server_folder

    server_folder()
    file = read_model_file(packaged_weights())
    echo(f"{file.name}: {file.size_label} parameters, {file.size / 1e6:,.0f} MB, SHA-256 {file.sha256}")
    echo(f"File: {file.path}")
    echo("Run it with: pytest -m experiment --model local")
