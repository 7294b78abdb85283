"""Layer 4: the command line. ``main`` is the entry point of ``harness``."""

from harness.cli import analyse as analyse
from harness.cli import check as check
from harness.cli import commands as commands  # each module of commands registers itself when it is imported
from harness.cli import compare as compare
from harness.cli import consistency as consistency
from harness.cli import data as data
from harness.cli import humans as humans
from harness.cli import local as local
from harness.cli import plan as plan
from harness.cli import power as power
from harness.cli import prompts as prompts
from harness.cli import replay as replay
from harness.cli import report as report
from harness.cli import rescore as rescore
from harness.cli import review as review
from harness.cli import study as study
from harness.cli import study_results as study_results
from harness.cli import survey as survey
from harness.cli.app import main

__all__ = ["main"]
