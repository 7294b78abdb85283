"""Reads the events and corrections of a trial from the package's objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from harness.model import MAX_SCORE, CorrectionEvent, Event

MAX_TEXT = 100_000
"""The most characters kept of one event."""


class Transcript:
    """The persons' episodic memories by step. ``step`` is the current one, and may only grow."""

    def __init__(self, people: Sequence[Any]) -> None:
        self.people = people
        self._step = 0
        self._ends: dict[int, Counter[str]] = {}

    @property
    def step(self) -> int:
        return self._step

    @step.setter
    def step(self, step: int) -> None:
        self._mark()
        self._step = step

    def _mark(self) -> None:
        self._ends[self._step] = Counter(
            {person.name: person.episodic_memory.count() for person in self.people}
        )

    def events(self) -> list[Event]:
        """Every event so far, by step, and within a step by person in the panel's order."""
        self._mark()
        found: list[Event] = []
        begins: Counter[str] = Counter()
        for step, ends in self._ends.items():
            for person in self.people:
                memories = person.episodic_memory.retrieve_all()[begins[person.name] : ends[person.name]]
                found.extend(event for memory in memories for event in _events(step, person.name, memory))
            begins = ends
        return found


def _events(step: int, person: str, memory: Any) -> Iterator[Event]:
    content = memory.get("content")
    if memory.get("type") == "stimulus":
        for stimulus in content["stimuli"]:
            source = str(stimulus.get("source") or "")
            yield Event(
                step, person, "stimulus", str(stimulus["type"]), _text(stimulus["content"]), source=source
            )
    elif memory.get("type") == "action":
        action = content["action"]
        target = str(action.get("target") or "")
        yield Event(
            step, person, "action", str(action.get("type")), _text(action.get("content")), target=target
        )
    else:  # a note of the package about repetition
        yield Event(step, person, "stimulus", str(memory.get("type") or "other").upper(), _text(content))


def _text(content: Any) -> str:
    return ("" if content is None else str(content))[:MAX_TEXT]


class Corrections:
    """Watches the quality checks of persons' action generators."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []

    def watch(self, person: Any, transcript: Transcript) -> None:
        """Record each attempt at an action of ``person`` with its score, without changing the outcome."""
        generator = person.action_generator
        check = generator._check_action_quality

        def checked(stage: str, agent: Any, tentative_action: Any) -> Any:
            passed, total, feedback = check(stage, agent, tentative_action)
            if stage == "Original Action":
                self._turns.append(_Turn(transcript.step, person.name))
            turn = next(turn for turn in reversed(self._turns) if turn.person == person.name)
            turn.attempts.append((_text(_said(tentative_action)), _mean_score(generator, total), passed))
            return passed, total, feedback

        generator._check_action_quality = checked

    def events(self) -> list[CorrectionEvent]:
        """The turns that were sent back, sorted by step and person, because threads record them in any order."""
        sent_back = [turn for turn in self._turns if len(turn.attempts) > 1]
        return [turn.event() for turn in sorted(sent_back, key=lambda turn: (turn.step, turn.person))]


class _Turn:
    def __init__(self, step: int, person: str) -> None:
        self.step, self.person = step, person
        self.attempts: list[tuple[str, float, bool]] = []

    def event(self) -> CorrectionEvent:
        scores = [score for _, score, _ in self.attempts]
        # The package keeps the attempt that passed, which is the last; if none did, the first of the best.
        kept = len(scores) - 1 if self.attempts[-1][2] else scores.index(max(scores))
        return CorrectionEvent(
            self.step, self.person, tuple((text, score) for text, score, _ in self.attempts), kept
        )


_CHECKS = ("persona_adherence", "selfconsistency", "fluency", "suitability")


def _mean_score(generator: Any, total: float) -> float:
    """The mean over the enabled checks: the package's total counts a disabled one as a full score."""
    on = sum(bool(getattr(generator, f"enable_quality_check_for_{check}")) for check in _CHECKS)
    return round((total - MAX_SCORE * (len(_CHECKS) - on)) / max(on, 1), 6)


def _said(action: Any) -> str:
    actions = action if isinstance(action, list) else [action]
    return "\n".join(f"{one.get('type')}: {one.get('content')}" for one in actions if isinstance(one, dict))
