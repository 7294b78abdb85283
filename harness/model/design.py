"""What an experimenter declares: experiments, groups, scripts and metrics. Frozen data, checked when made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.console import name_problems
from harness.errors import raise_if_any
from harness.model.model_options import option_problems
from harness.model.text import text_faults

MIN_SCORE, MAX_SCORE = 0, 9
"""The scale of every proposition, as in TinyTroupe."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Persona:
    """One simulated person: a unique name and the free-form specification that a prompt is made of.

    ``specification`` is the ``persona`` object of TinyTroupe's file format. ``source`` says where it came from.
    """

    name: str
    specification: Mapping[str, Any]
    source: str = "declared"


class HasActions(Protocol):
    """What a functional precondition may look at: the same attribute in our personas and in TinyTroupe's."""

    actions_count: int


@dataclass(frozen=True, slots=True)
class ActionsAtLeast:
    """The functional precondition of the paper: the person has acted at least ``count`` times (DONE counts)."""

    count: int

    def __call__(self, person: HasActions) -> bool:
        return person.actions_count >= self.count

    def __str__(self) -> str:
        return f"actions_count >= {self.count}"


@dataclass(frozen=True, slots=True)
class Correction:
    """Action correction: score each turn, and have it generated again while it is below the threshold.

    ``quality_threshold`` is a score, 0 to 9; ``max_attempts`` counts regenerations, not the first try. A
    group without correction has ``correction=None``.
    """

    quality_threshold: int = 5
    max_attempts: int = 2
    regeneration: bool = True

    def problems(self, owner: str) -> Iterable[str]:
        if not MIN_SCORE <= self.quality_threshold <= MAX_SCORE:
            yield f"{owner}: quality_threshold={self.quality_threshold}; expected {MIN_SCORE} to {MAX_SCORE}."
        if not 1 <= self.max_attempts <= 20:
            yield f"{owner}: max_attempts={self.max_attempts}; expected 1 to 20."


@dataclass(frozen=True, slots=True)
class Intervention:
    """A nudge: when the preconditions hold for a person, ``effect`` is put into that person's thoughts.

    The functional precondition is asked first, because it is free; then the textual one, by model.
    """

    name: str
    effect: str
    textual: str | None = None
    functional: Callable[[Any], bool] | None = None

    def problems(self, owner: str) -> Iterable[str]:
        if not self.effect.strip():
            yield f"{owner}: intervention {self.name!r} has an empty effect; expected the thought to put."


