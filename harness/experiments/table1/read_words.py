"""Read the words of an experiment from its notebook's statements. Every function raises `Unreadable`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.experiments.table1.literals import Unreadable, integer, shown, template, text
from harness.experiments.table1.search import Found, Live, assigned, assignments, at, calls, keyword, one_call
from harness.model import Extraction

_GAP = re.compile(r"\b(?:than|last)\W{1,6}(\d{1,4})\b")


@dataclass(frozen=True, slots=True)
class Nudge:
    """An intervention in a notebook."""

    precondition: str
    effect: str
    actions_at_least: int
    gap: int


def proposals(live: Live) -> Found[tuple[Mapping[str, str], ...]]:
    """Every proposal in the notebook's list; a setting limits how many a mode uses."""
    lists = [found for found in assignments(live, "proposals") if isinstance(found.value, ast.List)]
    if not lists:
        raise Unreadable("nothing assigned to proposals; expected a list of dictionaries of texts")
    return at(lists[-1], lambda node: tuple(map(_proposal, node.elts if isinstance(node, ast.List) else ())))


def broadcasts(live: Live) -> Found[tuple[str, str]]:
    """Introduction and task, as templates. One step must follow the first, and the mode's steps the second."""
    found = calls(live, "broadcast")
    if len(found) != 2 or not all(call.value.args for call in found):
        raise Unreadable(f"{len(found)} calls of broadcast(…); expected the introduction's and the task's")
    _check_steps(live)
    fields = _fields(live)
    first, second = (at(Found(c.value.args[0], c.cell), lambda node: template(node, fields)) for c in found)
    return Found((first.value, second.value), first.cell)


def consolidation(live: Live) -> Found[str]:
    """The last request, to the first person of the panel."""
    rapporteur = assigned(live, "rapporteur")
    if ast.unparse(rapporteur.value) != "agents[0]":
        raise Unreadable(f"the rapporteur is {shown(rapporteur.value)}; expected agents[0]", rapporteur.cell)
    call = one_call(live, "listen_and_act", 1)
    fields = _fields(live)
    return at(Found(call.value.args[0], call.cell), lambda node: template(node, fields))


def extraction(live: Live) -> Found[Extraction]:
    call = one_call(live, "extract_results_from_agent")
    root, hint = at(Found(keyword(call, "fields_hints"), call.cell), _root).value
    return Found(
        Extraction(
            root=root,
            fields=at(Found(keyword(call, "fields"), call.cell), _texts).value,
            metric=_count_metric(live, root),
            objective=at(Found(keyword(call, "extraction_objective"), call.cell), text).value,
            situation=at(Found(keyword(call, "situation"), call.cell), text).value,
            root_hint=hint,
        ),
        call.cell,
    )


def task_description(live: Live) -> Found[str]:
    """The description of the task in the panel judge's prompt."""
    fields = _fields(live)
    for call in calls(live, "score"):
        for argument in call.value.keywords:
            if argument.arg == "claim_variables":
                node = Found(_entry(argument.value, "task_description", call.cell), call.cell)
                return at(node, lambda node: template(node, fields))
    raise Unreadable("no score(…) with claim_variables=; expected a task_description there")


def intervention(live: Live) -> Found[Nudge | None]:
    """The intervention of the group that is active in ``live``, or ``None``."""
    found = assigned(live, "interventions")
    if isinstance(found.value, ast.List) and not found.value.elts:
        return Found(None, found.cell)
    return at(found, _nudge)


def _nudge(node: ast.expr) -> Nudge:
    chain = _chain(node)
    missing = {"set_functional_precondition", "set_textual_precondition", "set_effect"} - set(chain)
    if missing:
        raise Unreadable(
            f"interventions are {shown(node)}; expected {', '.join(sorted(missing))} in the chain"
        )
    precondition = text(chain["set_textual_precondition"])
    return Nudge(
        precondition,
        _effect(chain["set_effect"]),
        _actions_at_least(chain["set_functional_precondition"]),
        _gap(precondition),
    )


def _chain(node: ast.expr) -> dict[str, ast.expr]:
    """The methods of ``Intervention.create_for_each(…).set_…(…)`` with the first argument of each."""
    links = {}
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        links[node.func.attr] = node.args[0]
        node = node.func.value
    return links


def _actions_at_least(node: ast.expr) -> int:
    match node:
        case ast.Lambda(
            body=ast.Compare(left=ast.Attribute(attr="actions_count"), ops=[operator], comparators=[count])
        ) if isinstance(operator, ast.GtE | ast.Gt):
            return integer(count) + isinstance(operator, ast.Gt)
    raise Unreadable(f"{shown(node)}; expected `lambda target: target.actions_count >= N`")


def _effect(node: ast.expr) -> str:
    match node:
        case ast.Lambda(body=ast.Call(func=ast.Attribute(attr="think"), args=[thought])):
            return text(thought)
    raise Unreadable(f"{shown(node)}; expected `lambda target: target.think(…)`")


def _gap(precondition: str) -> int:
    gaps = sorted({int(number) for number in _GAP.findall(precondition)})
    if len(gaps) != 1:
        named = " and ".join(map(str, gaps)) or "none"
        raise Unreadable(f"the textual precondition names the gaps {named}; expected one number of events")
    return gaps[0]


def _fields(live: Live) -> dict[str, str]:
    """Local variable → field of the proposal, from assignments such as ``theme = proposal["theme"]``."""
    fields = {}
    for statement in live:
        match statement.node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Subscript(value=ast.Name(id="proposal"), slice=ast.Constant(value=str(key))),
            ):
                fields[name] = key
    return fields


def _check_steps(live: Live) -> None:
    runs = [call for call in calls(live, "run") if len(call.value.args) == 1]
    shapes = [ast.unparse(call.value.args[0]) for call in runs]
    if shapes != ["1", "simulation_steps"]:
        cell = runs[0].cell if runs else None
        found = ", ".join(f"run({shape[:40]})" for shape in shapes) or "no run(…)"
        raise Unreadable(f"{found} after the broadcasts; expected run(1), run(simulation_steps)", cell)


def _count_metric(live: Live, root: str) -> str:
    """The metric to which ``len(ideas["ideas"])`` is appended."""
    for call in calls(live, "append"):
        match call.value:
            case ast.Call(
                func=ast.Attribute(value=ast.Subscript(slice=ast.Constant(value=str(metric)))),
                args=[
                    ast.Call(func=ast.Name(id="len"), args=[ast.Subscript(slice=ast.Constant(value=counted))])
                ],
            ) if counted == root:
                return metric
    raise Unreadable(f"nothing counts the extracted items; expected [METRIC].append(len(…[{root!r}]))")


def _root(node: ast.expr) -> tuple[str, str]:
    if isinstance(node, ast.Dict) and len(node.keys) == 1 and node.keys[0] is not None:
        return text(node.keys[0]), text(node.values[0])
    raise Unreadable(f"fields_hints={shown(node)}; expected one entry, named like the root of the result")


def _texts(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.List | ast.Tuple):
        return tuple(map(text, node.elts))
    raise Unreadable(f"{shown(node)}; expected a list of texts")


def _proposal(node: ast.expr) -> Mapping[str, str]:
    if isinstance(node, ast.Dict):
        return {text(key): text(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    raise Unreadable(f"the proposal {shown(node)}; expected a dictionary of texts")


def _entry(node: ast.expr, name: str, cell: int) -> ast.expr:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == name:
                return value
    raise Unreadable(f"{shown(node)}; expected an entry {name!r}", cell)
