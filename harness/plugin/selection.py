"""Select cases: the marker, their parameters and ids, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from harness.errors import ConfigurationError
from harness.model import Experiment, Mode
from harness.plugin.internals import explicit_option, names_behind, selects, undefined_fixtures
from harness.plugin.state import error_text, invitation_of, refuse, state_of
from harness.runtime.plan import arm_order, block_rank, choose_mode

MARKER = "experiment"
CASE = "_harness_case"
FIXTURES = frozenset(
    (
        "experiment",
        "group",
        "rep",
        "population",
        "correction",
        "interventions",
        "engine",
        "writer_pool",
        "cell",
    )
)
"""The fixtures of a session that selects experiments."""
REPEAT = "__pytest_repeat_step_number"
_LEFT_OUT = pytest.StashKey[bool]()
_SELECTED = pytest.StashKey[dict[str, tuple[int, ...]]]()


@dataclass(frozen=True, slots=True)
class Case:
    """What one item runs. ``rep`` is ``None`` where pytest-repeat numbers it; ``reps`` are planned.

    ``proposal`` is set where each trial is a case.
    """

    experiment: Experiment
    group: str
    rep: int | None
    reps: int
    proposal: int | None = None


def selected(config: pytest.Config) -> bool:
    """Whether ``-m`` names experiments. Without that none runs, because they may cost money."""
    return selects(config.option, MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker(MARKER)
    if mark is None or not (selected(metafunc.config) or _is_ours(metafunc.definition, mark)):
        return
    if CASE not in metafunc.fixturenames:
        metafunc.fixturenames.append(CASE)
    if not selected(metafunc.config):
        metafunc.parametrize(CASE, [pytest.param(None, id="not-selected")], indirect=True)
        return
    try:
        cases = list(_cases(metafunc, mark))
    except ConfigurationError as error:
        state_of(metafunc.config).faults.update(dict.fromkeys(error.problems))
        metafunc.parametrize(CASE, [pytest.param(None, id="invalid")], indirect=True)
    else:
        metafunc.parametrize(CASE, cases, ids=map(_id, cases), indirect=True)


def _is_ours(definition: pytest.Function, mark: pytest.Mark) -> bool:
    """Whether a marked test needs this package: other projects have a marker of the same name."""
    return any(isinstance(one, Experiment) for one in mark.args) or not FIXTURES.isdisjoint(
        undefined_fixtures(definition)
    )


def _id(case: Case) -> str:
    name = f"{case.experiment.name}-{case.group}"
    if case.proposal is not None:
        name += f"-{case.experiment.script.proposals[case.proposal]['id']}"
    return name if case.rep is None else f"{name}-{case.rep}-{case.reps}"


def _cases(metafunc: pytest.Metafunc, mark: pytest.Mark) -> Iterator[Case]:
    config = metafunc.config
    repeated = _repeats(metafunc)
    for experiment in state_of(config).experiments(mark.args):
        _, mode = choose_mode(experiment, state_of(config).settings.mode)
        proposals = _proposals(experiment, mode)
        explicit = explicit_option(config, "--count") or metafunc.definition.get_closest_marker("repeat")
        reps = repeated if explicit or repeated > 1 else mode.reps
        for group in experiment.groups:
            for proposal in proposals:
                if repeated > 1:
                    yield Case(experiment, group.name, None, reps, proposal)
                else:
                    yield from (
                        Case(experiment, group.name, rep, reps, proposal) for rep in range(1, reps + 1)
                    )


def _proposals(experiment: Experiment, mode: Mode) -> tuple[int | None, ...]:
    """The proposals that have a case each; one ``None`` where a case covers all."""
    if experiment.play is None or not experiment.play.case_per_trial:
        return (None,)
    return tuple(range(len(experiment.script.proposals[: mode.proposals])))


def selected_proposals(config: pytest.Config, experiment: Experiment) -> tuple[int, ...] | None:
    """The proposals of ``experiment`` that the session selects; ``None`` for all."""
    return config.stash.get(_SELECTED, {}).get(experiment.name)


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[_SELECTED] = dict(_parts_selected(session))


def _parts_selected(session: pytest.Session) -> Iterator[tuple[str, tuple[int, ...]]]:
    chosen: dict[str, set[int]] = {}
    experiments: dict[str, Experiment] = {}
    for case in filter(None, map(case_of, session.items)):
        if case.proposal is not None:
            experiments[case.experiment.name] = case.experiment
            chosen.setdefault(case.experiment.name, set()).add(case.proposal)
    for name, proposals in chosen.items():
        _, mode = choose_mode(experiments[name], state_of(session.config).settings.mode)
        if len(proposals) < len(_proposals(experiments[name], mode)):
            yield name, tuple(sorted(proposals))


def _repeats(metafunc: pytest.Metafunc) -> int:
    """The count that pytest-repeat will use for this function; 1 without that plugin."""
    marker = metafunc.definition.get_closest_marker("repeat")
    if marker is not None and marker.args:
        return int(marker.args[0])
    return int(getattr(metafunc.config.option, "count", 1))


def case_of(item: pytest.Item) -> Case | None:
    """The experiment's case behind ``item``, if any."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get(CASE) if callspec else None
    return case if isinstance(case, Case) else None


