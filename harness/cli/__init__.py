"""Layer 4: the command line. ``main`` is the entry point of ``harness``."""

from harness.cli.commands import main

__all__ = ["main"]
