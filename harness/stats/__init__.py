"""Layer 1: statistics. SciPy and statsmodels compute; this package chooses, names and explains."""

from harness.stats.analysis import analyse
from harness.stats.consistency import ConsistencyVerdict, consistency
from harness.stats.describe import describe, summarise
from harness.stats.welch import compare, welch

__all__ = [
    "ConsistencyVerdict",
    "analyse",
    "compare",
    "consistency",
    "describe",
    "summarise",
    "welch",
]
