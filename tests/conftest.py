"""Fixtures that tests of several packages share."""

from tests.support.sessions import lab, loaded

__all__ = ["lab", "loaded"]
