"""Words: the treatment's in control's prompts, and scripts that differ between arms."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model import Level
from tests.support.instruments import EFFECT, NUDGE, bad, each, event, filed, first_lines, sound, the


def heard(arm: str, text: str, type_: str = "CONVERSATION", source: str = "") -> list[dict[str, Any]]:
    """A run in which people of ``arm`` hear ``text``."""
    return each(
        sound(), arm, lambda one: one["transcript"].append(event("stimulus", text, "Ada", source, type_))
    )


def test_the_treatments_thought_in_control() -> None:
    found = bad(filed(heard("Control", EFFECT, "THOUGHT", "variety")))
    assert found == {("words", "Control"): Level.FAIL}


def test_where_it_belongs_it_is_no_fault() -> None:
    assert bad(filed(heard("Treatment", EFFECT, "THOUGHT", "variety"))) == {}


@pytest.mark.parametrize(
    "text", [EFFECT.upper(), EFFECT.replace(" ", "\n  "), f"Remember: “{EFFECT}” So go on."]
)
def test_disguises(text: str) -> None:
    assert bad(filed(heard("Control", text)))["words", "Control"] is Level.FAIL


def test_the_shared_script_has_it_too() -> None:
    script = {"sha256": "ab12", "words": {"task": f"Discuss. {EFFECT}", "proposals": [{"thing": "a lamp"}]}}
    lines = first_lines(Control={"script": script}, Treatment={"script": script})
    assert bad(filed(sound(), lines)) == {("words", "Control"): Level.FAIL}


def test_a_condition_counts_like_an_effect() -> None:
    nudge = {**NUDGE, "textual": "The person keeps on repeating one and the same idea."}
    lines = first_lines(Treatment={"interventions": [nudge]})
    found = the(filed(heard("Control", str(nudge["textual"])), lines), "words", "Control")
    assert (found.level, found.number) == (Level.FAIL, 1.0)


def test_some_phrases_in_common_are_a_warning_and_a_few_words_are_nothing() -> None:
    half = " ".join(EFFECT.split()[:11])
    assert bad(filed(heard("Control", half)))["words", "Control"] is Level.WARN
    assert ("words", "Control") not in bad(filed(heard("Control", " ".join(EFFECT.split()[:6]))))


def test_what_people_say_of_themselves_is_no_prompt() -> None:
    said = each(
        sound(), "Control", lambda one: one["transcript"].append(event("action", EFFECT, one["people"][0]))
    )
    passed_on = each(
        sound(),
        "Control",
        lambda one: one["transcript"].append(event("stimulus", EFFECT, "Ada", one["people"][1])),
    )
    for records in (said, passed_on):
        assert ("words", "Control") not in bad(filed(records))


def test_an_intervention_of_both_arms_is_nobodys_secret() -> None:
    lines = first_lines(Control={"interventions": [NUDGE]})
    assert bad(filed(heard("Control", EFFECT, "THOUGHT", "variety"), lines)) == {}


def test_a_request_that_one_arm_alone_hears() -> None:
    run = filed(heard("Treatment", "Please be creative."))
    assert bad(run) == {("script", "Treatment against Control"): Level.WARN}
    assert the(run, "script").message == "1 request occurs in one arm only, in 12 pairs of trials"