def rep_of(item: pytest.Item, case: Case) -> int:
    """The repetition, from 1."""
    if case.rep is not None:
        return case.rep
    return int(item.callspec.params[REPEAT]) + 1  # type: ignore[attr-defined]


def left_out(config: pytest.Config) -> bool:
    """Whether cases were collected and deselected because ``-m`` does not name experiments."""
    return config.stash.get(_LEFT_OUT, False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not selected(config):
        kept = [item for item in items if CASE not in getattr(getattr(item, "callspec", None), "params", ())]
        if len(kept) < len(items):
            config.stash[_LEFT_OUT] = True
            stay = set(kept)
            config.hook.pytest_deselected(items=[item for item in items if item not in stay])
            items[:] = kept
        return
    faults = list(state_of(config).faults) or [
        *_one_out_for_many(config, items),
        *_parameters_without_effect(items),
    ]
    if faults and invitation_of(config) is None:
        raise pytest.UsageError(error_text(config, "\n".join(faults)))
    if faults:
        refuse(config, faults)
        items.clear()
    _interleave(config, items)


def _one_out_for_many(config: pytest.Config, items: list[pytest.Item]) -> Iterator[str]:
    experiments = {case.experiment.name for item in items if (case := case_of(item)) is not None}
    if len(experiments) > 1 and state_of(config).settings.out is not None:
        names = ", ".join(sorted(experiments))
        yield f"--out takes one experiment; this session has {names}. Select one with -k."


def _parameters_without_effect(items: list[pytest.Item]) -> Iterator[str]:
    """Find tests with several cases of one cell that differ only in parameters that do not shape the cell."""
    members: dict[tuple[object, ...], list[pytest.Function]] = {}
    for item in items:
        case = case_of(item)
        if case is not None and isinstance(item, pytest.Function) and "cell" in item.fixturenames:
            cell = (case.experiment.name, case.group, rep_of(item, case), case.proposal)
            members.setdefault((item.parent, item.originalname, *cell), []).append(item)
    refused: set[str] = set()
    for first, *others in members.values():
        test = f"{first.parent.nodeid if first.parent else ''}::{first.originalname}"
        if not others or test in refused:
            continue
        shaping = names_behind(first, "cell")
        names = [name for name in first.callspec.params if name not in (CASE, REPEAT) and name not in shaping]
        if names and "request" not in shaping:
            refused.add(test)
            yield same_cell(test, names, len(others) + 1)


def same_cell(test: str, names: Sequence[str], cases: int) -> str:
    """The message for a ``test`` whose parameters ``names`` make several ``cases`` of one cell."""
    shown = " and ".join(map(repr, names))
    return (
        f"{test} is parametrized by {shown}, which changes nothing in its cell: {cases} cases would show the same "
        "trials. Declare a group or an experiment for each value, or loop over the values in one test."
    )


def _interleave(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order cases by rep with the arms in seeded order, so that cells that run one at a time alternate between arms."""
    places = [place for place, item in enumerate(items) if case_of(item) is not None]
    seed = state_of(config).settings.seed if places else 0

    def position(item: pytest.Item) -> tuple[object, ...]:
        case = case_of(item)
        assert case is not None
        rep = rep_of(item, case)
        block = (rep,) if case.proposal is None else (rep, 0, case.proposal)
        arms = arm_order(seed, case.experiment.name, block, tuple(g.name for g in case.experiment.groups))
        rank = "" if case.proposal is None else block_rank(seed, case.experiment.name, block)
        return (case.experiment.name, rep, rank, arms.index(case.group))

    positions = {items[place]: position(items[place]) for place in places}
    firsts: dict[tuple[object, object], int] = {}
    for place in places:
        firsts.setdefault((items[place].parent, positions[items[place]][0]), place)
    ordered = sorted(
        positions, key=lambda item: (firsts[item.parent, positions[item][0]], *positions[item][1:])
    )
    for place, item in zip(places, ordered, strict=True):
        items[place] = item
