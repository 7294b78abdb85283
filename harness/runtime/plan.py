"""From a design to trials: who sits in which panel, about what, in which arm, and in which order."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.engines import engine_factory
from harness.errors import ConfigurationError, expected_one_of
from harness.gateway.requests.call_kinds import role_of_kind
from harness.model import (
    NO_OPTIONS,
    Cell,
    Correction,
    Experiment,
    Group,
    Intervention,
    Mode,
    Persona,
    Trial,
    TrialPlan,
    merge_options,
)
from harness.model.output_limits import ANY, DEFAULT_LIMITS, by_kind
from harness.model.roles import MEASURING
from harness.personas import Population
from harness.runtime.assignment import assign_panels

_KNOWN_KINDS = ("embedded", "tinytroupe")
"""Engines whose kinds of call are all among `DEFAULT_LIMITS`."""
OWN = "own"
"""The engine of an experiment that has a `Play`."""


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One cell, frozen after its fixtures ran: its parts and the trials to run.

    ``reps`` is the number of repetitions that this session plans. ``engine`` is an engine's name. ``selected`` are the
    session's proposals, if it omits some. ``group`` is the arm after its fixtures. ``session_temperature`` and
    ``session_options`` are the session's. ``assignment`` is the arm of each panel where each takes part in one only.
    """

    cell: Cell
    experiment: Experiment
    group: Group
    mode_name: str
    mode: Mode
    reps: int
    population: Population
    engine: str
    panels: tuple[tuple[Persona, ...], ...]
    trials: tuple[TrialPlan, ...]
    selected: tuple[int, ...] | None = None
    session_temperature: float | None = None
    session_options: Mapping[str, Any] = field(default_factory=dict)
    assignment: tuple[str, ...] | None = None

    @property
    def correction(self) -> Correction | None:
        return self.group.correction

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        return self.group.interventions

    @property
    def model_options(self) -> dict[str, Any]:
        """The request fields that all arms share, ``temperature`` included: the session's over the experiment's."""
        return shared_options(self.experiment, self.session_temperature, self.session_options)


