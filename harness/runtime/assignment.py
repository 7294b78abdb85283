"""Between-persona assignment: which arm each panel takes part in."""

from __future__ import annotations

import functools
import hashlib
import random

from harness.errors import ConfigurationError


@functools.lru_cache(maxsize=1024)
def assign_panels(seed: int, experiment: str, panels: int, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The arm of each panel, by seeded permuted blocks: of each ``len(groups)`` panels one goes to every arm.

    Arms differ by one panel at most; cells of crossed factors are arms, so that factors are balanced too. A last,
    incomplete block goes to arms drawn at random. The same arguments give the same assignment.

    Raises `ConfigurationError` where an arm would have no panel.
    Source: Lachin, Matts & Wei, Controlled Clinical Trials 9 (1988), on permuted-block randomisation.
    """
    if panels < len(groups):
        raise ConfigurationError(
            f"Experiment {experiment}: assignment='between' gives each panel to one arm, and there are {panels} panels "
            f"for {len(groups)} arms; expected at least one each, better several. Add people, or lower panel_size."
        )
    key = hashlib.sha256(f"{seed}/{experiment}/assignment".encode()).digest()
    rng = random.Random(key)
    found: list[str] = []
    while len(found) < panels:
        block = list(groups)
        rng.shuffle(block)
        found += block
    return tuple(found[:panels])
