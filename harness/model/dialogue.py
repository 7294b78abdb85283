"""A persona as a simulated user who talks to an agent under test."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from harness.model.declaration import (
    NAME,
    Fields,
    Kind,
    declaration,
    field_faults,
    flat,
    is_plainly_synchronous,
    normalise,
    shown,
)
from harness.model.metrics import Measure, Proposition
from harness.model.outcome import Event
from harness.model.persona import Persona
from harness.model.play import CallBounds, Play, TrialPlan
from harness.model.script import placeholder_problems

TURNS, GOAL_REACHED = "turns", "goal_reached"
"""Metrics that a dialogue reports itself, where they are declared as a `Measure` without a function."""

_UNREAD = "only an agent's function reads settings. Expected Group(instructions=…), or agent= a function."


class AgentFunction(Protocol):
    """Gives the agent's next reply. ``messages`` are the dialogue so far, as in OpenAI's chat API.

    The user's messages have the role ``user``, the agent's ``assistant``; the last is the user's. ``client`` is the
    trial's. Returns the reply as text, or the `harness.gateway.calls.Reply` of a call.
    """

    def __call__(
        self, messages: Sequence[Mapping[str, Any]], plan: TrialPlan, client: Any, /
    ) -> Awaitable[Any]: ...


_AGENT = Kind(
    lambda value: isinstance(value, str) or callable(value),
    "an asynchronous function of messages, plan and client, the spec of a model, or None for the arm's model",
)
_UNTIL = Kind(
    lambda value: (isinstance(value, str) and bool(value.strip())) or callable(value),
    "a claim that a judge decides, or a function of the transcript that returns True or False",
)
_PEOPLE = Kind(
    lambda value: isinstance(value, str | Path | tuple),
    "the name of a packaged population, the path of a table or of persona files, a Population, or a tuple of Personas",
)


@declaration
@dataclass(frozen=True, slots=True)
class Dialogue(Play):
    """A persona with a goal who talks to an agent under test, turn by turn; goes where a `Play` goes.

    A trial is one persona, about one proposal. A turn is a message of the user and the agent's reply; the mode's
    ``steps`` are the most turns. Arms vary the agent (``model``, ``instructions``, ``settings`` of `Group`) or the user
    (``population``, ``fragments``).

    Fields:
        goal: what the user wants, in words to the user; the proposal's fields fill its ``{placeholders}``.
        agent: the agent under test. An asynchronous function of the messages so far, the `TrialPlan` and the trial's
            client, which returns the reply; or the spec of a model; default None, the arm's model.
        until: ends a dialogue once it holds after a reply of the agent: a claim that the judge decides, or a function
            of the transcript; default None, the user's decision alone.
        instructions: system prompt of an agent that is a model, with placeholders as in ``goal``; an arm's
            ``instructions`` are added at its end; default None.
        user: who plays the user, in place of the experiment's ``population``; default None.
        calls: gives, for a `TrialPlan`, the least and the most model calls that an agent's function makes in a trial,
            by kind; default None, not known.
        record_type, case_per_trial, check, examine, answer: as in `Play`.

    The metrics ``turns`` (messages of the user) and ``goal_reached`` (1 if ``until`` held, else 0) are reported where a
    `Measure` without a function has that name.

    >>> Dialogue("Get your money back for {thing}.", until="The agent has promised the refund.").agent is None
    True
    """

    function: Any = field(init=False, default=None, repr=False)
    goal: str
    _: KW_ONLY
    agent: AgentFunction | str | None = None
    until: str | Callable[[Sequence[Event]], bool] | None = None
    instructions: str | None = None
    user: str | Path | tuple[Persona, ...] | None = None

    FIELDS: ClassVar[Fields] = {
        **{name: kind for name, kind in Play.FIELDS.items() if name != "function"},
        "goal": NAME,
        "agent": _AGENT.or_none(),
        "until": _UNTIL.or_none(),
        "instructions": NAME.or_none(),
        "user": _PEOPLE.or_none(),
    }

    def __post_init__(self) -> None:
        normalise(self, tuples=["user"] if not isinstance(self.user, str | Path | None) else [])
        object.__setattr__(self, "function", self.agent if callable(self.agent) else None)

    def problems(self, owner: str) -> Iterable[str]:
        yield from flat(field_faults(f"{owner}: play", self))
        if callable(self.agent) and is_plainly_synchronous(self.agent):
            yield (
                f"{owner}: play: agent={shown(self.agent)} is not asynchronous; expected one declared with async def."
            )
        if inspect.iscoroutinefunction(self.until):
            yield f"{owner}: play: until={shown(self.until)} is asynchronous; expected a plain function."
        if callable(self.agent) and self.instructions is not None:
            yield f"{owner}: play: instructions= are for an agent that is a model; expected them in its function."

    def design_problems(self, experiment: Any) -> Iterable[str]:
        """Faults that lie between the dialogue and the rest of its `harness.Experiment`."""
        mine = f"Experiment {experiment.name}"
        if experiment.population == ():
            yield f"{mine}: has no population; expected user= of its Dialogue, or population=."
        elif self.user not in (None, experiment.population):
            yield f"{mine}: population= and user= of its Dialogue are both set; expected one of them."
        if experiment.panel_size != 1:
            yield f"{mine}: panel_size={experiment.panel_size}; expected 1, since one user talks to the agent."
        for metric in experiment.metrics:
            if isinstance(metric, Measure) and metric.function is None and metric.name not in self.reported:
                yield (
                    f"{mine}: metric {metric.name!r} has no function; expected one, or a name that this dialogue "
                    f"reports: {', '.join(self.reported)}."
                )
        for part in ("task", "introduction", "consolidation", "extraction"):
            if getattr(experiment.script, part):
                yield f"{mine}: script: {part}= is not read in a dialogue; expected the user's goal= alone."
        for index, proposal in enumerate(experiment.script.proposals):
            for part in ("goal", "instructions"):
                text = getattr(self, part) or ""
                yield from placeholder_problems(f"{mine}: play.{part}", text, index, proposal)
        if experiment.settings and not callable(self.agent):
            yield f"{mine}: settings={shown(dict(experiment.settings))}; {_UNREAD}"
        for group in experiment.groups:
            yield from self._group_problems(f"Group {group.name!r} of {experiment.name}", group)

    def _group_problems(self, mine: str, group: Any) -> Iterable[str]:
        for part in ("correction", "interventions", "script"):
            if getattr(group, part):
                yield f"{mine}: {part}= is for personas of an engine, and nothing reads it in a dialogue; leave it out."
        if group.settings and not callable(self.agent):
            yield f"{mine}: settings={shown(dict(group.settings))}; {_UNREAD}"
        if group.model is not None and isinstance(self.agent, str):
            yield (
                f"{mine}: model={group.model!r}, and the dialogue's agent is {self.agent!r}; expected one of them."
            )

    @property
    def reported(self) -> tuple[str, ...]:
        return (TURNS, GOAL_REACHED) if self.until is not None else (TURNS,)

    @property
    def declared(self) -> dict[str, Any]:
        """Its texts, which identify a run; functions are identified by their code."""
        texts = {name: getattr(self, name) for name in ("goal", "agent", "until", "instructions")}
        return {name: text for name, text in texts.items() if isinstance(text, str)}

    @property
    def bounds(self) -> Callable[[TrialPlan], CallBounds] | None:
        return self._bounds

    def _bounds(self, plan: TrialPlan) -> CallBounds:
        """The user's calls, the agent's where it is a model or ``calls`` says them, and the judge's."""
        turns = plan.steps
        least, most = Counter({"user": 1 if self.until or turns == 1 else 2}), Counter({"user": turns})
        if not callable(self.agent):
            least["agent"], most["agent"] = 1, turns
        elif self.calls is not None:
            for counts, known in zip((least, most), self.calls(plan), strict=True):
                counts.update(known)
        if isinstance(self.until, str):
            least["goal_check"], most["goal_check"] = 1, turns
        for claim in plan.metrics:
            if isinstance(claim, Proposition):
                kind, number = (
                    ("score_person", len(plan.personas)) if claim.about == "person" else ("score_panel", 1)
                )
                least[kind] += number
                most[kind] += number
        return least, most
