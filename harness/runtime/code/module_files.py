"""Which module and file a thing comes from, and whether that is the project's own code."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

OURS = "harness"


STANDARD = "(the standard library)"


def loaded_module(name: str) -> types.ModuleType | None:
    """The module if it is loaded. Waits for another thread that is importing it: half a module has half its names."""
    if name not in sys.modules:
        return None
    with contextlib.suppress(ImportError):
        importlib.import_module(name)  # returns at once, or when the other thread is done
    return sys.modules.get(name)


def home_of(thing: Any) -> str:
    while isinstance(thing, functools.partial):
        thing = thing.func
    if isinstance(thing, types.MethodType):
        thing = type(thing.__self__) if not isinstance(thing.__self__, type) else thing.__self__
    return module_of(thing if isinstance(thing, type | types.FunctionType) else type(thing))


def module_of(thing: Any) -> str:
    return getattr(thing, "__module__", None) or ""


def file_of(module: str) -> str | None:
    """The file that a module was, or would be, read from; its folder for a package without one."""
    loaded = loaded_module(module)
    if loaded is None:
        return _located(module)
    file = getattr(loaded, "__file__", None)
    if isinstance(file, str):
        return file
    places = list(getattr(loaded, "__path__", ()))
    return str(places[0]) if places else None


def _located(module: str) -> str | None:
    """Found without loading it or a package around it."""
    top, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not parts:
        return spec.origin if spec is not None and spec.has_location else None
    for place in spec.submodule_search_locations or ():
        for path in (Path(place, *parts).with_suffix(".py"), Path(place, *parts, "__init__.py")):
            if path.is_file():
                return str(path)
    return None


def folder_of(module: str) -> str | None:
    file = file_of(module)
    return None if file is None else _parent(file)


@functools.cache
def _parent(file: str) -> str:
    return str(Path(file).parent)


def is_module(name: str) -> bool:
    return name in sys.modules or _located(name) is not None


def is_bound(module: str, name: str) -> bool:
    """Whether a loaded module has something else than a module under that name."""
    value = getattr(loaded_module(module), name, None)
    return value is not None and not isinstance(value, types.ModuleType)


def is_ours(module: str) -> bool:
    return module == OURS or module.startswith(f"{OURS}.")


@functools.cache
def is_installed(file: str | None) -> bool:
    """Whether a file is the standard library's or an installed package's. Interactive code has no file."""
    if file is None or file.startswith("<"):
        return file is not None and file.startswith("<frozen")
    path = Path(file)
    if {"site-packages", "dist-packages"} & {*path.parts}:
        return True
    return any(path.is_relative_to(place) for place in _LIBRARIES)


_LIBRARIES = tuple(
    place
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
    if (place := sysconfig.get_paths().get(name)) is not None
)


def file_sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
