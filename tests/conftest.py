"""Fixtures that tests of several packages share."""

import os

from hypothesis import settings

from tests.support.sessions import lab, loaded

__all__ = ["lab", "loaded"]

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("searching", max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
"""The same commit gives the same verdict; ``HYPOTHESIS_PROFILE=searching`` looks for new counterexamples."""
