"""Fixtures that tests of several packages share."""

import os
import signal

from hypothesis import settings

from tests.support.sessions import lab, loaded

__all__ = ["lab", "loaded"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell starts background work deaf to Ctrl-C, and a deaf session starts deaf sessions; tests interrupt theirs."""

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("searching", max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
"""The same commit gives the same verdict; ``HYPOTHESIS_PROFILE=searching`` looks for new counterexamples."""
