"""Foreign packages that register things with this one, as pip leaves them in a folder on ``sys.path``."""

from __future__ import annotations

from pathlib import Path

import pytest


def install(
    folder: Path,
    patch: pytest.MonkeyPatch,
    name: str,
    points: dict[str, dict[str, str]],
    code: str = "",
) -> None:
    """Install the distribution ``name`` 1.0 with a module of that name and its entry points by group."""
    home = folder / "site-packages" / name
    info = home / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "\n".join(
            line
            for group, values in points.items()
            for line in (f"[{group}]", *(f"{key} = {value}" for key, value in values.items()))
        )
    )
    (home / f"{name.replace('-', '_')}.py").write_text(code)
    patch.syspath_prepend(home)
    patch.delitem(__import__("sys").modules, name.replace("-", "_"), raising=False)
