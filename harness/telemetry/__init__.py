"""Layer 1: sends what a session does to LangSmith and Sentry, if their usual environment variables are set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.telemetry.observers import DeliveryError, Observer, Observers

__all__ = ["DeliveryError", "Observer", "Observers", "from_environment"]


def from_environment(
    environ: Mapping[str, str] = os.environ,
    *,
    sentry_content: bool = False,
    warn: Callable[[str], None] = lambda _: None,
    others: Mapping[str, Callable[[], Observer]] = MappingProxyType({}),
) -> Observers:
    """The observers that the environment configures, LangSmith and Sentry, and ``others``. Imports no SDK itself."""
    from harness.telemetry import langsmith, sentry

    makers = dict(others)
    if langsmith.wanted(environ):
        makers["LangSmith"] = lambda: langsmith.LangSmithObserver(environ)
    if sentry.wanted(environ):
        makers["Sentry"] = lambda: sentry.SentryObserver(environ, content=sentry_content)
    return Observers(makers, warn=warn)
