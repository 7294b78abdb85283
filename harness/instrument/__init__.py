"""Layer 2: is the measuring instrument sound? Checks of one run, from what its files tell."""

from harness.instrument.appraisal import Examiner, check_lines, described
from harness.instrument.examination import CHECKS, OwnChecks, examine
from harness.instrument.trace import condense

__all__ = ["CHECKS", "Examiner", "OwnChecks", "check_lines", "condense", "described", "examine"]
