"""Heavy modules that only some tests use, so that collecting the suite imports none of them."""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """Stands for a module, which is imported when an attribute is first read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks for some while it collects
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)
