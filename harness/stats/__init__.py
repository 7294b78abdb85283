"""Layer 1: statistics. SciPy computes; here is chosen, named and explained."""

from harness.stats.describe import describe, summarise
from harness.stats.welch import compare, preload, reasons, welch

__all__ = ["compare", "describe", "preload", "reasons", "summarise", "welch"]
