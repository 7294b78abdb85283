"""From the package's objects to events, on objects of the same shape."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from harness.engines.tinytroupe.event_capture import MAX_TEXT, Corrections, Transcript
from harness.model import CorrectionEvent, Event


class Memory:
    def __init__(self) -> None:
        self.all: list[Any] = []

    def count(self) -> int:
        return len(self.all)

    def retrieve_all(self) -> list[Any]:
        return list(self.all)


def person(name: str) -> Any:
    return SimpleNamespace(name=name, episodic_memory=Memory(), action_generator=Generator())


def hears(who: Any, content: Any, source: str = "") -> None:
    stimulus = {"type": "CONVERSATION", "content": content, "source": source}
    who.episodic_memory.all.append({"type": "stimulus", "content": {"stimuli": [stimulus]}})


def acts(who: Any, kind: str, content: Any = "", target: Any = None) -> None:
    action = {"type": kind, "content": content, "target": target}
    who.episodic_memory.all.append({"type": "action", "content": {"action": action}})


class Generator:
    """Scores what it is given: passes from 5 on; one check is on, three count as full."""

    enable_quality_check_for_persona_adherence = True
    enable_quality_check_for_selfconsistency = False
    enable_quality_check_for_fluency = False
    enable_quality_check_for_suitability = False

    def _check_action_quality(self, stage: str, agent: Any, tentative_action: Any) -> Any:
        score = tentative_action[0]["score"]
        return score >= 5, score + 27, "feedback"


def test_events_are_cut_into_steps_and_ordered_by_person() -> None:
    ana, bo = person("Ana"), person("Bo")
    transcript = Transcript([ana, bo])
    hears(ana, "Hello")
    hears(bo, "Hello")
    acts(bo, "TALK", "Hi", "Ana")
    hears(ana, "Hi", "Bo")
    transcript.step = 1
    acts(ana, "DONE")
    assert transcript.events() == [
        Event(0, "Ana", "stimulus", "CONVERSATION", "Hello"),
        Event(0, "Ana", "stimulus", "CONVERSATION", "Hi", source="Bo"),
        Event(0, "Bo", "stimulus", "CONVERSATION", "Hello"),
        Event(0, "Bo", "action", "TALK", "Hi", target="Ana"),
        Event(1, "Ana", "action", "DONE", ""),
    ]


def test_text_is_bounded_and_absent_text_is_empty() -> None:
    ana = person("Ana")
    hears(ana, "x" * (MAX_TEXT + 1))
    acts(ana, "DONE", None)
    ana.episodic_memory.all.append({"type": "feedback", "content": "do not repeat"})
    long, done, told = Transcript([ana]).events()
    assert len(long.content) == MAX_TEXT
    assert done.content == ""
    assert (told.kind, told.type) == ("stimulus", "FEEDBACK")


def attempts(*scores: int) -> list[CorrectionEvent]:
    ana = person("Ana")
    corrections = Corrections()
    corrections.watch(ana, Transcript([ana]))
    for number, score in enumerate(scores):
        stage = "Action Regeneration (0)" if number else "Original Action"
        said = [{"type": "TALK", "content": f"try {number}", "score": score}]
        assert ana.action_generator._check_action_quality(stage, ana, said)[0] == (score >= 5)
    return corrections.events()


def test_a_turn_that_passed_at_once_is_no_correction() -> None:
    assert attempts(5) == []


def test_the_attempt_that_passed_is_kept() -> None:
    tries = (("TALK: try 0", 2.0), ("TALK: try 1", 6.0))
    assert attempts(2, 6) == [CorrectionEvent(0, "Ana", tries, 1)]


def test_the_first_of_the_best_is_kept_when_none_passed() -> None:
    assert [event.kept for event in attempts(1, 4, 4)] == [1]
