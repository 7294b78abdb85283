"""Imported by the server that worker processes are forked from, so that each of them costs little.

Does nothing unless the environment says which checkout, and never fails: workers import what is missing.
"""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress

CHECKOUT = "HARNESS_TINYTROUPE_CHECKOUT"
DIRECTORY = "HARNESS_TINYTROUPE_DIRECTORY"
"""Environment variables: the checkout, and a directory with a config.ini to import it from."""


def _preload(checkout: str, directory: str) -> None:
    from harness.engines.tinytroupe.package import import_package

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(directory)
    import_package(checkout)
    gc.freeze()  # keeps the collector from writing to, and so copying, the memory that workers share


with suppress(Exception):
    if CHECKOUT in os.environ:
        _preload(os.environ[CHECKOUT], os.environ[DIRECTORY])
