"""The embedded engine: personas, a room and judges of our own, asynchronous, standard library only."""

from harness.engines.embedded.engine import EmbeddedEngine, expected_calls

__all__ = ["EmbeddedEngine", "expected_calls"]
