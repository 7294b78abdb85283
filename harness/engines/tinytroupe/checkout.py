"""Checks a TinyTroupe checkout and its dependencies, and reads June's settings."""

from __future__ import annotations

import importlib.util
import multiprocessing
from collections.abc import Iterable
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path

from harness.errors import ConfigurationError, raise_if_any
from harness.text_files import read_text

PUBLICATION = Path("publications/paper_artifacts_june-2025")
"""The folder, within a checkout, of the notebooks that the experiments replicate."""

INSTALL = "pip install 'persona-harness[tinytroupe]'"
_PACKAGES = (
    "chevron",
    "httpx",
    "llama_index.core",
    "llama_index.embeddings.openai",
    "pandas",
    "textdistance",
    "tiktoken",
)


def check(checkout: Path) -> None:
    """Raise `ConfigurationError`, with every fault at once, unless trials can run from ``checkout``."""
    raise_if_any([*_missing_files(Path(checkout)), *_missing_packages(), *_missing_start_method()])


def settings(checkout: Path, *, model: str, temperature: float | None) -> dict[str, dict[str, str]]:
    """June's settings from the checkout, with the changes that this harness needs.

    ``temperature`` of ``None`` keeps June's. Raises `ConfigurationError` when the file cannot be read.
    """
    path = Path(checkout) / PUBLICATION / "config.ini"
    parser = ConfigParser()
    try:
        parser.read_string(read_text(path, str(path)))
        read = {
            section: {name.upper(): value for name, value in parser[section].items()}
            for section in parser.sections()
        }
    except (OSError, ValueError, ConfigParserError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read as settings ({error}); restore it from the repository."
        ) from None
    for section, values in _overrides(model, temperature).items():
        read.setdefault(section, {}).update(values)
    return read


def _overrides(model: str, temperature: float | None) -> dict[str, dict[str, str]]:
    client = {
        "API_TYPE": "openai",
        "MODEL": model,
        "CACHE_API_CALLS": "False",  # its cache would give one arm the other's replies
        "WAITING_TIME": "0",
        "MAX_CONCURRENT_MODEL_CALLS": "0",  # no cap: the gateway limits concurrency
        "MAX_ATTEMPTS": "1",  # the gateway retries, within its budget
        "TIMEOUT": "86400",  # the gateway times out first; a shorter wait would lose paid replies
    }
    if temperature is not None:
        client["TEMPERATURE"] = str(temperature)
    # Its log would contain every prompt.
    return {
        "OpenAI": client,
        "Logging": {"LOGLEVEL": "ERROR", "LOGLEVEL_CONSOLE": "NONE", "LOGLEVEL_FILE": "NONE"},
    }


def _missing_files(checkout: Path) -> Iterable[str]:
    owner = f"TinyTroupe checkout {checkout}"
    if not checkout.is_dir():
        yield f"{owner}: no such directory; set TINYTROUPE_REPO_DIR to a clone of microsoft/TinyTroupe."
        return
    for needed in (Path("tinytroupe/__init__.py"), PUBLICATION / "config.ini"):
        if not (checkout / needed).is_file():
            yield f"{owner}: {needed} is missing; expected a whole clone of microsoft/TinyTroupe."


def _missing_packages() -> Iterable[str]:
    missing = [name for name in _PACKAGES if not _importable(name)]
    if missing:
        names = ", ".join(missing)
        yield f"The tinytroupe engine needs Python packages that are not installed: {names}; run: {INSTALL}"


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # the parent package itself is missing
        return False


def _missing_start_method() -> Iterable[str]:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield "The tinytroupe engine runs on Linux and macOS alone ('forkserver'); use the embedded engine."
