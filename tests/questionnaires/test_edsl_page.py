"""The page for people who come from EDSL counts the lines of its examples as they stand."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from-edsl.md").read_text("utf-8")


def test_the_lines_of_each_example_are_counted() -> None:
    sections = re.findall(r"lines there.*?(\d+) here.*?```python\n# \w+\.py\n(.*?)```", PAGE, re.DOTALL)
    assert [int(said) for said, _ in sections] == [
        sum(bool(line.strip()) for line in code.splitlines()) for _, code in sections
    ]
    assert len(sections) == PAGE.count("```python")
