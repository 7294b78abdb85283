"""F30: the control prompt contains the treatment's text. Here the rendered words of all arms are compared."""

from __future__ import annotations

from harness.model import Level
from tests.support.instruments import EFFECT, bad, each, event, filed, first_lines, sound


def test_in_the_words_that_controls_people_heard() -> None:
    records = each(sound(), "Control", lambda one: one["transcript"].insert(0, event("stimulus", EFFECT)))
    assert bad(filed(records))["words", "Control"] is Level.FAIL


def test_in_the_script_that_both_arms_share() -> None:
    script = {"sha256": "ab12", "words": {"task": f"Discuss the motion.\n\nMind: {EFFECT.lower()}"}}
    lines = first_lines(Control={"script": script}, Treatment={"script": script})
    assert bad(filed(sound(), lines))["words", "Control"] is Level.FAIL


def test_not_in_the_treatment_and_not_in_what_people_say() -> None:
    records = each(
        sound(),
        "Treatment",
        lambda one: one["transcript"].append(event("stimulus", EFFECT, "Ada", "", "THOUGHT")),
    )
    each(records, "Control", lambda one: one["transcript"].append(event("action", EFFECT, one["people"][0])))
    assert not [name for name, _ in bad(filed(records)) if name == "words"]
