"""Controlled experiments on LLM personas and agents as ordinary pytest cases.

Everything a test file needs is importable from here; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Results, run
    from harness.errors import ConfigurationError, HarnessError
    from harness.model import (
        ActionsAtLeast,
        Correction,
        Event,
        Experiment,
        Extraction,
        Group,
        Intervention,
        Measure,
        Mode,
        Persona,
        Proposition,
        Sample,
        Script,
    )
    from harness.populations import Population, load
    from harness.records import JSONLWriter, WriterPool, merge

_HOME = {
    "harness.api": ("Results", "run"),
    "harness.errors": ("ConfigurationError", "HarnessError"),
    "harness.model": (
        "ActionsAtLeast",
        "Correction",
        "Event",
        "Experiment",
        "Extraction",
        "Group",
        "Intervention",
        "Measure",
        "Mode",
        "Persona",
        "Proposition",
        "Sample",
        "Script",
    ),
    "harness.populations": ("Population", "load"),
    "harness.records": ("JSONLWriter", "WriterPool", "merge"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "ActionsAtLeast",
    "ConfigurationError",
    "Correction",
    "Event",
    "Experiment",
    "Extraction",
    "Group",
    "HarnessError",
    "Intervention",
    "JSONLWriter",
    "Measure",
    "Mode",
    "Persona",
    "Population",
    "Proposition",
    "Results",
    "Sample",
    "Script",
    "WriterPool",
    "load",
    "merge",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
