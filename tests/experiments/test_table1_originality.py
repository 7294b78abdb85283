"""No sentence of the notebooks or of TinyTroupe's claims is in the packaged script."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import harness.experiments.table1 as table1
from harness.experiments.table1 import TABLE
from tests.support.notebooks import published

SPAN = 8
OURS = Path(table1.__file__).parent


def spans(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(words[i : i + SPAN]) for i in range(len(words) - SPAN + 1)}


def test_a_copied_sentence_would_be_seen() -> None:
    sentence = "One two three, four five -\n six seven eight nine."
    assert spans(sentence) & spans(f"Before. {sentence.upper()} After.")
    assert not spans("one two three four five six seven")


@pytest.mark.tinytroupe
@pytest.mark.parametrize("file", [OURS / "words.py", OURS / "claims.py", OURS / "../../../docs/parity.md"])
def test_no_eight_words_in_a_row_are_theirs(file: Path) -> None:
    june = published()
    theirs = spans((june / "../../tinytroupe/validation/propositions.py").read_text(encoding="utf-8"))
    for row in TABLE:
        cells = json.loads((june / row.notebook).read_text(encoding="utf-8"))["cells"]
        theirs |= spans("\n".join("".join(cell["source"]) for cell in cells))
    if not file.exists():
        pytest.skip("an installed package has no docs")
    assert spans(file.read_text(encoding="utf-8")) & theirs == set()
