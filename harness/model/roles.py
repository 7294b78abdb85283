"""Whose model answers a call: the roles of models in a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAYER, JUDGE, EXTRACTOR, CORRECTOR, USER = "player", "judge", "extractor", "corrector", "user"
ROLES = (PLAYER, JUDGE, EXTRACTOR, CORRECTOR, USER)
"""Who may answer a call: the personas or the agent under test, who scores, who extracts, who drives the correction, and
a simulated user."""
EMBEDDING = "embedding"
"""What calls for embeddings are counted as; who answers them follows from the model that they name."""
SEPARATE = (JUDGE, EXTRACTOR, CORRECTOR, USER)
"""Roles for which a session may name a separate model: the settings ``judge_model``, ``extractor_model`` and so on."""
MEASURING = frozenset({JUDGE, EXTRACTOR})
"""Roles whose answers are the outcome, or are counted to be it. What steers the play, a quality check say, is not."""
FACTS = ("provider", "model", "base_url")
"""What is recorded of a model; of a separate role's with the role in front: ``judge_model``."""


def role_facts() -> list[str]:
    """Every name under which a model is recorded, the player's first."""
    return [*FACTS, *(f"{role}_{fact}" for role in SEPARATE for fact in FACTS)]


def is_rehearsed(facts: Mapping[str, Any]) -> bool:
    """Whether the offline model has any role in a run of these settings, so that nothing in it is evidence.

    >>> is_rehearsed({"provider": "openai", "judge_provider": "rehearsal"})
    True
    """
    return any(facts.get(name) == "rehearsal" for name in role_facts() if name.endswith("provider"))
