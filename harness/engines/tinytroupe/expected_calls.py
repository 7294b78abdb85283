"""How many model calls a trial of the real TinyTroupe makes, by kind, before it is run."""

from __future__ import annotations


def expected_calls(
    people: int,
    steps: int,
    correction: bool,
    interventions: int,
    person_metrics: int,
    panel_metrics: int,
    extraction: bool,
) -> dict[str, int]:
    """Calls by kind of one trial of ``people`` persons, one introductory step and ``steps`` steps.

    ``interventions`` counts those of the group that have a textual precondition. All numbers are exact for
    replies that pass the quality check, but two: ``consolidate`` depends on how much is said (about one in
    two turns), and ``minibio`` is asked once for each person whose memory is consolidated. ``regenerate``
    depends on the replies and is 0 here; each one adds itself, a quality check and a combination.
    """
    acts = people * (steps + 1) + (1 if extraction else 0)
    return {
        "act": acts,
        "quality_check": acts if correction else 0,
        "combine": acts if correction else 0,
        "regenerate": 0,
        "intervention_check": people * (steps + 1) * interventions,
        "extract": 1 if extraction else 0,
        "score_person": people * person_metrics,
        "score_panel": panel_metrics,
        "consolidate": round(acts / 2),
        "minibio": people,
    }
