"""The test files on the pages run as they stand, offline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
FILES = [
    pytest.param(name, text, id=f"{page.name}-{name}")
    for page in sorted(DOCS.glob("*.md"))
    for name, text in BLOCK.findall(page.read_text())
]


@pytest.mark.parametrize(("name", "text"), FILES)
def test_an_example_runs(pytester: pytest.Pytester, name: str, text: str) -> None:
    path = pytester.path / f"{pytester.path.name}_{name}"  # another module in each test: they share a process
    path.write_text(text)
    if not name.startswith("test_"):
        compile(text, name, "exec")
        exec(text, {})
        return
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-m", "experiment", path.name)
    counts = result.parseoutcomes()
    assert counts.get("passed", 0) >= 2 and not counts.get("failed"), counts
    result.stdout.no_fnmatch_line("*FAIL treatment*")
    result.stdout.no_fnmatch_line("*FAIL only the treatment*")
