"""How an experiment runs its trials itself, in place of an engine of personas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Protocol

from harness.model.check import Check
from harness.model.declaration import (
    FLAG,
    FUNCTION,
    NAME,
    Fields,
    declaration,
    field_faults,
    flat,
    is_plainly_synchronous,
    shown,
)
from harness.model.metrics import Measure, Proposition
from harness.model.outcome import Trial, TrialFiles, TrialResult
from harness.model.persona import Persona
from harness.model.script import Script
from harness.model.treatment import Correction, Intervention

CallBounds = tuple[Mapping[str, int], Mapping[str, int]]
"""The least and the most model calls of a trial, by kind of call."""


class PlayFunction(Protocol):
    """Runs one trial. ``client`` is a `harness.gateway.calls.ModelClient`, bound to that trial."""

    def __call__(
        self, plan: TrialPlan, client: Any, /
    ) -> Awaitable[TrialResult | Mapping[str, float | None] | None]: ...


@declaration
@dataclass(frozen=True, slots=True)
class Play:
    """An experiment's own way to run its trials, in place of an engine of personas.

    Fields:
        function: asynchronous; takes the `TrialPlan` and the trial's client (`harness.gateway.calls.ModelClient`) and
            returns a `TrialResult`, or a mapping of metrics to numbers, or None.
        calls: gives, for a `TrialPlan`, the least and the most model calls by kind; default None, not known.
        record_type: the ``type`` of the lines of finished trials; default ``"trial_result"``.
        case_per_trial: whether each trial is a pytest case, whose id has the proposal's ``id``; default False.
        check: gives what is wrong with the experiment, one sentence each, before its first call; default None.
        examine: gives more validity checks (`Check`) of a run as its files tell it (`harness.records.FiledRun`), with
            the short values of each record in ``details``; default None.
        answer: takes the same run and its checks, and gives headings, sentences and tables for a report
            (`harness.reports.parts`); default None.
        files: whether its trials may keep files, in the plan's ``place``; default False.
        deterministic: whether equal replies lead to equal requests; default True. A resumed trial whose requests
            differ from the journal's then fails before it pays; with False they are sent again. Code that puts the
            time or live data into prompts needs False.
        transcript: whether the calls of a trial become its transcript where the function returns none; default True.
        fixed_model: whether the arm's model answers every call, whatever model it names; for a program with names of
            models in its own configuration; default False.

    >>> async def ask(plan, client): ...
    >>> Play(ask).record_type
    'trial_result'
    """

    function: PlayFunction
    _: KW_ONLY
    calls: Callable[[TrialPlan], CallBounds] | None = None
    record_type: str = "trial_result"
    case_per_trial: bool = False
    check: Callable[[Any], Iterable[str]] | None = None
    examine: Callable[[Any], Iterable[Check]] | None = None
    answer: Callable[[Any, Sequence[Check]], Iterable[Any]] | None = None
    files: bool = False
    transcript: bool = True
    fixed_model: bool = False
    deterministic: bool = True

    FIELDS: ClassVar[Fields] = {
        "function": FUNCTION,
        "calls": FUNCTION.or_none(),
        "record_type": NAME,
        "case_per_trial": FLAG,
        "check": FUNCTION.or_none(),
        "examine": FUNCTION.or_none(),
        "answer": FUNCTION.or_none(),
        "files": FLAG,
        "transcript": FLAG,
        "fixed_model": FLAG,
        "deterministic": FLAG,
    }

    @property
    def bounds(self) -> Callable[[TrialPlan], CallBounds] | None:
        """What gives the least and the most model calls of a trial, where that is known."""
        return self.calls

    def problems(self, owner: str) -> Iterable[str]:
        yield from flat(field_faults(f"{owner}: play", self))
        if is_plainly_synchronous(self.function):
            yield (
                f"{owner}: play: function={shown(self.function)} is not asynchronous; "
                "expected one declared with async def."
            )


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """Everything that an engine needs to run one trial, frozen and, without its ``place``, picklable.

    ``script`` has the arm's own texts; ``instructions`` end each persona's prompt, and ``memory_limit`` counts
    characters (``None``: the engine's). ``settings`` are the experiment's and ``arm`` the group's, for a `Play`, which
    sends ``temperature`` with its calls; ``record_type`` is what its line is called. ``place`` is filled in when the
    trial begins.
    """

    trial: Trial
    personas: tuple[Persona, ...]
    script: Script
    proposal: Mapping[str, str]
    steps: int
    correction: Correction | None
    interventions: tuple[Intervention, ...]
    metrics: tuple[Proposition | Measure, ...]
    seed: int
    play: Play | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    arm: Mapping[str, Any] = field(default_factory=dict)
    record_type: str = "trial_result"
    temperature: float | None = None
    place: TrialFiles | None = None
    instructions: str | None = None
    memory_limit: int | None = None
