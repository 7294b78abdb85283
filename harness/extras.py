"""Optional libraries, and the extras of this package that install them.

The core runs sessions and prints their summaries. A feature that needs more calls `require` first, or omits a number
with `install_hint` as the reason. `explained_import` is the command line's safety net.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import TracebackType

from harness.errors import ConfigurationError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "analysis": ("numpy", "pandas", "scipy", "statsmodels"),
    "bedrock": ("boto3", "pydantic_ai"),
    "data": ("duckdb", "numpy", "pandas", "pyarrow"),
    "datasets": ("datasets", "pyarrow"),
    "forms": ("openpyxl",),
    "humans": ("numpy", "pyarrow", "pyreadstat", "scipy"),
    "population": ("igraph", "numpy", "scipy"),
    "prices": ("genai_prices",),
    "pydantic-ai": ("pydantic_ai",),
    "report": ("jinja2", "markupsafe", "matplotlib", "numpy", "pandas", "scipy", "statsmodels"),
    "table1": ("nbformat",),
    "tools": ("cronsim", "numpy", "scipy"),
    "vertex": ("google.genai", "pydantic_ai"),
}
"""Extra → the modules that it installs, in alphabetical order."""

PARTS: Mapping[str, str] = {
    "harness.cli.power": "analysis",
    "harness.experiments.population": "population",
    "harness.experiments.table1": "table1",
    "harness.experiments.tool_variants": "tools",
    "harness.gateway.price_library": "prices",
    "harness.gateway.providers.bedrock": "bedrock",
    "harness.gateway.providers.pydantic_ai_models": "pydantic-ai",
    "harness.gateway.providers.pydantic_ai_wire": "pydantic-ai",
    "harness.gateway.providers.vertex": "vertex",
    "harness.humans": "humans",
    "harness.personas.arrow_tables": "datasets",
    "harness.personas.weights": "analysis",
    "harness.questionnaires.imports": "forms",
    "harness.reports": "report",
    "harness.reports.data": "data",
    "harness.stats": "analysis",
}
"""Part of the package → the extra that its imports belong to. The longest name that fits counts."""


class MissingExtraError(ConfigurationError):
    """A feature needs libraries that are not installed. The message has the pip command."""


def missing(extra: str) -> tuple[str, ...]:
    """The libraries of ``extra`` that are not installed."""
    return tuple(name for name in EXTRAS[extra] if not _is_installed(name))


def require(extra: str, feature: str) -> None:
    """Raise `MissingExtraError` unless every library of ``extra``, which ``feature`` needs, is installed."""
    if absent := missing(extra):
        raise MissingExtraError(f"{feature} needs {_listed(absent)}. {install_hint(extra)}")


def install_hint(extra: str) -> str:
    """How to install ``extra``.

    >>> install_hint("data")
    "Install it with: pip install 'persona-harness[data]'"
    """
    return f"Install it with: pip install 'persona-harness[{extra}]'"


def reason_without(extra: str) -> str | None:
    """Why a number that needs ``extra`` is omitted; ``None`` if the extra is installed."""
    return f"not installed; pip install 'persona-harness[{extra}]'" if missing(extra) else None


def extra_of(module: str) -> str | None:
    """The extra for the imports of ``module``, a module of this package."""
    fitting = [part for part in PARTS if f"{module}.".startswith(f"{part}.")]
    return PARTS[max(fitting, key=len)] if fitting else None


def explained_import(error: ModuleNotFoundError, feature: str) -> MissingExtraError | None:
    """The error for a failed import; ``None`` if no extra installs the library."""
    library = (error.name or "").partition(".")[0]
    extra = extra_of(_importer(error.__traceback__))
    if extra is None or library not in EXTRAS[extra]:
        extra = "all" if any(library in libraries for libraries in EXTRAS.values()) else None
    return None if extra is None else MissingExtraError(f"{feature} needs {library}. {install_hint(extra)}")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package above it
        return False


def _importer(trace: TracebackType | None) -> str:
    """The innermost module of this package in ``trace``."""
    found = ""
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        found = name if name.partition(".")[0] == "harness" else found
        trace = trace.tb_next
    return found


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
