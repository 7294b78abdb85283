"""How large the local models of a run are, in words: a result counts for no more than the model that gave it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SMALL = 3_000_000_000
"""Parameters below which a model is too small to stand in for the ones that people use."""

_DIGEST = 12


def local_models(line: Mapping[str, Any]) -> Iterator[str]:
    """A sentence or two for each local model that answered or judged, from the first line of a file.

    >>> file = {"file": "tiny.gguf", "sha256": "b179c9523d0e6a0f", "bytes": 98_362_432, "parameters": 134_515_008}
    >>> print(*local_models({"settings": {"model": "tiny", "model_file": file}}))
    LOCAL MODEL: tiny, 135M parameters (98 MB, SHA-256 b179c9523d0e). Real replies of a model this small: they test \
prompts and parsers, and say little about larger models.
    """
    settings = line.get("settings") or {}
    for prefix, role in (("", "LOCAL MODEL"), ("judge_", "LOCAL JUDGE")):
        file = settings.get(f"{prefix}model_file")
        if isinstance(file, Mapping):
            yield f"{role}: {_described(settings.get(f'{prefix}model'), file)}"


def _described(name: Any, file: Mapping[str, Any]) -> str:
    parameters = int(file.get("parameters") or 0)
    small = (
        " Real replies of a model this small: they test prompts and parsers, and say little about larger models."
        if parameters < SMALL
        else ""
    )
    return (
        f"{name}, {_count(parameters)} parameters ({int(file.get('bytes') or 0) / 1e6:,.0f} MB, SHA-256 "
        f"{str(file.get('sha256'))[:_DIGEST]}).{small}"
    )


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:.0f}M" if parameters < 999_500_000 else f"{parameters / 1e9:.1f}B"