def shared_options(
    experiment: Experiment, temperature: float | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The request fields of every arm; ``temperature`` and ``options`` are the session's."""
    own, session = (
        {} if one is None else {"temperature": one} for one in (experiment.temperature, temperature)
    )
    return merge_options(own, experiment.model_options, session, options)


def choose_mode(experiment: Experiment, name: str | None) -> tuple[str, Mode]:
    """The mode called ``name``, or the experiment's default. Raises `ConfigurationError`."""
    chosen = name or experiment.default_mode
    if chosen not in experiment.modes:
        raise ConfigurationError(
            f"Experiment {experiment.name} has no mode {chosen!r}; {expected_one_of(chosen, experiment.modes)}"
        )
    return chosen, experiment.modes[chosen]


def panels_of(
    experiment: Experiment, mode: Mode, people: Sequence[Persona]
) -> tuple[tuple[Persona, ...], ...]:
    """The panels: people are shuffled if the design says so, then cut to the mode's number, then split.

    The notebooks do these in the same order; `random.Random(seed).shuffle` gives their order of people.
    """
    order = list(people)
    if experiment.shuffle_seed is not None:
        random.Random(experiment.shuffle_seed).shuffle(order)
    order = order[: mode.people]
    if not order:
        return ((),)
    size = experiment.panel_size or len(order)
    return tuple(tuple(order[start : start + size]) for start in range(0, len(order), size))


def plan_cell(
    experiment: Experiment,
    group: Group,
    rep: int,
    *,
    population: Population,
    engine: str,
    mode: str | None = None,
    reps: int | None = None,
    seed: int = 0,
    temperature: float | None = None,
    model_options: Mapping[str, Any] = NO_OPTIONS,
    proposal: int | None = None,
    selected: tuple[int, ...] | None = None,
) -> CellPlan:
    """Every trial of a cell: panels × proposals, in the notebooks' order; with ``proposal`` those about that one.

    ``group`` is what its fixtures made of it. Where they are ``None``, ``mode`` (a name) is the experiment's default
    and ``reps`` (how many repetitions the session plans) the mode's. ``temperature`` and ``model_options`` are the
    session's.

    Raises `ConfigurationError` for an unknown mode, a correction out of range, or a panel without people.
    """
    mode_name, size = choose_mode(experiment, mode)
    cell = Cell(experiment.name, group.name, rep)
    _check(experiment, group, population, engine)
    panels = panels_of(experiment, size, population.personas)
    proposals = experiment.script.proposals[: size.proposals]
    options = merge_options(shared_options(experiment, temperature, model_options), group.options)
    script, play = experiment.script_of(group), experiment.play_of(group)
    own_seed = seed if experiment.seed is None else experiment.seed
    assignment = None
    if experiment.assignment == "between":
        groups = tuple(one.name for one in experiment.groups)
        assignment = assign_panels(own_seed, experiment.name, len(panels), groups)
    chosen, metrics = _chosen(len(proposals), proposal, selected), experiment.trial_metrics
    trials = tuple(
        TrialPlan(
            trial=Trial(cell, panel, number),
            personas=people,
            script=script,
            proposal=proposals[number],
            steps=size.steps,
            correction=group.correction,
            interventions=group.interventions,
            metrics=metrics,
            seed=own_seed,
            play=play,
            settings=experiment.settings,
            arm=group.settings,
            record_type=experiment.play.record_type if experiment.play else "trial_result",
            temperature=options.get("temperature"),
            instructions=group.instructions,
            memory_limit=group.memory_limit,
        )
        for panel, people in enumerate(panels)
        if assignment is None or assignment[panel] == group.name
        for number in chosen
    )
    return CellPlan(
        cell,
        experiment,
        group,
        mode_name,
        size,
        size.reps if reps is None else reps,
        population,
        OWN if experiment.play else engine,
        panels,
        trials,
        selected,
        temperature,
        model_options,
        assignment,
    )


def _chosen(proposals: int, proposal: int | None, selected: tuple[int, ...] | None) -> list[int]:
    """The numbers of the proposals that a cell is about: that one, else the selected ones, else all."""
    wanted = selected if proposal is None else (proposal,)
    return sorted(set(range(proposals) if wanted is None else wanted) & set(range(proposals)))


def _check(experiment: Experiment, group: Group, population: Population, engine: str) -> None:
    owner = f"Group {group.name!r} of {experiment.name}"
    problems = [*(group.correction.problems(owner) if group.correction else ())]
    problems += _limit_problems(experiment, group, engine)
    for intervention in group.interventions:
        problems += intervention.problems(owner)
    wanted = {name for name in ("instructions", "memory_limit") if getattr(group, name) is not None}
    if wanted and experiment.play is None:
        problems += [
            f"{owner}: engine {engine!r} cannot set {name} for an arm; leave it out, or use the engine 'embedded'."
            for name in sorted(wanted - engine_factory(engine).arm_fields)
        ]
    if not population.personas and experiment.play is None:
        problems.append(
            f"{owner}: the population {population.source} is empty; expected at least one person."
        )
    if experiment.play is not None and experiment.play.check is not None:
        problems += _checked(experiment, experiment.play.check)
    if problems:
        raise ConfigurationError(*problems)


def _limit_problems(experiment: Experiment, group: Group, engine: str) -> Iterable[str]:
    """Limits of kinds of call that do not occur, and limits of an arm that would measure it differently."""
    places = {
        f"Experiment {experiment.name}": experiment.model_options,
        f"Group {group.name!r} of {experiment.name}": group.model_options,
    }
    for owner, options in places.items():
        kinds = [kind for kind in by_kind(options.get("max_tokens")) if kind != ANY]
        names_its_own = experiment.play is not None or engine not in _KNOWN_KINDS
        for kind in () if names_its_own else [kind for kind in kinds if kind not in DEFAULT_LIMITS]:
            known = expected_one_of(kind, DEFAULT_LIMITS)
            yield f"{owner}: model_options['max_tokens'][{kind!r:.80}]: unknown kind of call; {known}"
    measured = (
        kind for kind in by_kind(group.model_options.get("max_tokens")) if role_of_kind(kind) in MEASURING
    )
    for kind in sorted(measured):
        yield (
            f"Group {group.name!r} of {experiment.name}: model_options['max_tokens'][{kind!r}]: an arm cannot limit "
            "calls that score or extract, so that all arms are measured alike; declare it for the experiment."
        )


def _checked(experiment: Experiment, check: Callable[[Any], Iterable[str]]) -> list[str]:
    from harness.extras import MissingExtraError
    from harness.user_code import UserCodeError, runner

    try:
        found: list[str] = runner.get().call_now(check, experiment, what="The play's check", then=list)
    except UserCodeError as fault:
        if isinstance(fault.__cause__, MissingExtraError):
            raise fault.__cause__ from None
        return [f"Experiment {experiment.name}: {fault}."]
    return found


@functools.lru_cache(maxsize=4096)
def arm_order(seed: int, experiment: str, block: tuple[int, ...], groups: tuple[str, ...]) -> tuple[str, ...]:
    """The arms of one block in seeded random order: permuted blocks, so that drift in time hits all arms alike."""
    key = f"{seed}/{experiment}/{'/'.join(map(str, block))}"
    shuffled = list(groups)
    random.Random(hashlib.sha256(key.encode()).digest()).shuffle(shuffled)
    return tuple(shuffled)


@functools.lru_cache(maxsize=4096)
def block_rank(seed: int, experiment: str, block: tuple[int, ...]) -> str:
    """What the blocks of one rep are sorted by: a seeded random order."""
    return hashlib.sha256(f"{seed}/{experiment}/{block}".encode()).hexdigest()


def interleave(plans: Iterable[CellPlan], seed: int) -> list[TrialPlan]:
    """The trials of many cells in the order in which they start.

    Experiments one after another, reps in turn; within a rep the blocks (panel × proposal) in seeded random order,
    and within a block the arms in seeded random order.
    """
    plans = list(plans)
    experiments = list(dict.fromkeys(plan.experiment.name for plan in plans))
    groups = {plan.experiment.name: tuple(group.name for group in plan.experiment.groups) for plan in plans}

    def position(trial: Trial) -> tuple[object, ...]:
        cell = trial.cell
        block = block_rank(seed, cell.experiment, trial.block)
        arm = arm_order(seed, cell.experiment, trial.block, groups[cell.experiment]).index(cell.group)
        return (experiments.index(cell.experiment), cell.rep, block, arm)

    return sorted((trial for plan in plans for trial in plan.trials), key=lambda plan: position(plan.trial))
