"""Layer 1: statistics. SciPy and statsmodels compute; here is chosen, named and explained."""

from harness.stats.analysis import analyse
from harness.stats.consistency import ConsistencyVerdict, consistency
from harness.stats.describe import describe, summarise
from harness.stats.welch import compare, reasons, welch

__all__ = [
    "ConsistencyVerdict",
    "analyse",
    "compare",
    "consistency",
    "describe",
    "reasons",
    "summarise",
    "welch",
]
