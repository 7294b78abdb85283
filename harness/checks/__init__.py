"""Validity checks of one run, from its record files."""

from harness.checks.check_report import CheckRunner, check_lines, described
from harness.checks.suite import CHECKS, OwnChecks, examine
from harness.checks.transcript_trace import condense

__all__ = ["CHECKS", "CheckRunner", "OwnChecks", "check_lines", "condense", "described", "examine"]