@dataclass(frozen=True, slots=True)
class Proposition:
    """A claim that a model scores 0 to 9 against a person's transcript, or the whole panel's.

    ``name`` is the metric's name in results. ``tinytroupe`` names the proposition of the same meaning in the
    real package (``tinytroupe.validation.<name>``), which that engine uses instead of ``claim``.
    ``include_persona`` shows the judge the person's specification too.
    """

    name: str
    claim: str
    about: Literal["person", "panel"] = "person"
    include_persona: bool = True
    tinytroupe: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric computed from a trial's transcript by a function, without any model.

    ``function`` takes the transcript (a sequence of `harness.model.Event`) and returns a number, or ``None``
    when the transcript has no answer. It is ``None`` where the experiment's own `Play` reports the metric; ``about``
    then says whether there is one value per person or one per trial.
    """

    name: str
    function: Callable[[Sequence[Any]], float | None] | None = None
    about: Literal["person", "panel"] = "panel"


@dataclass(frozen=True, slots=True)
class Play:
    """How an experiment's trials are played without personas' engines: by a function of its own.

    ``check`` gives what is wrong with the experiment, one sentence each, before its first call. ``function`` is
    asynchronous; it takes the `TrialPlan` and the gateway's client of that trial (`harness.gateway.calls.ModelClient`),
    and returns a `TrialResult`. ``calls`` gives, for a `TrialPlan`, the least and the most model calls by kind.
    ``record_type`` is what lines of finished trials are called. With ``case_per_trial`` one pytest case stands for one
    trial, not for a cell: its id has the proposal's ``id``. ``examine`` gives further checks of the instrument
    (`Check`) of a run as its files tell it (`harness.records.FiledRun`); of each record it sees, beside what every
    record has, the short values in ``details``. ``answer`` takes the same run and its checks, and tells what follows,
    for a report: headings, sentences and tables (`harness.reports.parts`). With ``files`` its trials may keep files of
    their own: their plans have a `Place`.
    """

    function: Callable[[Any, Any], Awaitable[Any]]
    calls: Callable[[Any], tuple[Mapping[str, int], Mapping[str, int]]] | None = None
    record_type: str = "trial_result"
    case_per_trial: bool = False
    check: Callable[[Any], Iterable[str]] | None = None
    examine: Callable[[Any], Iterable[Any]] | None = None
    answer: Callable[[Any, Sequence[Any]], Iterable[Any]] | None = None
    files: bool = False


@dataclass(frozen=True, slots=True)
class Extraction:
    """What is extracted from the rapporteur's consolidation, as JSON: under ``root`` a list of objects with ``fields``.

    The length of the list becomes the metric ``metric``. ``root_hint`` is what the tinytroupe engine
    tells the model about ``root``.
    """

    root: str
    fields: tuple[str, ...]
    metric: str
    objective: str
    situation: str
    root_hint: str = "it is the root, the only key of the JSON object; its value is the list of all items"


@dataclass(frozen=True, slots=True)
class Script:
    """The words said to the personas. ``{placeholders}`` are filled from a proposal's fields.

    ``proposals`` are what the conversations are about, one trial per panel and proposal. ``task_description`` is what
    the judge of a panel is told that the task was. ``source`` and ``origin`` say where the words came from:
    ``source`` is ``embedded``, ``notebook`` or ``declared``; ``origin`` holds provenance such as path and SHA-256.
    """

    task: str
    introduction: str | None = None
    proposals: tuple[Mapping[str, str], ...] = field(default_factory=lambda: ({},))
    consolidation: str | None = None
    extraction: Extraction | None = None
    task_description: str = "{task}"
    source: str = "declared"
    origin: Mapping[str, str] = field(default_factory=dict)

    def problems(self, owner: str) -> Iterable[str]:
        if not self.proposals:
            yield f"{owner}: the script has no proposals; expected at least one."
        if self.extraction is not None and self.consolidation is None:
            yield f"{owner}: the script extracts {self.extraction.root!r} but nobody consolidates; set consolidation=."
        for number, proposal in enumerate(self.proposals):
            for part in ("introduction", "task", "consolidation", "task_description"):
                known = {*proposal, "task"} if part == "task_description" else set(proposal)
                for name in sorted(set(_PLACEHOLDER.findall(getattr(self, part) or "")) - known):
                    yield (
                        f"{owner}: script.{part} uses {{{name}}}, which proposal {number} lacks; "
                        f"it has {', '.join(sorted(proposal)) or 'no fields'}."
                    )


def render(text: str, fields: Mapping[str, str]) -> str:
    """Fill the ``{placeholders}`` of ``text`` that ``fields`` names; every other brace stays as it is."""
    return _PLACEHOLDER.sub(lambda found: fields.get(found[1], found[0]), text)


@dataclass(frozen=True, slots=True)
class Mode:
    """The size of an experiment: repetitions, steps of the main part, and how many people and proposals.

    ``people`` and ``proposals`` are numbers of items from the front; ``None`` means all.
    """

    reps: int = 1
    steps: int = 5
    people: int | None = None
    proposals: int | None = None

    def problems(self, owner: str) -> Iterable[str]:
        for name in ("reps", "steps", "people", "proposals"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{owner}: {name}={value}; expected 1 or more."


@dataclass(frozen=True, slots=True)
class Group:
    """One arm of an experiment, with the correction and the interventions of that arm.

    ``settings`` is plain data for the experiment's own `Play`; it identifies the arm and stands in its records.
    ``model_options`` are request fields that this arm adds to its model calls (``{"reasoning_effort": "low"}``), over
    those of the session and the experiment; ``None`` leaves a field out. They never reach the calls that score or
    extract the outcome, so that all arms are measured alike.
    """

    name: str
    correction: Correction | None = None
    interventions: tuple[Intervention, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)

    def problems(self, owner: str) -> Iterable[str]:
        mine = f"Group {self.name!r} of {owner}"
        if not _NAME.fullmatch(self.name):
            yield f"{mine}: expected a name of letters, digits, '_', '.' or '-', at most 64."
        yield from _settings_problems(mine, self.settings)
        yield from option_problems(f"{mine}: model_options", self.model_options)
        if self.correction is not None:
            yield from self.correction.problems(mine)
        for intervention in self.interventions:
            yield from intervention.problems(mine)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named design: who takes part, which arms, what is said, what is measured, and how large.

    ``population`` is the name of a packaged population, a folder of persona files, or the personas
    themselves. ``panel_size`` people meet per trial (consecutive people; ``None``: everyone meets);
    ``shuffle_seed`` shuffles them first. ``fragments`` are merged into everyone's persona.
    The first group is the one that the others are compared with. ``play`` plays trials in place of an engine of
    personas, and then nobody need take part; ``settings`` is plain data for it, which identifies the experiment and
    stands in its records. Its calls are sent with ``temperature`` where the session names none, and with the request
    fields ``model_options`` (``{"top_p": 0.9, "max_tokens": 800}``) where neither the session, nor the arm, nor the
    request itself names them. ``axes`` are the settings that a sweep may vary; ``seed`` is what its trials are given in
    place of the session's.

    Raises `ConfigurationError` with every fault at once.
    """

    name: str
    groups: tuple[Group, ...]
    script: Script
    metrics: tuple[Proposition | Measure, ...]
    population: str | Path | tuple[Persona, ...] = ()
    modes: Mapping[str, Mode] = field(default_factory=lambda: {"full": Mode()})
    default_mode: str = ""
    fragments: tuple[str | Path, ...] = ()
    panel_size: int | None = None
    shuffle_seed: int | None = None
    protocol: str = "discussion"
    play: Play | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    axes: tuple[str, ...] = ()
    seed: int | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("groups", "metrics", "fragments", "axes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not isinstance(self.population, str | Path):
            object.__setattr__(self, "population", tuple(self.population))
        if not self.default_mode:
            object.__setattr__(
                self, "default_mode", "paper" if "paper" in self.modes else next(iter(self.modes), "")
            )
        raise_if_any(self.problems())

    def problems(self) -> Iterable[str]:
        """Every fault of the declaration, one sentence each."""
        if not _NAME.fullmatch(self.name):
            yield f"Experiment {self.name!r}: expected a name of letters, digits, '_', '.' or '-', at most 64."
        yield from _duplicates(self.name, "group", [group.name for group in self.groups])
        yield from _duplicates(self.name, "metric", [metric.name for metric in self.metrics])
        for what, name in self._names():
            yield from name_problems(f"Experiment {self.name}: {what}", name)
        yield from self._text_problems()
        if not self.groups:
            yield f"Experiment {self.name}: no groups; expected at least one."
        if not self.metrics and self.script.extraction is None:
            yield f"Experiment {self.name}: no metrics; expected at least one."
        if self.panel_size is not None and self.panel_size < 1:
            yield f"Experiment {self.name}: panel_size={self.panel_size}; expected 1 or more."
        if self.default_mode not in self.modes:
            known = ", ".join(self.modes) or "none"
            yield f"Experiment {self.name}: default_mode={self.default_mode!r} is not among its modes: {known}."
        yield from _settings_problems(f"Experiment {self.name}", self.settings)
        for axis in self.axes:
            if axis not in self.settings:
                known = ", ".join(self.settings) or "none"
                yield f"Experiment {self.name}: axis {axis!r} is not among its settings: {known}."
        yield from self._option_problems()
        yield from self._play_problems()
        for group in self.groups:
            yield from group.problems(self.name)
        yield from self.script.problems(f"Experiment {self.name}")
        for name, mode in self.modes.items():
            yield from mode.problems(f"Mode {name!r} of {self.name}")

    def _names(self) -> Iterable[tuple[str, Any]]:
        """Everything that is declared by a name of any characters, with what it names."""
        yield from (("metric", name) for name in self.metric_names)
        yield from (("mode", name) for name in self.modes)
        yield from (("setting", name) for name in (*self.settings, *self.axes))
        yield from (("intervention", one.name) for group in self.groups for one in group.interventions)
        yield from (("setting", name) for group in self.groups for name in group.settings)
        yield from (("field of a proposal", name) for one in self.script.proposals for name in one)
        yield from (("proposal", one.get("id")) for one in self.script.proposals)
        if not isinstance(self.population, str | Path):
            yield from (("persona", persona.name) for persona in self.population)

    def _text_problems(self) -> Iterable[str]:
        """Personas are checked when their population is loaded, and options with the rest of them."""
        for part in ("groups", "script", "metrics", "settings", "protocol"):
            for fault in text_faults(getattr(self, part), part):
                yield f"Experiment {self.name}: {fault}; expected whole Unicode characters."

    def _option_problems(self) -> Iterable[str]:
        mine = f"Experiment {self.name}: model_options"
        yield from option_problems(mine, self.model_options)
        if self.temperature is not None and "temperature" in self.model_options:
            yield f"{mine}['temperature'] and temperature= are both set; expected one of them."

    def _play_problems(self) -> Iterable[str]:
        mine = f"Experiment {self.name}"
        if self.play is None:
            if self.population == ():
                yield f"{mine}: nobody takes part; expected a population, or play= to do without one."
            for metric in self.metrics:
                if isinstance(metric, Measure) and metric.function is None:
                    yield f"{mine}: metric {metric.name!r} has no function; expected one, or play= that reports it."
        elif self.play.case_per_trial:
            ids = [str(proposal.get("id", "")) for proposal in self.script.proposals]
            if not all(ids):
                yield f"{mine}: {ids.count('')} proposals have no 'id'; expected one each, for a case per trial."
            yield from _duplicates(self.name, "proposal", [one for one in ids if one])

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metric names in the order of the published artifacts: persons', then the count, then the panel's."""
        personal = [m.name for m in self.metrics if m.about == "person"]
        counted = [self.script.extraction.metric] if self.script.extraction else []
        panel = [m.name for m in self.metrics if m.name not in personal]
        return (*personal, *counted, *panel)

    def group(self, name: str) -> Group:
        """The group called ``name``. Raises `KeyError` when there is none."""
        return {group.name: group for group in self.groups}[name]


RESERVED = frozenset(
    {
        "type", "run_id", "experiment", "group", "rep", "fingerprint", "mode", "timestamp", "git_commit", "git_dirty",
        "harness_version", "python_version", "engine", "provider", "base_url", "model", "temperature", "seed",
        "provider_seed", "judge_provider", "judge_model", "judge_base_url", "judge_is_player", "exploratory",
        "correction", "interventions", "script", "population", "selection", "design",
        "settings", "group_settings", "plan", "protocol", "trial_seed", "model_options", "metric_code",
        "response_format",
    }
)  # fmt: skip
"""What a file's first line says of every run: no setting of an experiment or a group may be called so."""


def _settings_problems(owner: str, settings: Mapping[str, Any]) -> Iterable[str]:
    for name in sorted(RESERVED & settings.keys()):
        yield f"{owner}: a setting is called {name!r}, which every run has; expected another name."


def _duplicates(owner: str, kind: str, names: Sequence[str]) -> Iterable[str]:
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"Experiment {owner}: {kind} {name!r} is declared {names.count(name)} times; expected once."
