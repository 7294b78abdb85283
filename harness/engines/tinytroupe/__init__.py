"""The engine `tinytroupe`: the real TinyTroupe package, from a checkout, in worker processes of ours.

`check` says what is missing, `TinyTroupeEngine` runs trials, `expected_calls` counts their calls beforehand.
"""

from harness.engines.tinytroupe.checkout import check
from harness.engines.tinytroupe.engine import TinyTroupeEngine
from harness.engines.tinytroupe.expected_calls import expected_calls

__all__ = ["TinyTroupeEngine", "check", "expected_calls"]
