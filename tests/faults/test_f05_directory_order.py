"""F05: directory order decides who is in which group."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.personas import load


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_listing_gives_the_same_population(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load("usa_general", ["difficult_person"])
    listing, shuffled = Path.iterdir, []

    def unordered(directory: Path) -> Iterator[Path]:
        entries = sorted(listing(directory), reverse=True)
        random.Random(seed).shuffle(entries)
        shuffled.append(entries)
        return iter(entries)

    monkeypatch.setattr(Path, "iterdir", unordered)
    assert load("usa_general", ["difficult_person"]) == before
    assert any(entries != sorted(entries) for entries in shuffled), "the listing was never asked for"
