"""Read the settings of an experiment from its notebook's statements. Every function raises `Unreadable`."""

from __future__ import annotations

import ast
import re

from harness.experiments.table1.claims import CLAIMS
from harness.experiments.table1.literals import Unreadable, constant, flag, integer, shown, text
from harness.experiments.table1.search import (
    Found,
    Live,
    assigned,
    assignments,
    at,
    calls,
    keyword,
    one_call,
    resolved,
)
from harness.model import Correction

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}"
_GENERATOR = "action_generator"


def full_mode(live: Live) -> Found[bool]:
    return at(assigned(live, "full_mode"), flag)


def artifact(live: Live) -> Found[str]:
    return _file_name(
        one_call(live, "InPlaceExperimentRunner", 1), rf"(?:\./)?({_NAME}\.json)", "./NAME.json"
    )


def groups(live: Live) -> Found[tuple[str, ...]]:
    found = calls(live, "add_experiment")
    if not found:
        raise Unreadable("no calls of add_experiment(…); expected one per group")
    names = [at(Found(arg, call.cell), text).value for call in found for arg in call.value.args[:1]]
    return Found(tuple(names), found[0].cell)


def population(live: Live) -> Found[str]:
    call = one_call(live, "load_specifications_from_folder", 1)
    return _file_name(call, rf"(?:\./)?population/({_NAME})/?", "./population/NAME")


def fragments(live: Live) -> Found[tuple[str, ...]]:
    """Names without suffix, in import order; empty if there are none."""
    pattern = rf"(?:\./)?fragments/({_NAME}?)(?:\.agent)?\.fragment\.json"
    found = [
        _file_name(call, pattern, "./fragments/NAME.agent.fragment.json")
        for call in calls(live, "import_fragment")
    ]
    cell = found[0].cell if found else one_call(live, "load_specifications_from_folder").cell
    return Found(tuple(name.value for name in found), cell)


def panel_size(live: Live) -> Found[int]:
    """The step of ``range(0, len(people), N)``, which must agree with the slices of N people."""
    steps = [call for call in calls(live, "range") if len(call.value.args) == 3]
    if len(steps) != 1:
        raise Unreadable(f"{len(steps)} loops over range(0, len(people), N); expected one")
    size = at(Found(steps[0].value.args[2], steps[0].cell), integer)
    for width in _slice_widths(live):
        if width.value != size.value:
            raise Unreadable(
                f"panels of {width.value} at every {size.value} people; expected one size", width.cell
            )
    return size


def shuffle_seed(live: Live) -> Found[int | None]:
    shuffles, seeds = calls(live, "shuffle"), calls(live, "seed")
    if not shuffles:
        return Found(None, one_call(live, "load_specifications_from_folder").cell)
    if not seeds or not seeds[-1].value.args:
        raise Unreadable("people are shuffled without a seed; expected random.seed(N)", shuffles[0].cell)
    return at(Found(seeds[-1].value.args[0], seeds[-1].cell), integer)


def reps(live: Live) -> Found[int]:
    call = battery(live)
    return resolved(live, keyword(call, "repetitions"), call.cell)


def steps(live: Live) -> Found[int]:
    call = battery(live)
    return resolved(live, keyword(call, "simulation_steps"), call.cell)


def limit(live: Live, name: str) -> Found[int | None]:
    """N of an applicable ``name = name[:N]`` (people, proposals); ``None``: all."""
    left: Found[int | None] | None = None
    for found in assignments(live, name):
        node = found.value
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == name:
            left = _cut(live, Found(node, found.cell))
        else:
            left = Found(None, found.cell)
    if left is None:
        raise Unreadable(f"nothing assigned to {name}; expected `{name} = …`")
    return left


def correction(live: Live) -> Found[Correction | None]:
    """The correction of the group that is active in ``live``; its reasoning step must be off."""
    reasoning = at(assigned(live, f"{_GENERATOR}.enable_reasoning_step"), flag)
    if reasoning.value:
        raise Unreadable(
            "the reasoning step is on; expected it off, because this project does not support it",
            reasoning.cell,
        )
    enabled = at(assigned(live, f"{_GENERATOR}.enable_quality_checks"), flag)
    if not enabled.value:
        return Found(None, enabled.cell)
    return Found(
        Correction(
            quality_threshold=at(assigned(live, f"{_GENERATOR}.quality_threshold"), integer).value,
            max_attempts=at(assigned(live, f"{_GENERATOR}.max_attempts"), integer).value,
            regeneration=at(assigned(live, f"{_GENERATOR}.enable_regeneration"), flag).value,
        ),
        enabled.cell,
    )


def propositions(live: Live, argument: str) -> Found[tuple[tuple[str, str], ...]]:
    """Pairs of metric and TinyTroupe's name of its claim, in the notebook's order."""
    call = battery(live)
    return at(Found(keyword(call, argument), call.cell), _pairs)


def battery(live: Live) -> Found[ast.Call]:
    """The call that runs the trials of a panel, identified by its arguments."""
    found = [
        Found(node, statement.cell)
        for statement in live
        for node in statement.expressions()
        if isinstance(node, ast.Call) and any(arg.arg == "agent_propositions" for arg in node.keywords)
    ]
    if len(found) != 1:
        raise Unreadable(f"{len(found)} calls with agent_propositions=; expected one")
    return found[0]


def _file_name(call: Found[ast.Call], pattern: str, expected: str) -> Found[str]:
    # Names from a notebook become parts of paths later, so only plain ones pass.
    path = at(Found(call.value.args[0], call.cell), text)
    if not (match := re.fullmatch(pattern, path.value)):
        raise Unreadable(f"the path {path.value[:80]!r}; expected {expected}", call.cell)
    return Found(match[1], call.cell)


def _slice_widths(live: Live) -> list[Found[int]]:
    return [
        at(Found(node.upper.right, statement.cell), integer)
        for statement in live
        for node in statement.expressions()
        if isinstance(node, ast.Slice)
        and isinstance(node.lower, ast.Name)
        and isinstance(node.upper, ast.BinOp)
        and isinstance(node.upper.op, ast.Add)
    ]


def _cut(live: Live, found: Found[ast.Subscript]) -> Found[int | None]:
    part = found.value.slice
    if not isinstance(part, ast.Slice) or part.lower or part.step or part.upper is None:
        raise Unreadable(f"{shown(found.value)}; expected the first N of them", found.cell)
    if isinstance(part.upper, ast.Name):
        value = assigned(live, part.upper.id)
        if at(value, constant).value is None:
            return Found(None, value.cell)
    return resolved(live, part.upper, found.cell)


def _pairs(node: ast.expr) -> tuple[tuple[str, str], ...]:
    if not isinstance(node, ast.Dict):
        raise Unreadable(f"{shown(node)}; expected a dictionary of propositions")
    pairs = []
    for key, value in zip(node.keys, node.values, strict=True):
        name = value.id if isinstance(value, ast.Name) else ""
        if key is None or name not in CLAIMS:
            raise Unreadable(f"the proposition {shown(value)}; expected one of {', '.join(CLAIMS)}")
        pairs.append((text(key), name))
    return tuple(pairs)
