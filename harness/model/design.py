"""What an experimenter declares: experiments, their groups and sizes.

Declarations are frozen, and hashable where what they hold is; equal ones hash equal. An `Experiment` checks itself and
all its parts, and raises one `ConfigurationError` with every fault. What only some declarations need goes by keyword.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from harness.console import name_problems
from harness.errors import ConfigurationError, raise_if_any
from harness.model.contrast import CONTROL, Contrasts, contrast_problems, weighted
from harness.model.declaration import (
    MAPPING,
    NAME,
    TEXT,
    Each,
    Fields,
    Kind,
    as_tuple,
    choice,
    data_faults,
    declaration,
    field_faults,
    flat,
    instance,
    normalise,
    number,
    shown,
    whole_number,
)
from harness.model.dialogue import Dialogue
from harness.model.metrics import Measure, Preference, Proposition
from harness.model.model_options import option_problems
from harness.model.persona import Persona
from harness.model.play import Play
from harness.model.roles import role_facts
from harness.model.script import Script, replacement_problems
from harness.model.survey.survey import Survey
from harness.model.text import text_faults
from harness.model.treatment import Correction, Intervention

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_NAME_WORDS = "expected a name of letters, digits, '_', '.' or '-', at most 64."


@declaration
@dataclass(frozen=True, slots=True)
class Mode:
    """The size of an experiment.

    Fields:
        reps: repetitions of every cell; default 1.
        steps: steps of the main part; default 5.
        people: how many people take part, from the front; default None, all.
        proposals: how many proposals are used, from the front; default None, all.

    >>> Mode(reps=2, steps=3).people is None
    True
    """

    reps: int = 1
    steps: int = 5
    _: KW_ONLY
    people: int | None = None
    proposals: int | None = None

    FIELDS: ClassVar[Fields] = {
        "reps": whole_number(1),
        "steps": whole_number(1),
        "people": whole_number(1).or_none(),
        "proposals": whole_number(1).or_none(),
    }

    def problems(self, owner: str) -> Iterable[str]:
        yield from flat(field_faults(owner, self))


_POPULATION = Kind(
    lambda value: isinstance(value, str | Path | tuple),
    "the name of a packaged population, the path of a table or of persona files, a Population, or a tuple of Personas",
)


_DECLARED = ("model", "instructions", "script", "survey", "memory_limit", "factors")


@declaration
@dataclass(frozen=True, slots=True)
class Group:
    """One arm of an experiment.

    Fields:
        name: letters, digits, ``_``, ``.`` and ``-``, at most 64.
        model: the model of this arm's personas or agents, such as ``"openai:gpt-4o-mini"``; default None, the
            session's. Calls that score or extract go to the session's judge in every arm. A rehearsal records the name.
        instructions: text that ends the prompt of each persona in this arm, or of the agent in a `Dialogue`; default
            None.
        survey: words of the experiment's `Survey` that this arm replaces: the ``introduction``, or an item's question
            by its name: ``{"trust": "How far do you trust the people of the council?"}``; default none.
        script: texts of the experiment's script that this arm replaces, by part (``introduction``, ``task``,
            ``consolidation``): ``{"task": "Agree a price for {thing}, quickly."}``; default none.
        population: who takes part in this arm, as in `Experiment`; default None, the experiment's.
        fragments: persona fragments in this arm, in place of the experiment's; default None.
        factors: level by factor, as `harness.factorial` fills it in; default none.
        memory_limit: characters that a persona's memory holds, from 1,000; default None, the engine's.
        temperature: of this arm's model calls, 0 to 2, except those that score or extract; default None.
        correction: action correction in this arm; default None, off.
        interventions: nudges in this arm; default none.
        settings: plain data for the experiment's own `Play`, which identifies the arm and is recorded; default empty.
        model_options: request fields that this arm adds to its model calls (``{"reasoning_effort": "low"}``), over
            those of the session and the experiment; ``None`` leaves a field out. Calls that score or extract the
            outcome never get them, so that all arms are measured alike; default empty.

    >>> Group("Treatment", correction=Correction(quality_threshold=6)).interventions
    ()
    >>> Group("Concise", instructions="Be concise.").declared
    {'instructions': 'Be concise.'}
    """

    name: str
    _: KW_ONLY
    correction: Correction | None = None
    interventions: tuple[Intervention, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    instructions: str | None = None
    script: Mapping[str, str] = field(default_factory=dict)
    survey: Mapping[str, str] = field(default_factory=dict)
    population: str | Path | tuple[Persona, ...] | None = None
    fragments: tuple[str | Path, ...] | None = None
    memory_limit: int | None = None
    temperature: float | None = None
    factors: Mapping[str, str] = field(default_factory=dict)

    FIELDS: ClassVar[Fields] = {
        "name": TEXT,
        "correction": instance(Correction, "a Correction, such as Correction(quality_threshold=6)").or_none(),
        "interventions": Each(
            instance(Intervention, "an Intervention"),
            "a tuple of Interventions; a single one needs a comma: (Intervention(…),)",
        ),
        "settings": MAPPING,
        "model": NAME.or_none(),
        "instructions": NAME.or_none(),
        "script": MAPPING,
        "survey": MAPPING,
        "population": _POPULATION.or_none(),
        "fragments": Kind(
            lambda value: isinstance(value, tuple) and all(isinstance(one, str | Path) for one in value),
            "a tuple of names or paths",
        ).or_none(),
        "memory_limit": whole_number(1_000).or_none(),
        "temperature": number(0, 2).or_none(),
        "factors": MAPPING,
    }

    def __post_init__(self) -> None:
        normalise(
            self,
            tuples=["interventions", "population", "fragments"],
            data=["settings", "model_options", "script", "survey", "factors"],
        )

    @property
    def declared(self) -> dict[str, Any]:
        """What this arm changes of prompts and people, as records have it; population and fragments aside."""
        fields = {name: getattr(self, name) for name in _DECLARED}
        return {name: dict(one) if isinstance(one, Mapping) else one for name, one in fields.items() if one}

    @property
    def options(self) -> dict[str, Any]:
        """The request fields of this arm alone, ``temperature`` included."""
        warmth = {} if self.temperature is None else {"temperature": self.temperature}
        return {**warmth, **self.model_options}

    def problems(self, owner: str) -> Iterable[str]:
        mine = f"Group {shown(self.name)} of {owner}"
        faults = field_faults(mine, self)
        yield from flat(faults)
        if "name" not in faults and not _NAME.fullmatch(self.name):
            yield f"{mine}: {_NAME_WORDS}"
        if "settings" not in faults:
            yield from _settings_problems(mine, self.settings)
        yield from option_problems(f"{mine}: model_options", self.model_options)
        if self.temperature is not None and "temperature" in self.model_options:
            yield f"{mine}: model_options['temperature'] and temperature= are both set; expected one of them."
        if "script" not in faults:
            yield from replacement_problems(mine, self.script)
        if "factors" not in faults:
            for factor, level in self.factors.items():
                if not all(isinstance(one, str) and one.strip() for one in (factor, level)):
                    yield f"{mine}: factors[{shown(factor)}]={shown(level)}; expected a factor and a level by name."
        if isinstance(self.correction, Correction):
            yield from self.correction.problems(mine)
        for intervention in _instances(Intervention, self.interventions):
            yield from intervention.problems(mine)


@declaration
@dataclass(frozen=True, slots=True)
class Experiment:
    """A named design: population, arms, script, metrics and sizes.

    Fields:
        name: letters, digits, ``_``, ``.`` and ``-``, at most 64.
        groups: the arms; the others are compared with the first.
        script: the words that the personas hear; in a survey its ``proposals`` alone, which may be left out.
        metrics: what is measured, `Proposition` or `Measure` of a trial, `Preference` between the arms of a block; a
            survey adds those of its items, and needs no others.
        population: what `load_population` returns, or the name of a packaged population, the path of a table or of
            persona files, or the personas; default none.
        modes: name to size; default one `Mode`, called ``"full"``.
        default_mode: the mode of a session that names none; default ``"paper"`` if there is one, else the first.
        fragments: persona fragments that are merged into everyone, by name or path; default none.
        survey: questions that each persona answers by itself, a `Survey`; default None.
        panel_size: how many people meet per trial, consecutive ones; default None, everyone; one in a `Dialogue` or a
            `Survey`.
        shuffle_seed: seed that shuffles the people before; default None, their order.
        protocol: how the personas talk; default ``"discussion"``.
        play: the experiment's own way to run trials, a `Play`, which needs no population, or a `Dialogue` of each
            persona with an agent; default None, an engine of personas.
        settings: plain data for ``play``, which identifies the experiment and is recorded; default empty.
        temperature: of its model calls, 0 to 2, where the session sets none; default None, the model's.
        axes: the settings that a sweep may vary; default none.
        seed: of its trials, in place of the session's; default None.
        assignment: ``"within"`` (default): the same panels take part in every arm, and arms are compared within blocks;
            ``"between"``: each panel takes part in one arm, drawn at random and balanced by the seed, and arms are
            compared between panels. It needs a ``panel_size`` that gives every arm a panel, better several.
        model_options: request fields (``{"top_p": 0.9, "max_tokens": 800}``) where neither the session, nor the arm,
            nor the request sets them; default empty.
        contrasts: what the analysis compares, recorded when a run begins: ``"control"`` (default: each later group
            against the first), ``"pairs"`` (every pair of groups), or a tuple of pairs ``("Treatment", "Control")``
            and `Contrast`. Holm's correction runs over all of them.

    Raises `ConfigurationError` with every fault at once.

    >>> haggling = Experiment(
    ...     name="haggling",
    ...     groups=(Group("Control"), Group("Treatment", correction=Correction(quality_threshold=6))),
    ...     script=Script("Agree a price for {thing}.", proposals=({"thing": "a bike"},)),
    ...     metrics=(Proposition("Courtesy", "The person stays courteous, even when refusing."),),
    ...     population=(Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"})),
    ...     modes={"full": Mode(reps=2, steps=3)},
    ... )
    >>> haggling.metric_names
    ('Courtesy',)
    """

    name: str
    groups: tuple[Group, ...]
    script: Script = None  # type: ignore[assignment]  # only a survey does without
    metrics: tuple[Proposition | Measure | Preference, ...] = None  # type: ignore[assignment]
    _: KW_ONLY
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
    contrasts: Contrasts = CONTROL
    assignment: Literal["within", "between"] = "within"
    survey: Survey | None = None

    FIELDS: ClassVar[Fields] = {
        "name": TEXT,
        "groups": Each(
            instance(Group, "a Group, such as Group('Control')"),
            "a tuple of Groups; a single one needs a comma: (Group('Control'),)",
        ),
        "script": instance(Script, "a Script, such as Script('Agree a price.')"),
        "metrics": Each(
            instance(
                (Proposition, Measure, Preference),
                "a Proposition, a Measure or a Preference, such as Proposition('Name', 'The claim.')",
            ),
            "a tuple of Propositions, Measures and Preferences; a single one needs a comma: (Measure(…),)",
        ),
        "population": _POPULATION,
        "modes": Kind(
            lambda value: isinstance(value, Mapping) and all(isinstance(name, str) for name in value),
            "a mapping of names to Modes, such as {'full': Mode(reps=2)}",
        ),
        "default_mode": TEXT,
        "fragments": Each(instance((str, Path), "a fragment's name or path"), "a tuple of names or paths"),
        "panel_size": whole_number(1).or_none(),
        "shuffle_seed": whole_number().or_none(),
        "protocol": TEXT,
        "play": instance(Play, "a Play, such as Play(function)").or_none(),
        "settings": MAPPING,
        "temperature": number(0, 2).or_none(),
        "axes": Each(NAME, "a tuple of names of settings"),
        "seed": whole_number().or_none(),
        "assignment": choice("within", "between"),
        "survey": instance(
            Survey, "a Survey, such as Survey(items=[YesNo('stay', 'Will you stay?')])"
        ).or_none(),
    }

    def __post_init__(self) -> None:
        self._take_survey()
        normalise(
            self,
            tuples=["groups", "metrics", "fragments", "axes", "population", "contrasts"],
            data=["modes", "settings", "model_options"],
        )
        if self.default_mode == "" and isinstance(self.modes, Mapping):
            default = "paper" if "paper" in self.modes else next(iter(self.modes), "")
            object.__setattr__(self, "default_mode", default)
        if isinstance(self.play, Dialogue):
            if self.population == () and self.play.user is not None:
                object.__setattr__(self, "population", self.play.user)
            if self.panel_size is None:
                object.__setattr__(self, "panel_size", 1)
        raise_if_any(self.problems())

    def _take_survey(self) -> None:
        """Let a survey be the play, and give it what other experiments declare: script, metrics, panels of one."""
        missing = [name for name in ("script", "metrics") if getattr(self, name) is None]
        if isinstance(self.survey, str | Path):
            raise ConfigurationError(
                f"Experiment: survey={shown(str(self.survey))} is a path; expected a Survey. Read the file with "
                "harness.load_survey."
            )
        if not isinstance(self.survey, Survey | None):
            raise ConfigurationError(
                f"Experiment: survey={shown(self.survey)}; expected a Survey, such as "
                "Survey(items=[YesNo('stay', 'Will you stay?')])."
            )
        if self.survey is None:
            if missing:
                raise ConfigurationError(
                    f"Experiment: {', '.join(missing)} missing; expected a value for each."
                )
            return
        set_field = functools.partial(object.__setattr__, self)
        if self.script is None:
            set_field("script", Script(""))
        derived = () if any(self.survey.problems("")) else self.survey.measures
        own = as_tuple(self.metrics or ())
        if isinstance(own, tuple):
            set_field("metrics", (*derived, *(one for one in own if one not in derived)))
        if self.play is None or isinstance(self.play, Survey):
            set_field("play", self.survey)
        if self.panel_size is None:
            set_field("panel_size", 1)

    def problems(self) -> Iterable[str]:
        """Every fault of the declaration, one sentence each."""
        mine = f"Experiment {self.name if isinstance(self.name, str) else shown(self.name)}"
        own = field_faults(mine, self)
        items = tuple(self._item_problems(mine))
        yield from flat(own)
        yield from items
        yield from self._part_problems(mine.removeprefix("Experiment "))
        yield from option_problems(f"{mine}: model_options", self.model_options)
        # What does not hold what it should cannot be compared with the rest; a number out of bounds can.
        if not (own.keys() - _NUMBERS or items or self._has_faulty_part()):
            yield from self._design_problems(mine)

    def _item_problems(self, mine: str) -> Iterable[str]:
        """Faults of personas, metrics and modes, which have no further parts."""
        for place, parts in (("population", self.population), ("metrics", self.metrics)):
            for index, part in enumerate(parts if isinstance(parts, tuple) else ()):
                if isinstance(part, Persona | Proposition | Measure | Preference):
                    yield from flat(field_faults(f"{mine}: {place}[{index}]", part))
                elif place == "population":
                    example = "Persona('Ada', {'occupation': 'trader'})"
                    yield f"{mine}: population[{index}]={shown(part)}; expected a Persona, such as {example}; of a "
                    "table, what load_population returns."
        for name, mode in self.modes.items() if isinstance(self.modes, Mapping) else ():
            if not isinstance(mode, Mode):
                yield f"{mine}: modes[{shown(name)}]={shown(mode)}; expected a Mode, such as Mode(reps=2, steps=3)."

    def _part_problems(self, owner: str) -> Iterable[str]:
        """Faults of each part, which do not depend on the other parts."""
        for group in _instances(Group, self.groups):
            yield from group.problems(owner)
        if isinstance(self.script, Script):
            yield from self.script.problems(f"Experiment {owner}")
        for name, mode in self.modes.items() if isinstance(self.modes, Mapping) else ():
            if isinstance(mode, Mode):
                yield from mode.problems(f"Mode {shown(name)} of {owner}")
        if isinstance(self.play, Play):
            yield from self.play.problems(f"Experiment {owner}")

    def _has_faulty_part(self) -> bool:
        interventions = [
            one for group in self.groups for one in _instances(Intervention, group.interventions)
        ]
        parts = (*self.groups, *interventions, self.script, self.script.extraction)
        faulty_survey = isinstance(self.play, Survey) and any(self.play.problems(""))
        return faulty_survey or any(field_faults("", part) for part in parts if part is not None)

    def _design_problems(self, mine: str) -> Iterable[str]:
        """Faults that lie between the parts."""
        if not _NAME.fullmatch(self.name):
            yield f"Experiment {shown(self.name)}: {_NAME_WORDS}"
        yield from _duplicates(self.name, "group", [group.name for group in self.groups])
        yield from _duplicates(self.name, "metric", [metric.name for metric in self.metrics])
        for what, name in self._names():
            yield from name_problems(f"{mine}: {what}", name)
        yield from self._text_problems()
        if not self.groups:
            yield f"{mine}: no groups; expected at least one."
        if not self.metrics and self.script.extraction is None and not isinstance(self.play, Survey):
            yield f"{mine}: no metrics; expected at least one."
        if self.default_mode not in self.modes:
            known = ", ".join(self.modes) or "none"
            yield f"{mine}: default_mode={self.default_mode!r} is not among its modes: {known}."
        yield from _settings_problems(mine, self.settings)
        for axis in self.axes:
            if axis not in self.settings:
                known = ", ".join(self.settings) or "none"
                yield f"{mine}: axis {axis!r} is not among its settings: {known}."
        if self.temperature is not None and "temperature" in self.model_options:
            yield f"{mine}: model_options['temperature'] and temperature= are both set; expected one of them."
        yield from contrast_problems(mine, self.contrasts, [group.name for group in self.groups])
        yield from self._play_problems()
        yield from self._arm_problems()
        yield from self._preference_problems(mine)
        yield from self._assignment_problems(mine)

    def _names(self) -> Iterable[tuple[str, Any]]:
        """Everything that is declared by a name of any characters, with what it names."""
        yield from (("metric", name) for name in self.metric_names)
        yield from (("metric", one.name) for one in self.preferences)
        yield from (("mode", name) for name in self.modes)
        yield from (("setting", name) for name in (*self.settings, *self.axes))
        yield from (("contrast", one.name) for one in weighted(self.contrasts))
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

    def _play_problems(self) -> Iterable[str]:
        mine = f"Experiment {self.name}"
        if self.play is None:
            if self.population == ():
                yield f"{mine}: has no population; expected one, or play= to do without one."
            for metric in self.trial_metrics:
                if isinstance(metric, Measure) and metric.function is None:
                    yield f"{mine}: metric {metric.name!r} has no function; expected one, or play= that reports it."
                if metric.about == "agent":
                    yield f"{mine}: metric {metric.name!r} is about an agent; expected 'person' or 'panel', or play=."
        if isinstance(self.play, Dialogue | Survey):
            yield from self.play.design_problems(self)
        if self.survey is not None and self.play is not self.survey:
            yield f"{mine}: survey= and play= are both set; expected one of them."
        elif isinstance(self.play, Survey) and self.survey is None:
            yield f"{mine}: play= is a Survey; expected survey=, which also gives the metrics of its items."
        if self.play is not None and self.play.case_per_trial:
            ids = [str(proposal.get("id", "")) for proposal in self.script.proposals]
            if not all(ids):
                yield f"{mine}: {ids.count('')} proposals have no 'id'; expected one each, for a case per trial."
            yield from _duplicates(self.name, "proposal", [one for one in ids if one])

    def _arm_problems(self) -> Iterable[str]:
        """What an arm or the experiment declares that nothing would read."""
        if self.play is None and self.settings and not any(_settings_problems("", self.settings)):
            yield f"Experiment {self.name}: {_unread(self.settings)}"
        for group in self.groups:
            mine = f"Group {group.name!r} of {self.name}"
            if self.play is None and group.settings:
                yield f"{mine}: {_unread(group.settings)}"
            for part in ("instructions", "memory_limit") if self.play is not None else ():
                if isinstance(self.play, Survey) or (
                    part == "instructions"
                    and isinstance(self.play, Dialogue)
                    and not callable(self.play.agent)
                ):
                    continue  # of the agent; a survey names what it does not read
                if getattr(group, part) is not None:
                    yield (
                        f"{mine}: {part} is for personas of an engine, and this experiment has a play; "
                        f"expected settings={{{part!r}: …}}, which the play reads as plan.arm[{part!r}]."
                    )
            if group.survey and self.survey is None:
                yield f"{mine}: survey= replaces words of a survey, and the experiment has none; leave it out."
            if group.script and self.survey is None and not any(replacement_problems("", group.script)):
                yield from self.script_of(group).problems(mine)

    def _preference_problems(self, mine: str) -> Iterable[str]:
        for one in self.preferences:
            if len(self.groups) < 2:
                yield f"{mine}: metric {one.name!r} compares arms, and there is one group; expected at least two."

    def _assignment_problems(self, mine: str) -> Iterable[str]:
        """What cannot be done where each panel takes part in one arm."""
        if self.assignment == "within":
            return
        mine += ": assignment='between'"
        if len(self.groups) < 2:
            yield f"{mine} divides panels among arms, and there is one group; expected at least two."
        if self.population == ():
            yield f"{mine} divides personas among arms, and there is no population; expected one."
        if self.panel_size is None:
            yield f"{mine} divides panels among arms, and everyone is in one panel; expected panel_size=, such as 1."
        for group in self.groups:
            if group.population is not None:
                yield f"{mine}: group {group.name!r} already has its own population; expected one of the two."
        for one in self.preferences:
            yield f"{mine} leaves {one.name!r} no block with two arms to compare; expected assignment='within'."

    def script_of(self, group: Group) -> Script:
        """The script as ``group`` hears it. The judge reads the experiment's own task in every arm."""
        if not group.script:
            return self.script
        texts: dict[str, Any] = dict(group.script)
        judged = self.script.task_description.replace("{task}", self.script.task)
        return replace(self.script, **texts, task_description=judged)

    def play_of(self, group: Group) -> Play | None:
        """The play as ``group`` has it: a survey in the arm's own words."""
        return self.play.worded(group.survey) if isinstance(self.play, Survey) else self.play

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the trials' metrics in the order of the published artifacts: persons', the count, the panel's."""
        personal = [m.name for m in self.trial_metrics if m.about == "person"]
        counted = [self.script.extraction.metric] if self.script.extraction else []
        panel = [m.name for m in self.trial_metrics if m.name not in personal]
        return (*personal, *counted, *panel)

    @property
    def trial_metrics(self) -> tuple[Proposition | Measure, ...]:
        """The metrics that each trial gives by itself."""
        return tuple(one for one in self.metrics if not isinstance(one, Preference))

    @property
    def preferences(self) -> tuple[Preference, ...]:
        """The pairwise comparisons of arms, which need the trials of a whole block."""
        return tuple(one for one in self.metrics if isinstance(one, Preference))

    def group(self, name: str) -> Group:
        """The group called ``name``. Raises `KeyError` when there is none."""
        return {group.name: group for group in self.groups}[name]


RESERVED = frozenset(
    {
        "type", "run_id", "experiment", "group", "rep", "fingerprint", "mode", "timestamp", "git_commit", "git_dirty",
        "harness_version", "python_version", "engine", "provider", "base_url", "model", "temperature", "seed",
        "provider_seed", "judge_is_player", "exploratory", *role_facts(),
        "correction", "interventions", "script", "population", "selection", "design",
        "settings", "group_settings", "plan", "protocol", "trial_seed", "model_options", "metric_code",
        "response_format", "setting_sources",
    }
)  # fmt: skip
"""Keys of a file's first line, which no setting of an experiment or a group may use."""


_NUMBERS = frozenset({"panel_size", "seed", "shuffle_seed", "temperature"})


T = TypeVar("T")


def _instances(of: type[T], items: object) -> Iterable[T]:
    return (one for one in items if isinstance(one, of)) if isinstance(items, tuple) else ()


_NEAREST = {"instruction": "instructions", "prompt": "instructions", "system": "instructions"}
"""What people call the fields of `Group`."""


def _unread(settings: Mapping[str, Any]) -> str:
    """That nothing reads ``settings`` where there is no `Play`, and which field of `Group` is meant."""
    from difflib import get_close_matches  # slow to import, and needed for a mistake alone

    near = []
    for name in settings:
        found = get_close_matches(name, [one for one in Group.FIELDS if one != "settings"], n=1)
        near += [_NEAREST.get(name) or (found[0] if found else "")]
    hint = ", ".join(f"Group({name}=…)" for name in dict.fromkeys(filter(None, near)))
    return (
        f"settings={shown(dict(settings))}; nothing reads settings without a play, so that no model would see them. "
        f"Expected {hint or 'a field of Group, such as instructions='}, or a play that reads them."
    )


def _settings_problems(owner: str, settings: Mapping[str, Any]) -> Iterable[str]:
    yield from data_faults(owner, "settings", settings)
    for name in sorted(RESERVED & settings.keys()):
        field = f"Group({name}=…) or " if owner.startswith("Group") and name in Group.FIELDS else ""
        yield f"{owner}: a setting is called {name!r}, which every run has; expected {field}another name."


def _duplicates(owner: str, kind: str, names: Sequence[str]) -> Iterable[str]:
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"Experiment {owner}: {kind} {name!r} is declared {names.count(name)} times; expected once."
