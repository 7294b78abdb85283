"""The example that comes with the package: a town, who knows whom in it, and a scenario."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ConfigurationError
from harness.records.atomic import write_whole

PACKAGED = Path(__file__).with_name("packaged")


def write_example(folder: Path) -> list[Path]:
    """Copy its files into ``folder``, where none of them may be. Raises `HarnessError`."""
    sources = sorted(PACKAGED.glob("*.yaml"))
    there = [one.name for one in sources if (folder / one.name).exists()]
    if there:
        raise ConfigurationError(f"{folder}: has {', '.join(there)} already; expected a new or empty folder.")
    for one in sources:
        write_whole(folder / one.name, one.read_bytes())
    return [folder / one.name for one in sources]
