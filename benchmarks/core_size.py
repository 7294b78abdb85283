"""Size and packages of a fresh core installation: ``pip install .`` without extras, in its own environment.

The environment's pip and setuptools count too. Limits: 120 MB and 45 packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEGABYTES, PACKAGES = 120, 45


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(Path(folder, "bin", "python")), "-m", "pip"]
        subprocess.run([*pip, "install", "-q", str(ROOT), "-c", str(ROOT / "constraints.txt")], check=True)
        listed = subprocess.run([*pip, "list", "--format=json"], check=True, capture_output=True)
        packages = len(json.loads(listed.stdout))
        size = sum(path.stat().st_size for path in Path(folder, "lib").rglob("*") if path.is_file()) / 1e6
    print(f"size: {size:.0f} MB (limit {MEGABYTES}): {'met' if size <= MEGABYTES else 'MISSED'}")
    print(f"packages: {packages} (limit {PACKAGES}): {'met' if packages <= PACKAGES else 'MISSED'}")


if __name__ == "__main__":
    main()
